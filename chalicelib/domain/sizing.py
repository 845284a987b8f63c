"""How much to buy: a share of equity by the chosen method, capped by every limit, rounded down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.market import Market, floor_to_step
from chalicelib.domain.position import Position
from chalicelib.domain.trading_settings import SizingMethod

ONE = Decimal(1)
ZERO = Decimal(0)

KELLY_LEAST_POSITIONS = 30
"""Closed positions below which their statistics prove nothing."""

FALLBACK_FACTOR = Decimal("0.5")
"""What is left of the connection's position cost where the chosen method can't say."""

FALLBACK_USED = "FALLBACK_USED"
ERROR_FALLBACK = "ERROR_FALLBACK"


@dataclass(frozen=True, slots=True)
class SizingEvidence:
    """What methods go by: the symbol's average true range (a price), and the last closed positions.

    `failed`: it could not be read.
    """

    atr: Decimal | None = None
    closed: int = 0
    wins: int = 0
    gross_profit: Decimal = ZERO
    gross_loss: Decimal = ZERO
    failed: bool = False


NO_EVIDENCE = SizingEvidence()


@dataclass(frozen=True, slots=True)
class SizeRequest:
    """One entry to size; money in quote currency, `factor` is tier factor times risk factor."""

    connection: Connection
    market: Market
    symbol: str
    price: Decimal
    equity: Decimal
    free: Decimal
    positions: tuple[Position, ...]
    evidence: SizingEvidence = field(default=NO_EVIDENCE)
    factor: Decimal = ONE


@dataclass(frozen=True, slots=True)
class Size:
    """Quantity in base units, 0 if no room is left, and what made it other than the position cost says."""

    quantity: Decimal
    notes: tuple[str, ...] = ()


def entry_size(request: SizeRequest) -> Size:
    """Return the size of an entry: share of equity x equity x factor, never more than any limit allows."""
    fraction, notes = share_of_equity(request)
    room = min(fraction * request.equity * request.factor, *caps(request))
    if room <= 0 or request.price <= 0:
        return Size(ZERO, notes)
    quantity = floor_to_step(room / request.price, request.market.amount_step)
    most = request.market.max_amount
    return Size(quantity if most is None else min(quantity, most), notes)


def caps(request: SizeRequest) -> tuple[Decimal, ...]:
    """Return the most notional that each limit leaves room for; money counts with the costs of the trade."""
    risk, equity = request.connection.risk, request.equity
    return (
        risk.max_position * equity,
        risk.max_symbol_exposure * equity - exposure(request.positions, request.symbol),
        risk.max_exposure * equity - exposure(request.positions),
        request.free / tied(request.connection),
    )


def tied(connection: Connection) -> Decimal:
    """Return how much free money an entry takes, as a ratio of its notional: margin and costs."""
    return ONE / connection.leverage + connection.paper.costs


def exposure(positions: tuple[Position, ...], symbol: str | None = None) -> Decimal:
    """Return the entry notional of the given positions in quote currency, of one symbol or of all.

    A position that is still opening counts with what its entry may cost (`reserved`).
    """
    notional = ZERO
    for position in positions:
        if symbol is None or position.symbol == symbol:
            notional += max(position.cost, position.reserved)
    return notional


def share_of_equity(request: SizeRequest) -> tuple[Decimal, tuple[str, ...]]:
    """Return the share of equity by the chosen method, with notes; a conservative one where it can't say."""
    method = request.connection.sizing.method
    conservative = request.connection.position_cost * FALLBACK_FACTOR
    if request.evidence.failed:
        return conservative, (f"{ERROR_FALLBACK} {method}",)
    try:
        share = METHODS[method](request)
    except ArithmeticError:
        return conservative, (f"{ERROR_FALLBACK} {method}",)
    if share is None:
        return conservative, (f"{FALLBACK_USED} {method}",)
    return share, () if method == "fixed_fraction" else (f"{method} {share:.4g}",)


def fixed_fraction(request: SizeRequest) -> Decimal:
    """Return the position cost ratio: the same share of equity for every entry (Vince 1990)."""
    return request.connection.position_cost


def volatility_target(request: SizeRequest) -> Decimal | None:
    """Return the share at which a move of some average true ranges costs `risk_per_trade` of equity.

    share = risk per trade x price / (multiple x ATR): the unit of the Turtle traders (Faith 2007); None
    without an average true range.
    """
    atr, choice = request.evidence.atr, request.connection.sizing
    if atr is None or atr <= 0:
        return None
    return choice.risk_per_trade * request.price / (choice.atr_multiple * atr)


def kelly(request: SizeRequest) -> Decimal | None:
    """Return `kelly_share` of Kelly's share, 0 without an edge; None for too few closed positions.

    f = W - (1 - W) / R with the win rate W and R = average win / average loss (Kelly 1956).
    """
    found = request.evidence
    if found.closed < KELLY_LEAST_POSITIONS:
        return None
    if not found.wins:
        return ZERO
    wins = Decimal(found.wins) / found.closed
    losses = found.closed - found.wins
    odds_against = ZERO
    if losses and found.gross_loss > 0:
        odds_against = (1 - wins) * (found.gross_loss / losses) / (found.gross_profit / found.wins)
    return request.connection.sizing.kelly_share * max(wins - odds_against, ZERO)


METHODS: Mapping[SizingMethod, Callable[[SizeRequest], Decimal | None]] = {
    "fixed_fraction": fixed_fraction,
    "volatility_target": volatility_target,
    "kelly": kelly,
}
