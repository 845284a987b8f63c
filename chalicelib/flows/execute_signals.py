"""Signal consumer: dedupe, judge, size, store the intent, send; one batch of one connection at a time.

Signals are decided in their order, each on what the earlier ones reserved. Orders of different symbols then
go out at once; a symbol that comes again waits for what became of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

from chalicelib.domain.decision import APPROVED, Approved, Refused, decide_entry
from chalicelib.domain.engine import Engine, engine_subject
from chalicelib.domain.exits import ExitReason
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import exits_allowed
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.order import OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.replacing import replace
from chalicelib.domain.signal import Signal, SignalStatus
from chalicelib.errors import AlreadyExists, KillSwitchOn, LeaseHeld, VenueError, VenueUnauthorized
from chalicelib.flows import orders
from chalicelib.flows.realtime_tick import close
from chalicelib.flows.tick import LEASE_SECONDS
from chalicelib.flows.together import together
from chalicelib.flows.trading_desk import (
    Books,
    Desk,
    context_of,
    count_again,
    give_back,
    open_desk,
    put_position,
    read_books,
    reserve,
)
from chalicelib.flows.world import World

KIND = "execute"

KEY_REFUSED = "KEY_REFUSED"
"""Outcome of the signals behind one whose order the venue did not take because of the API key."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An approved entry on its way, and the position that it adds to, if there is one."""

    approved: Approved
    held: Position | None


