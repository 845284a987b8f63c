"""Example records, and strategies that draw any of them."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Account, Beat, Engine, LadderPointer, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Fill, Order, OrderState
from chalicelib.domain.paper import PaperAccount, PaperHolding, PaperOrder
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Session
from chalicelib.domain.signal import ExitProfile, Signal

TENANT = "acme"
CONNECTION = "desk-1"
ENGINE = engine_subject(TENANT, CONNECTION)


def order(
    name: str = "cts-1", at: float = 100.0, state: OrderState = OrderState.INTENT, **other: Any
) -> Order:
    values: dict[str, Any] = {
        "connection_id": CONNECTION,
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": Decimal("0.10"),
        "price": None,
        "reduce_only": False,
        "leg": "entry",
        "position_id": "p",
        "signal_id": "s",
        "updated_at": at,
        "correlation_id": "c",
    }
    return Order(name, state=state, created_at=at, **{**values, **other})


def position(name: str = "p-1", at: float = 100.0, state: Any = "opening", **other: Any) -> Position:
    values: dict[str, Any] = {
        "connection_id": CONNECTION,
        "symbol": "BTC/USDT",
        "direction": "long",
        "exits": ExitProfile(),
        "source": "preset",
        "signal_id": "s",
        "updated_at": at,
        "correlation_id": "c",
    }
    return Position(name, state=state, opened_at=at, **{**values, **other})


def signal(name: str = "0000000100-BTC/USDT", **other: Any) -> Signal:
    values: dict[str, Any] = {
        "connection_id": CONNECTION,
        "symbol": "BTC/USDT",
        "action": "enter",
        "direction": "long",
        "source": "preset",
        "strategy": "trend",
        "confidence": 0.7,
        "price": Decimal("100.10"),
        "candle_time": 100,
        "created_at": 101.0,
        "correlation_id": "c",
        "exits": ExitProfile(),
    }
    return Signal(name, **{**values, **other})


def session(name: str = "s-1", at: float = 100.0, **other: Any) -> Session:
    return Session(name, **{"connection_id": CONNECTION, "started_at": at, "correlation_id": "c", **other})


def entry(name: str = "e-1", at: float = 100.0, **other: Any) -> AuditEntry:
    values = {"actor": "user", "action": "start", "subject": CONNECTION, "correlation_id": "c"}
    return AuditEntry(name, at, **{**values, **other})


def paper_account(**other: Any) -> PaperAccount:
    values = {"market_type": "spot", "start_cash": Decimal("10000.00"), "cash": Decimal("9000.10")}
    return PaperAccount(CONNECTION, **{**values, **other})


def paper_order(name: str = "cts-1", at: float = 100.0, **other: Any) -> PaperOrder:
    values: dict[str, Any] = {
        "connection_id": CONNECTION,
        "venue_order_id": "v-1",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": Decimal("0.1"),
        "price": None,
        "reduce_only": False,
        "state": OrderState.ACCEPTED,
        "created_at": at,
        "updated_at": at,
    }
    return PaperOrder(name, **{**values, **other})


money = st.decimals(-(10**18), 10**18, allow_nan=False, allow_infinity=False, places=18)
amounts = st.decimals(0, 10**12, allow_nan=False, allow_infinity=False, places=8)
times = st.floats(0, 4e9, allow_nan=False)
texts = st.text(max_size=30)
names = st.text("abcdefghij0123456789-", min_size=1, max_size=30)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
details = st.dictionaries(names, plain, max_size=3)
exits = st.builds(
    ExitProfile,
    take_profit=st.none() | amounts,
    stop_loss=st.none() | amounts,
    trailing_distance=st.none() | amounts,
    trailing_activation=st.none() | amounts,
    time_limit=st.none() | st.integers(1, 10**6),
)
sides = st.sampled_from(["buy", "sell"])
directions = st.sampled_from(["long", "short"])
fills = st.lists(
    st.builds(
        Fill,
        trade_id=names,
        symbol=texts,
        side=sides,
        quantity=amounts,
        price=amounts,
        fee=money,
        fee_currency=texts,
        time=times,
    ),
    max_size=3,
).map(tuple)
own = st.just(CONNECTION)
orders = st.builds(
    Order,
    client_order_id=names,
    connection_id=own,
    symbol=texts,
    side=sides,
    type=st.sampled_from(["market", "limit"]),
    quantity=amounts,
    price=st.none() | amounts,
    reduce_only=st.booleans(),
    leg=st.sampled_from(["entry", "exit"]),
    position_id=texts,
    signal_id=texts,
    state=st.sampled_from(OrderState),
    created_at=times,
    updated_at=times,
    correlation_id=texts,
    reason=texts,
    unproven_lookups=st.integers(0, 99),
    fills=fills,
)
positions = st.builds(
    Position,
    position_id=names,
    connection_id=own,
    symbol=texts,
    direction=directions,
    state=st.sampled_from(["opening", "open", "closed", "abandoned"]),
    exits=exits,
    source=texts,
    signal_id=texts,
    opened_at=times,
    updated_at=times,
    correlation_id=texts,
    reserved=money,
    quantity=amounts,
    cost=money,
    realised=money,
    fees=money,
    entry_price=amounts,
    session_id=texts,
    exit_epoch=st.integers(0, 99),
    exit_reason=texts,
    closed_at=st.none() | times,
)
signals = st.builds(
    Signal,
    signal_id=names,
    connection_id=own,
    symbol=texts,
    action=st.sampled_from(["enter", "leave"]),
    direction=directions,
    source=texts,
    strategy=texts,
    confidence=st.floats(0, 1),
    price=amounts,
    candle_time=st.integers(0, 4 * 10**9),
    created_at=times,
    correlation_id=texts,
    exits=exits,
    reasons=st.lists(texts, max_size=3).map(tuple),
    status=st.sampled_from(["emitted", "executed", "refused"]),
)
sessions = st.builds(
    Session,
    session_id=names,
    connection_id=own,
    started_at=times,
    correlation_id=texts,
    settings=details,
    ended_at=st.none() | times,
    opened=st.integers(0, 10**6),
    realised=money,
    fees=money,
)
entries = st.builds(
    AuditEntry,
    entry_id=names,
    at=times,
    actor=texts,
    action=texts,
    subject=texts,
    correlation_id=texts,
    before=texts,
    after=texts,
    details=details,
)
engines = st.builds(
    Engine,
    subject=st.just(ENGINE),
    status=st.sampled_from(Status),
    changed_at=times,
    session_id=texts,
    settings=details,
    beats=st.dictionaries(
        st.sampled_from(["market", "strategy"]), st.builds(Beat, times, st.integers(0, 99), texts)
    ),
    ladder=st.builds(LadderPointer, st.integers(0, 99), st.integers(0, 99), st.integers(0, 10**9), times),
    ladder_counts=st.dictionaries(names, st.integers(0, 10**6), max_size=3),
    account=st.builds(Account, money, money, money, money, times),
    marks=st.dictionaries(names, money, max_size=3),
    cooldowns=st.dictionaries(texts, times, max_size=3),
    last_candle=st.integers(0, 4 * 10**9),
    health=texts,
    alarms=st.lists(texts, max_size=3).map(tuple),
    correlation_id=texts,
)
connections = st.builds(
    Connection,
    connection_id=own,
    exchange=texts,
    symbols=st.lists(texts, max_size=3).map(tuple),
    tenant=st.just(TENANT),
    exits=exits,
    position_cost=money,
    created_at=times,
)
paper_accounts = st.builds(
    PaperAccount,
    connection_id=own,
    market_type=st.sampled_from(["spot", "swap"]),
    start_cash=money,
    cash=money,
    holdings=st.dictionaries(names, st.builds(PaperHolding, money, money), max_size=3),
    realised=money,
    fees=money,
    open_orders=st.lists(names, max_size=3).map(tuple),
)
paper_orders = st.builds(
    PaperOrder,
    client_order_id=names,
    connection_id=own,
    venue_order_id=texts,
    symbol=texts,
    side=sides,
    type=st.sampled_from(["market", "limit"]),
    quantity=amounts,
    price=st.none() | amounts,
    reduce_only=st.booleans(),
    state=st.sampled_from(OrderState),
    created_at=times,
    updated_at=times,
    fills=fills,
)
