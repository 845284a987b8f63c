"""The values of the exchange behind the wire: markets, policies, tickets, orders, trades, payments, books."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

MarketType = Literal["spot", "swap"]
Side = Literal["buy", "sell"]
PositionSide = Literal["both", "long", "short"]
OrderType = Literal["market", "limit", "stop", "stop_limit"]
TimeInForce = Literal["GTC", "IOC", "FOK"]
Status = Literal["open", "filled", "canceled", "expired", "rejected"]
Direction = Literal["rising", "falling"]
PaymentKind = Literal["funding", "realised", "fee"]

Reason = Literal[
    "BAD_SYMBOL",
    "MARKET_CLOSED",
    "BAD_CLIENT_ID",
    "DUPLICATE",
    "AMOUNT_STEP",
    "MIN_AMOUNT",
    "MAX_AMOUNT",
    "PRICE_STEP",
    "PRICE_BAND",
    "MIN_NOTIONAL",
    "POSITION_SIDE",
    "REDUCE_ONLY",
    "POST_ONLY",
    "TRIGGERS_NOW",
    "INSUFFICIENT_FUNDS",
    "UNKNOWN_ORDER",
    "NOT_OPEN",
    "NOT_MODIFIED",
    "BAD_LEVERAGE",
    "HAS_POSITION",
    "HAS_ORDERS",
]
"""Why the exchange says no; each wire layer has its own codes for them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange did not do what was asked, and why; `order` is the one it means, where there is one."""

    reason: Reason
    detail: str = ""
    order: "Order | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One market, by its unified symbol: `BTC/USDT` is spot, `BTC/USDT:USDT` a linear swap."""

    symbol: str
    price_step: Decimal
    amount_step: Decimal
    min_amount: Decimal
    min_notional: Decimal
    max_amount: Decimal = Decimal(10_000)
    max_leverage: int = 100
    price_band: Decimal | None = None
    """Largest distance of a limit price from the last one, as a share of it."""
    active: bool = True

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2].partition(":")[0]

    @property
    def type(self) -> MarketType:
        return "swap" if ":" in self.symbol else "spot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an exchange behaves on one type of market, as data."""

    client_ids: Literal["open", "ever", "none"] = "open"
    """Among which orders a client id must be unique: the open ones, all of them, or it is not checked."""
    client_id_seconds: float | None = None
    """With `ever`: how long an ended order keeps its client id; None is for ever."""
    client_id_pattern: str = r"[A-Za-z0-9_.:/-]{1,36}"
    maker_fee: Decimal = Decimal("0.001")
    taker_fee: Decimal = Decimal("0.001")
    post_only_refused: bool = True
    """A post-only order that would take: refused, or accepted and expired at once."""
    stop_that_would_trigger: Literal["refuse", "wait", "fire"] = "refuse"
    """A stop whose condition holds already; `wait` needs the price to leave and cross again."""
    stop_becomes_another_order: bool = False
    """Whether a triggered stop trades under a second order id (`Order.child_id`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order as it was asked for. `cost` (quote) instead of `quantity` for market buys by value."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal = Decimal(0)
    cost: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    direction: Direction | None = None
    """Of the price when the stop triggers; None: a sell triggers on a falling, a buy on a rising price."""
    client_id: str = ""
    time_in_force: TimeInForce = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    close_position: bool = False
    """A stop without quantity that closes whatever there is when it triggers."""
    position_side: PositionSide = "both"

    @property
    def triggers_on(self) -> Direction:
        return self.direction or ("falling" if self.side == "sell" else "rising")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade of an order; `fee` is negative for a rebate. An echo is a row told twice that is no trade."""

    id: int
    order_id: int
    symbol: str
    side: Side
    position_side: PositionSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool
    realised: Decimal
    time: float
    echo: bool = False


@dataclass(slots=True, kw_only=True)
class Order:
    """One order at the exchange, from acceptance on."""

    id: int
    ticket: Ticket
    quantity: Decimal
    created: float
    updated: float
    status: Status = "open"
    triggered: bool = False
    child_id: int | None = None
    trades: list[Trade] = field(default_factory=list)
    reason: str = ""
    """Why it ended without the owner's wish (`REDUCE_ONLY`, `INSUFFICIENT_FUNDS` ...)."""
    external: bool = False
    hidden_reads: int = 0
    visible_from: float = 0.0
    armed: bool = True
    """False for a stop whose condition held at placement and that waits for a crossing."""

    @property
    def symbol(self) -> str:
        return self.ticket.symbol

    @property
    def side(self) -> Side:
        return self.ticket.side

    @property
    def client_id(self) -> str:
        return self.ticket.client_id

    @property
    def filled(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades if not trade.echo), Decimal(0))

    @property
    def filled_cost(self) -> Decimal:
        return sum((trade.quantity * trade.price for trade in self.trades if not trade.echo), Decimal(0))

    @property
    def average(self) -> Decimal:
        filled = self.filled
        return self.filled_cost / filled if filled else Decimal(0)

    @property
    def remaining(self) -> Decimal:
        return max(Decimal(0), self.quantity - self.filled)

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def conditional(self) -> bool:
        """A stop that has not triggered yet, or never did."""
        return self.ticket.type in ("stop", "stop_limit") and not self.triggered


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One line of the futures account's history; `amount` signed, in the quote currency."""

    id: int
    kind: PaymentKind
    symbol: str
    amount: Decimal
    currency: str
    time: float
    trade_id: int | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """All that matters of an account, for comparison: two equal books are the same state."""

    orders: dict[str, tuple[Status, Decimal]]
    """By client id (or `#id` of orders without one): where it stands and how much is filled."""
    positions: dict[tuple[str, PositionSide], Decimal]
    """Signed quantities of swaps that are not flat."""
    balances: dict[tuple[MarketType, str], Decimal]
    """Totals by wallet and currency, zero left out."""
    trades: tuple[int, ...]