@dataclass(frozen=True, slots=True)
class _Exit:
    """A position that a signal speaks against."""

    position: Position


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a signal: its outcome, and the position after it, if an order was sent."""

    outcome: str
    position: Position | None = None
    rejected: bool = False
    refused_key: VenueUnauthorized | None = None


_Decided = Refused | _Entry | _Exit


def execute_signals(world: World, batch: SignalBatch) -> dict[str, str]:
    """Decide and execute a batch; return the outcome code per signal that was not known before.

    Before the first order goes out there are 3 AWS round trips: the lease, what is read at once, the intent.
    Raises LeaseHeld while another batch of the connection is at work: the queue delivers again.
    """
    now = world.now()
    subject = engine_subject(batch.tenant, batch.connection_id)
    engine = world.engines.acquire(subject, KIND, world.owner(), now, LEASE_SECONDS, None)
    if engine is Skip.NOT_RUNNING:
        return {}
    if isinstance(engine, Skip):
        raise LeaseHeld(f"signals of {subject.text} are being executed: {engine.value}")
    fence = engine.lease(KIND).fence
    try:
        read = partial(read_books, world, engine, KIND, now)
        outcomes, after, refused_key = executed(world, read, batch)
    except Exception:
        world.engines.save(engine, KIND, fence, None, ())
        raise
    changed = () if after is engine else ("cooldowns", "sent_orders")
    world.engines.save(after, KIND, fence, None, changed)
    if refused_key:
        from chalicelib.flows.refused_key import pause_for_refused_key

        pause_for_refused_key(world, subject, refused_key)
    return outcomes


def executed(
    world: World,
    read: Callable[[SignalBatch], Books],
    batch: SignalBatch,
    whole: Callable[[], SignalBatch] | None = None,
) -> tuple[dict[str, str], Engine, VenueUnauthorized | None]:
    """Execute a batch on what `read` tells of the books; return the outcomes and the engine after it.

    `whole` makes the batch of which `batch` is a part that may take all places (backtests): if it would leave
    one free, nothing of it is executed, but all of the whole.
    """
    books = read(batch)
    engine = books.turn.engine
    fresh = [signal for signal in batch.signals if signal.signal_id not in books.known]
    if not fresh or not engine.settings:
        return {}, engine, None
    desk = open_desk(world, books, [signal.symbol for signal in fresh])
    outcomes: dict[str, str] = {}
    recorded: list[Signal] = []
    refused_key = None
    for number, wave in enumerate(_waves(fresh)):
        if number and desk.sent:
            count_again(desk)
        decisions = _decisions(desk, wave, refused_key)
        if whole and not number and len(desk.positions) < desk.connection.risk.max_positions:
            return executed(world, read, whole())
        for signal, decided, done in _acted(desk, wave, decisions):
            outcomes[signal.signal_id] = done.outcome
            refused_key = refused_key or done.refused_key
            if world.in_memory and isinstance(decided, Refused):
                world.metrics.count("signals_refused", reason=done.outcome)
            elif done.outcome != APPROVED:
                recorded.append(_recorded(world, signal, decided, done.outcome))
    world.records.put_new(batch.tenant, recorded)
    return outcomes, _after(desk), refused_key


def _waves(signals: Sequence[Signal]) -> Iterator[list[Signal]]:
    """Yield the signals in their order, cut where a symbol comes again."""
    wave: list[Signal] = []
    symbols: set[str] = set()
    for signal in signals:
        if signal.symbol in symbols:
            yield wave
            wave, symbols = [], set()
        wave.append(signal)
        symbols.add(signal.symbol)
    yield wave


def _decisions(
    desk: Desk, signals: Sequence[Signal], refused_key: VenueUnauthorized | None
) -> list[_Decided]:
    """Decide signals of different symbols."""
    if refused_key:
        return [Refused(KEY_REFUSED) for _ in signals]
    decisions = [_decide(desk, signal) for signal in signals]
    desk.world.metrics.duration("order_decided_ms", _since(desk, desk.turn.now))
    return decisions


def _acted(
    desk: Desk, signals: Sequence[Signal], decisions: Sequence[_Decided]
) -> list[tuple[Signal, _Decided, _Done]]:
    """Send what was decided at once, then take over what became of it."""
    due = [decided for decided in decisions if not isinstance(decided, Refused)]
    acted = iter(together([partial(_act, desk, decided) for decided in due], desk.at_once))
    results: list[tuple[Signal, _Decided, _Done]] = []
    for signal, decided in zip(signals, decisions, strict=True):
        if isinstance(decided, Refused):
            results.append((signal, decided, _Done(decided.code)))
            continue
        done = next(acted)
        _take_over(desk, decided, done)
        results.append((signal, decided, done))
    return results


def _decide(desk: Desk, signal: Signal) -> _Decided:
    for position in desk.positions:
        if position.symbol == signal.symbol and _against(desk, position, signal):
            return _decide_exit(desk, position)
    if signal.action == "leave":
        return Refused("NOTHING_TO_LEAVE")
    context = context_of(desk, signal)
    decision = decide_entry(context, desk.turn.engine.session_id, desk.world.in_memory)
    if isinstance(decision, Refused):
        return decision
    reserve(desk, decision)
    return _Entry(decision, context.held)


def _against(desk: Desk, position: Position, signal: Signal) -> bool:
    if signal.action == "leave":
        return position.direction == signal.direction
    # Where both directions may be held, an entry into one says nothing about the other.
    return position.direction != signal.direction and desk.connection.position_mode == "one_way"


def _decide_exit(desk: Desk, position: Position) -> _Decided:
    """Decide to close a position; one that is opening or leaving already is left alone."""
    engine, connection = desk.turn.engine, desk.connection
    if not exits_allowed(desk.turn.coordinator, engine.status, connection.freeze_exits):
        return Refused("ENGINE_NOT_RUNNING")
    if position.state != "open" or position.position_id in desk.leaving:
        return Refused("POSITION_BUSY")
    desk.sent += 1
    return _Exit(position)


def _act(desk: Desk, decided: _Entry | _Exit) -> _Done:
    """Do what was decided; may run beside others of other symbols, so it changes nothing on the desk."""
    try:
        return _enter(desk, decided.approved) if isinstance(decided, _Entry) else _leave(desk, decided)
    except VenueUnauthorized as error:
        return _Done(KEY_REFUSED, rejected=True, refused_key=error)


def _enter(desk: Desk, approved: Approved) -> _Done:
    """Store the intent and send it; nothing is stored where a kill switch has come in between."""
    world, tenant, order = desk.world, desk.connection.tenant, approved.order
    decided_at = world.now()
    try:
        _configure(desk, order.symbol)
    except VenueError as error:
        return _Done("NOT_CONFIGURED", refused_key=error if isinstance(error, VenueUnauthorized) else None)
    since = world.now()
    try:
        stored, position = orders.store_intent(world, tenant, approved, desk.entry_fence)
    except AlreadyExists:
        return _Done("DUPLICATE")
    except KillSwitchOn:
        return _Done("KILL_SWITCH")
    world.metrics.duration("order_stored_ms", _since(desk, decided_at))
    if orders.held_up(world, since):
        return _Done(APPROVED, position)
    stored_at = world.now()
    placed = orders.send(world, desk.venue, tenant, approved.approved, stored, position)
    world.metrics.duration("order_answered_ms", _since(desk, stored_at))
    world.metrics.count("signals_executed")
    return _Done(APPROVED, placed.position, placed.order.state == OrderState.REJECTED)


def _configure(desk: Desk, symbol: str) -> None:
    """Set leverage and modes of a swap as chosen; venues remember what they are set to."""
    connection = desk.connection
    if connection.needs_key and connection.market_type == "swap":
        desk.venue.configure(
            symbol, connection.leverage, connection.margin_mode, connection.position_mode, desk.turn.now
        )


def _leave(desk: Desk, due: _Exit) -> _Done:
    reason = ExitReason.SIGNAL_REVERSAL
    after = close(desk.world, desk.venue, due.position, reason, desk.turn, desk.fence)
    return _Done(reason, after)


def _take_over(desk: Desk, decided: _Entry | _Exit, done: _Done) -> None:
    """Bring the desk in line with what became of a decision."""
    if isinstance(decided, _Entry) and (done.position is None or done.rejected):
        give_back(desk, decided.approved, decided.held)
    if done.position is None:
        return
    put_position(desk, done.position)
    if isinstance(decided, _Exit) and done.position.state == "open":
        desk.leaving.add(done.position.position_id)
    if not done.rejected:
        desk.traded[done.position.symbol] = desk.turn.now


def _recorded(world: World, signal: Signal, decided: _Decided, outcome: str) -> Signal:
    """Return the signal as it is kept; a reversal has no order of its own, what it closed has one."""
    status: SignalStatus = "executed" if outcome == ExitReason.SIGNAL_REVERSAL else "refused"
    if status == "refused":
        world.metrics.count("signals_refused", reason=outcome)
    judged = decided.approved.signal if isinstance(decided, _Entry) else decided
    if isinstance(judged, (Refused, Signal)):
        signal = replace(signal, checks=judged.checks, adjustments=judged.adjustments)
    return replace(signal, status=status, outcome=outcome)


def _after(desk: Desk) -> Engine:
    """Return the engine as it is stored: orders of the last minute, symbols that must cool down."""
    engine, now, cooldown = desk.turn.engine, desk.turn.now, desk.connection.risk.cooldown
    if not desk.sent:
        return engine
    traded: Mapping[str, float] = {**engine.cooldowns, **desk.traded}
    return replace(
        engine,
        cooldowns={symbol: at for symbol, at in traded.items() if now - at < cooldown},
        sent_orders=(*desk.sent_lately, *[ceil(now)] * desk.sent),
    )


def _since(desk: Desk, moment: float) -> float:
    return (desk.world.now() - moment) * 1000
