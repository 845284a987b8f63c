"""Signal consumer: dedupe, judge, size, store the intent, send; one batch of one connection at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from chalicelib.domain.breakers import updated
from chalicelib.domain.connection import Connection
from chalicelib.domain.decision import APPROVED, Approved, Refused, decide_entry
from chalicelib.domain.engine import coordinator_subject, engine_subject
from chalicelib.domain.exits import ExitReason
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import Status, exits_allowed
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.order import OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.records import Fence
from chalicelib.domain.risk import EntryContext
from chalicelib.domain.signal import Signal, SignalStatus
from chalicelib.errors import LeaseHeld, VenueError
from chalicelib.flows import orders
from chalicelib.flows.realtime_tick import close, value
from chalicelib.flows.reconcile import reconcile
from chalicelib.flows.tick import LEASE_SECONDS, Turn
from chalicelib.flows.world import Venue, World

KIND = "execute"


@dataclass(slots=True)
class _Desk:
    """What the batch works with; positions and orders change as signals are executed."""

    world: World
    turn: Turn
    connection: Connection
    venue: Venue
    fence: Fence
    positions: list[Position]
    leaving: set[str]
    markets: Mapping[str, Market]
    tickers: Mapping[str, Ticker]
    cash: Decimal | None
    traded: dict[str, float]


def execute_signals(world: World, batch: SignalBatch) -> dict[str, str]:
    """Decide and execute a batch; return the outcome code per signal that was not known before.

    Raises LeaseHeld while another batch of the connection is at work: the queue delivers again.
    """
    now = world.now()
    subject = engine_subject(batch.tenant, batch.connection_id)
    engine = world.engines.acquire(subject, KIND, world.owner(), now, LEASE_SECONDS, None)
    if engine is Skip.NOT_RUNNING:
        return {}
    if isinstance(engine, Skip):
        raise LeaseHeld(f"signals of {subject.text} are being executed: {engine.value}")
    turn = Turn(engine, KIND, engine.lease(KIND).fence, 0, now, _coordinator(world, batch.tenant))
    try:
        outcomes, traded = _execute(world, turn, batch)
    except Exception:
        world.engines.save(engine, KIND, turn.fence, None, ())
        raise
    if not traded:
        world.engines.save(engine, KIND, turn.fence, None, ())
        return outcomes
    after = replace(engine, cooldowns=_cooling(turn, {**engine.cooldowns, **traded}))
    world.engines.save(after, KIND, turn.fence, None, ("cooldowns",))
    return outcomes


def _cooling(turn: Turn, traded: Mapping[str, float]) -> dict[str, float]:
    """Return the symbols that may not be entered yet; others would only make the item larger."""
    cooldown = turn.connection.risk.cooldown
    return {symbol: at for symbol, at in traded.items() if turn.now - at < cooldown}


def _coordinator(world: World, tenant: str) -> Status:
    item = world.engines.get(coordinator_subject(tenant))
    return item.status if item else Status.STOPPED


def _execute(world: World, turn: Turn, batch: SignalBatch) -> tuple[dict[str, str], dict[str, float]]:
    known = world.records.signals(
        batch.tenant, batch.connection_id, [signal.signal_id for signal in batch.signals]
    )
    fresh = [signal for signal in batch.signals if signal.signal_id not in known]
    if not fresh or not turn.engine.settings:
        return {}, {}
    desk = _desk(world, turn, [signal.symbol for signal in fresh])
    outcomes: dict[str, str] = {}
    decided: list[Signal] = []
    for signal in fresh:
        code = _one(desk, signal)
        outcomes[signal.signal_id] = code
        if code == APPROVED:
            continue
        # A reversal has no order of its own kind: what it closed carries the exit.
        status: SignalStatus = "executed" if code == ExitReason.SIGNAL_REVERSAL else "refused"
        decided.append(replace(signal, status=status, outcome=code))
        if status == "refused":
            world.metrics.count("signals_refused", reason=code)
    world.records.put_new(batch.tenant, decided)
    return outcomes, desk.traded


def _desk(world: World, turn: Turn, symbols: list[str]) -> _Desk:
    """Load the books, settle what is unproven, and get prices and money; what is not to be had stays None."""
    connection = turn.connection
    tenant, connection_id = connection.tenant, connection.connection_id
    venue = world.venue(connection)
    open_orders = world.records.open_orders(tenant, connection_id)
    positions = world.records.open_positions(tenant, connection_id)
    if open_orders:
        books = reconcile(world, venue, connection, open_orders, positions, turn.now)
        open_orders, positions = books.orders, books.positions
    held = [position.symbol for position in positions]
    feed = world.feed(connection.exchange)
    wanted = sorted({*symbols, *held} & set(connection.symbols))
    try:
        cash: Decimal | None = venue.fetch_balance(turn.now).cash
    except VenueError:
        cash = None
    return _Desk(
        world=world,
        turn=turn,
        connection=connection,
        venue=venue,
        fence=Fence(turn.engine.subject, KIND, turn.fence),
        positions=list(positions),
        leaving={order.position_id for order in open_orders if order.leg == "exit"},
        markets=feed.markets(wanted),
        tickers=feed.tickers(wanted, turn.now),
        cash=cash,
        traded={},
    )


def _one(desk: _Desk, signal: Signal) -> str:
    """Execute one signal and return its outcome code."""
    opposite = next((p for p in desk.positions if p.symbol == signal.symbol and _against(p, signal)), None)
    if opposite is not None:
        return _leave(desk, opposite)
    if signal.action == "leave":
        return "NOTHING_TO_LEAVE"
    decision = decide_entry(_context(desk, signal), desk.turn.engine.session_id)
    if isinstance(decision, Refused):
        return decision.code
    return _enter(desk, decision)


def _against(position: Position, signal: Signal) -> bool:
    if signal.action == "leave":
        return position.direction == signal.direction
    return position.direction != signal.direction


def _leave(desk: _Desk, position: Position) -> str:
    """Close a position that a signal speaks against; one that is opening or leaving already is left alone."""
    engine, connection = desk.turn.engine, desk.connection
    if not exits_allowed(desk.turn.coordinator, engine.status, connection.freeze_exits):
        return "ENGINE_NOT_RUNNING"
    if position.state != "open" or position.position_id in desk.leaving:
        return "POSITION_BUSY"
    after = close(desk.world, desk.venue, position, ExitReason.SIGNAL_REVERSAL, desk.turn, desk.fence)
    desk.positions.remove(position)
    if after.state == "open":
        desk.positions.append(after)
        desk.leaving.add(after.position_id)
    _spent(desk, position.symbol)
    return ExitReason.SIGNAL_REVERSAL


def _enter(desk: _Desk, approved: Approved) -> str:
    placed = orders.place(desk.world, desk.venue, desk.connection.tenant, approved, desk.fence)
    if placed is None:
        return "DUPLICATE"
    desk.world.metrics.count("signals_executed")
    if placed.position.state in ("opening", "open"):
        desk.positions.append(placed.position)
    if placed.order.state != OrderState.REJECTED:
        _spent(desk, placed.order.symbol)
    return APPROVED


def _spent(desk: _Desk, symbol: str) -> None:
    desk.traded[symbol] = desk.turn.now
    try:
        desk.cash = desk.venue.fetch_balance(desk.turn.now).cash
    except VenueError:
        desk.cash = None


def _context(desk: _Desk, signal: Signal) -> EntryContext:
    engine = desk.turn.engine
    equity, limits = _equity(desk), desk.connection.risk
    state = None
    if equity is not None:
        state = updated(engine.breakers, equity, desk.turn.now, limits, engine.breakers_reset)
    return EntryContext(
        now=desk.turn.now,
        signal=signal,
        connection=desk.connection,
        coordinator=desk.turn.coordinator,
        engine=engine.status,
        positions=tuple(desk.positions),
        last_traded=desk.traded.get(signal.symbol, engine.cooldowns.get(signal.symbol, 0.0)),
        market=desk.markets.get(signal.symbol),
        ticker=desk.tickers.get(signal.symbol),
        equity=equity,
        free=desk.cash,
        breakers=state,
        candle_time=max(signal.candle_time, engine.last_candle),
    )


def _equity(desk: _Desk) -> Decimal | None:
    """Return the account's worth now, or None where cash or a price is missing: entries are then refused."""
    held = [position for position in desk.positions if position.quantity > 0]
    if desk.cash is None or any(position.symbol not in desk.tickers for position in held):
        return None
    return value(desk.cash, desk.connection, held, desk.tickers)[0]
