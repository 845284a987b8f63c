"""Orders and their fills: one transition table, and the arithmetic that folds fills into an order."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from chalicelib.domain.replacing import replace
from chalicelib.domain.stored import Stored, sparse

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit", "stop"]
"""`stop` is a stop-market order: it triggers when the last price reaches `trigger_price`."""

Leg = Literal["entry", "exit", "protection", "external"]
"""`protection` is a stop that rests at the venue; `external` an order that somebody else placed."""

PositionSide = Literal["both", "long", "short"]
"""Which side of a symbol an order is for where both may be held (hedge mode); `both` in one-way mode."""


class OrderState(StrEnum):
    """Where an order stands; UNKNOWN means that nobody has proved yet whether the venue has it."""

    INTENT = "INTENT"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"


_S = OrderState
_AT_VENUE = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED})

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENT: _AT_VENUE | {_S.SUBMITTED, _S.REJECTED, _S.DENIED, _S.UNKNOWN},
    # Back to INTENT when the venue provably did not get it.
    _S.SUBMITTED: _AT_VENUE | {_S.INTENT, _S.REJECTED, _S.UNKNOWN},
    _S.UNKNOWN: _AT_VENUE | {_S.SUBMITTED, _S.REJECTED, _S.PENDING_CANCEL},
    _S.ACCEPTED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.PENDING_CANCEL, _S.CANCELED, _S.EXPIRED}),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.PENDING_CANCEL, _S.CANCELED, _S.EXPIRED}),
    _S.PENDING_CANCEL: frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    # A venue may report the last fills after it reported the end.
    _S.CANCELED: frozenset({_S.FILLED}),
    _S.EXPIRED: frozenset({_S.FILLED}),
    _S.FILLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.DENIED: frozenset(),
}

TERMINAL = frozenset({_S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED, _S.DENIED})
UNPROVEN = frozenset({_S.INTENT, _S.SUBMITTED, _S.UNKNOWN})
"""States in which the venue must be asked before anything is sent."""

COARSE = {
    _S.FILLED: "filled",
    _S.REJECTED: "failed",
    _S.DENIED: "failed",
    _S.CANCELED: "cancelled",
    _S.EXPIRED: "cancelled",
}
"""The words of the API for terminal states; every other state is `pending`."""


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of an order at the venue; `fee` in `fee_currency`."""

    trade_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    time: float


def filled_by(fills: Iterable[Fill]) -> Decimal:
    """Return the quantity of some fills."""
    quantity = Decimal(0)
    for fill in fills:
        quantity += fill.quantity
    return quantity


@dataclass(frozen=True, slots=True)
class Order(Stored):
    """One order, from stored intent to its end.

    `watch_until` above 0 keeps an order among the open ones after its end: fills may come late, and a look
    behind that epoch second finds them.
    """

    client_order_id: str
    connection_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None
    reduce_only: bool
    leg: Leg
    position_id: str
    signal_id: str
    state: OrderState
    created_at: float
    updated_at: float
    correlation_id: str
    reason: str = ""
    venue_order_id: str = ""
    unproven_lookups: int = 0
    fills: tuple[Fill, ...] = ()
    trigger_price: Decimal | None = sparse(None)
    post_only: bool = sparse(False)
    position_side: PositionSide = sparse("both")
    watch_until: float = sparse(0.0)
    revision: int = 0

    @property
    def filled(self) -> Decimal:
        return filled_by(self.fills)

    @property
    def is_open(self) -> bool:
        """Tell whether reconciliation has to look at the order."""
        return self.state not in TERMINAL or self.watch_until > 0

    @property
    def coarse_state(self) -> str:
        return COARSE.get(self.state, "pending")


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """What a venue says about an order: its own id, state and all fills so far.

    `filled` is the venue's cumulative figure; it may be ahead of `fills`, whose trades are a question of
    their own, and then the order must be asked for again. Order and trades without id of ours have an empty
    `client_order_id`.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    state: OrderState
    quantity: Decimal
    fills: tuple[Fill, ...] = ()
    filled: Decimal = Decimal(0)
    type: OrderType = "market"
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    position_side: PositionSide = "both"

    @property
    def missing(self) -> Decimal:
        """Quantity that filled without its trades being known; 0 if all are."""
        return max(self.filled - filled_by(self.fills), Decimal(0))


def may_become(current: OrderState, target: OrderState) -> bool:
    """Tell whether the table allows the step; staying where one is is always allowed."""
    return current == target or target in TRANSITIONS[current]


def unseen_fills(order: Order, fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return the fills whose trade ids the order has not counted yet, each once, in the given order."""
    seen = {fill.trade_id for fill in order.fills}
    fresh: dict[str, Fill] = {}
    for fill in fills:
        if fill.trade_id not in seen:
            fresh.setdefault(fill.trade_id, fill)
    return tuple(fresh.values())


def conflicting_fills(order: Order, fills: Iterable[Fill]) -> tuple[str, ...]:
    """Return the ids of known trades that are now reported with another quantity or price."""
    known = {fill.trade_id: (fill.quantity, fill.price) for fill in order.fills}
    return tuple(
        fill.trade_id
        for fill in fills
        if fill.trade_id in known and known[fill.trade_id] != (fill.quantity, fill.price)
    )


LATE_FILLS = 60.0
"""Seconds after the end of an order within which a venue may still report fills of it."""


def adopt(order: Order, seen: VenueOrder, now: float) -> Order:
    """Take over what the venue says: new fills, its id, and its state where the table allows the step.

    A report older than what is known (a state that the table forbids) changes fills only. An order whose
    trades are not all known does not end, so that it is asked for again; one that ends before it is filled
    is watched for late fills.
    """
    fills = order.fills + unseen_fills(order, seen.fills)
    filled = filled_by(fills)
    target = seen.state
    if filled >= order.quantity:
        target = OrderState.FILLED
    elif seen.filled > filled or (filled > 0 and target == OrderState.ACCEPTED):
        target = OrderState.PARTIALLY_FILLED
    state = target if may_become(order.state, target) else order.state
    return replace(
        order,
        state=state,
        fills=fills,
        venue_order_id=seen.venue_order_id or order.venue_order_id,
        unproven_lookups=0,
        updated_at=now,
        watch_until=_watch_until(order, state, now),
    )


def _watch_until(order: Order, state: OrderState, now: float) -> float:
    """Return until when an order in this state is watched: a look after that moment ends the watch."""
    if state not in _UNFILLED_ENDS:
        return 0.0
    if order.state not in _UNFILLED_ENDS:
        return now + LATE_FILLS
    return order.watch_until if now <= order.watch_until else 0.0


_UNFILLED_ENDS = frozenset({OrderState.CANCELED, OrderState.EXPIRED})


def moved(order: Order, state: OrderState, now: float, reason: str = "") -> Order:
    """Return the order in another state; ValueError where the table forbids it (a bug, not an input)."""
    if not may_become(order.state, state):
        raise ValueError(f"order {order.client_order_id}: {order.state} may not become {state}")
    return replace(order, state=state, updated_at=now, reason=reason or order.reason)
