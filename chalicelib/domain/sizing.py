"""How much to buy: position cost ratio of equity, capped by every limit, rounded down."""

from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.market import Market, floor_to_step
from chalicelib.domain.position import Position


def exposure(positions: tuple[Position, ...], symbol: str | None = None) -> Decimal:
    """Return the entry notional of the given positions in quote currency, of one symbol or of all.

    A position that is still opening counts with what its entry may cost (`reserved`).
    """
    chosen = (p for p in positions if symbol is None or p.symbol == symbol)
    return sum((max(p.cost, p.reserved) for p in chosen), Decimal(0))


def entry_quantity(
    connection: Connection,
    market: Market,
    symbol: str,
    price: Decimal,
    equity: Decimal,
    cash: Decimal,
    positions: tuple[Position, ...],
) -> Decimal:
    """Return the quantity in base units, 0 if no room is left; never more than any limit allows.

    Caps: the position's cost ratio, exposure per symbol and in total, and cash with the costs of the trade.
    """
    risk, paper = connection.risk, connection.paper
    costs = 1 + paper.fee_rate + paper.slippage + paper.spread
    room = min(
        connection.position_cost * equity,
        risk.max_symbol_exposure * equity - exposure(positions, symbol),
        risk.max_exposure * equity - exposure(positions),
        cash / costs,
    )
    if room <= 0:
        return Decimal(0)
    quantity = floor_to_step(room / price, market.amount_step)
    return quantity if market.max_amount is None else min(quantity, market.max_amount)
