"""A swap account in memory whose every answer a test can steer: stops, trades, positions, foreign orders."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from chalicelib.domain.approval import ApprovedOrder
from chalicelib.domain.order import TERMINAL, Fill, Order, OrderState, VenueOrder
from chalicelib.domain.venue import (
    Abilities,
    Balance,
    Funding,
    KeyPermissions,
    MarginMode,
    PositionMode,
    VenuePosition,
    VenueTrade,
)
from chalicelib.errors import OrderNotFound, VenueError
from tests.flows.desk import HandFeed

D = Decimal
TEN_THOUSAND, WHOLE = D(10000), D(1)
ABLE = Abilities(True, True, True, True, True)


@dataclass
class HandVenue:
    """Fills market orders at the feed's price; limits and stops rest until the test fills them."""

    feed: HandFeed
    able: Abilities = ABLE
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    trades: list[VenueTrade] = field(default_factory=list)
    cash: Decimal = TEN_THOUSAND
    payments: list[Funding] = field(default_factory=list)
    failing: dict[str, VenueError] = field(default_factory=dict)
    empty: bool = False
    fee_currency: str = "USDT"
    calls: list[str] = field(default_factory=list)

    @property
    def abilities(self) -> Abilities:
        return self.able

    def create_order(self, approved: ApprovedOrder, now: float) -> VenueOrder:
        self._called("create_order")
        order = approved.order
        seen = VenueOrder(
            order.client_order_id,
            f"v{len(self.orders) + 1}",
            order.symbol,
            order.side,
            OrderState.ACCEPTED,
            order.quantity,
            type=order.type,
            price=order.price,
            trigger_price=order.trigger_price,
            reduce_only=order.reduce_only,
        )
        self.orders[seen.venue_order_id] = seen
        return self.fill(seen.venue_order_id, now) if order.type == "market" else seen

    def cancel_order(self, order: Order, now: float) -> VenueOrder:
        self._called("cancel_order")
        seen = self._find(order)
        if seen.state not in TERMINAL:
            self.orders[seen.venue_order_id] = seen = replace(seen, state=OrderState.CANCELED)
        return seen

    def fetch_order(self, order: Order, now: float) -> VenueOrder:
        self._called("fetch_order")
        return self._find(order)

    def fetch_open_orders(self, symbols: Sequence[str], now: float) -> tuple[VenueOrder, ...]:
        self._called("fetch_open_orders")
        return tuple(o for o in self.orders.values() if o.symbol in symbols and o.state not in TERMINAL)

    def fetch_trades(self, symbol: str, since: float, now: float) -> tuple[VenueTrade, ...]:
        self._called("fetch_trades")
        return tuple(t for t in self.trades if t.fill.symbol == symbol and t.fill.time >= since)

    def fetch_positions(self, symbols: Sequence[str], now: float) -> tuple[VenuePosition, ...]:
        self._called("fetch_positions")
        if self.empty:
            return ()
        held = {symbol: self.held(symbol) for symbol in symbols}
        entry = {s: next((t.fill.price for t in self.trades if t.fill.symbol == s), None) for s in symbols}
        return tuple(
            VenuePosition(s, "long" if q > 0 else "short", abs(q), entry[s]) for s, q in held.items() if q
        )

    def fetch_balance(self, now: float) -> Balance:
        self._called("fetch_balance")
        return Balance(self.cash, self.cash)

    def fetch_funding(self, symbols: Sequence[str], since: float, now: float) -> tuple[Funding, ...]:
        self._called("fetch_funding")
        return tuple(paid for paid in self.payments if paid.symbol in symbols and since <= paid.time <= now)

    def configure(
        self, symbol: str, leverage: int, margin_mode: MarginMode, position_mode: PositionMode, now: float
    ) -> None:
        self._called("configure")

    def permissions(self, now: float) -> KeyPermissions:
        return KeyPermissions(True, False)

    def clock_skew(self, now: float) -> float | None:
        return 0.0

    def fill(
        self, venue_order_id: str, now: float, share: Decimal = WHOLE, price: Decimal | None = None
    ) -> VenueOrder:
        """Fill a share of an order's quantity, also of one that has ended."""
        seen = self.orders[venue_order_id]
        at = price or self.feed.prices[seen.symbol]
        quantity = seen.quantity * share
        name = f"t{len(self.trades) + 1}"
        fill = Fill(name, seen.symbol, seen.side, quantity, at, quantity * at / 1000, self.fee_currency, now)
        self.trades.append(VenueTrade(venue_order_id, fill))
        filled = seen.filled + quantity
        state = OrderState.FILLED if filled >= seen.quantity else seen.state
        seen = replace(seen, state=state, filled=filled, fills=(*seen.fills, fill))
        self.orders[venue_order_id] = seen
        return seen

    def by_hand(self, symbol: str, side: str, quantity: Decimal, now: float) -> None:
        """Trade as the owner of the account would: at the exchange's own page."""
        number = f"v{len(self.orders) + 1}"
        self.orders[number] = VenueOrder("", number, symbol, side, OrderState.ACCEPTED, quantity)  # type: ignore[arg-type]
        self.fill(number, now)

    def held(self, symbol: str) -> Decimal:
        fills = (trade.fill for trade in self.trades if trade.fill.symbol == symbol)
        return sum((f.quantity if f.side == "buy" else -f.quantity for f in fills), D(0))

    def stops(self) -> list[VenueOrder]:
        """Return the stops that rest now."""
        return [o for o in self.orders.values() if o.type == "stop" and o.state not in TERMINAL]

    def _find(self, order: Order) -> VenueOrder:
        for seen in self.orders.values():
            own = seen.client_order_id and seen.client_order_id == order.client_order_id
            if own or seen.venue_order_id == order.venue_order_id:
                return seen
        raise OrderNotFound(f"no order {order.client_order_id}")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise self.failing[name]
