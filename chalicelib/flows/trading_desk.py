"""What a batch of signals is decided on: books, prices and money, and what earlier signals reserved of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, cast

from chalicelib.domain.breakers import Breakers, updated
from chalicelib.domain.connection import Connection
from chalicelib.domain.decision import Approved
from chalicelib.domain.engine import Engine, coordinator_subject
from chalicelib.domain.lifecycle import Status, entries_allowed
from chalicelib.domain.market import Market, Ticker
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.order import UNPROVEN, Order
from chalicelib.domain.position import Position
from chalicelib.domain.records import Fence
from chalicelib.domain.replacing import replace
from chalicelib.domain.risk import EntryContext
from chalicelib.domain.signal import Signal
from chalicelib.domain.sizing import NO_EVIDENCE, tied
from chalicelib.domain.venue import Balance
from chalicelib.errors import VenueError
from chalicelib.flows.realtime_tick import value
from chalicelib.flows.reconcile import reconcile
from chalicelib.flows.sizing_evidence import Evidence, sizing_evidence
from chalicelib.flows.tick import Turn
from chalicelib.flows.together import together
from chalicelib.flows.world import Venue, World

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Books:
    """What the tables say at the begin of a batch: 1 round trip, because all is read at once."""

    turn: Turn
    known: Mapping[str, Signal]
    orders: Sequence[Order]
    positions: Sequence[Position]
    evidence: Evidence


@dataclass(slots=True)
class Desk:
    """What the signals of a batch are decided on; it changes as they are."""

    world: World
    turn: Turn
    connection: Connection
    venue: Venue
    positions: list[Position]
    leaving: set[str]
    evidence: Evidence
    markets: Mapping[str, Market] = field(default_factory=dict)
    tickers: Mapping[str, Ticker] = field(default_factory=dict)
    clock_skew: float | None = None
    equity: Decimal | None = None
    free: Decimal | None = None
    breakers: Breakers | None = None
    earlier: list[Signal] = field(default_factory=list)
    traded: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    sent_before: int = 0

    @property
    def fence(self) -> Fence:
        """The right to store what this batch decides."""
        return Fence(self.turn.engine.subject, self.turn.kind, self.turn.fence)

    @property
    def entry_fence(self) -> Fence:
        """The right to store an entry's intent: none while a kill switch holds."""
        return Fence(self.turn.engine.subject, self.turn.kind, self.turn.fence, unless_killed=True)

    @property
    def at_once(self) -> bool:
        """Tell whether calls to the venue may overlap: the paper exchange is one account in one table."""
        return self.connection.needs_key and not self.world.in_memory

    @property
    def sent_lately(self) -> tuple[int, ...]:
        """Epoch seconds of the orders that earlier batches sent within a minute."""
        return tuple(at for at in self.turn.engine.sent_orders if self.turn.now - at < MINUTE)


def read_books(world: World, engine: Engine, kind: str, now: float, batch: SignalBatch) -> Books:
    """Read the coordinator, the known signals, open orders and positions, and what sizing asks for."""
    tenant, connection_id = batch.tenant, batch.connection_id
    fence = engine.lease(kind).fence
    turn = Turn(engine, kind, fence, 0, now)
    symbols = sorted({signal.symbol for signal in batch.signals})
    records, identifiers = world.records, [signal.signal_id for signal in batch.signals]
    calls: list[Callable[[], Any]] = [
        partial(world.engines.get, coordinator_subject(tenant)),
        partial(records.signals, tenant, connection_id, identifiers),
        partial(records.open_orders, tenant, connection_id),
        partial(records.open_positions, tenant, connection_id),
    ]
    if engine.settings:
        calls.append(partial(sizing_evidence, world, turn.connection, symbols))
    coordinator, known, orders, positions, *evidence = together(calls, not world.in_memory)
    status = coordinator.status if coordinator else Status.STOPPED
    kill = coordinator.kill(connection_id) if coordinator else None
    return Books(
        Turn(engine, kind, fence, 0, now, status, kill),
        cast(Mapping[str, Signal], known),
        orders,
        positions,
        evidence[0] if evidence else {},
    )


def open_desk(world: World, books: Books, symbols: Sequence[str]) -> Desk:
    """Settle what is unproven, then get prices and money; what is not to be had stays None."""
    turn, orders, positions = books.turn, books.orders, books.positions
    connection = turn.connection
    venue = world.venue(connection)
    if any(order.state in UNPROVEN for order in orders):
        allowed = entries_allowed(turn.coordinator, turn.engine.status) and turn.kill is None
        settled = reconcile(world, venue, connection, orders, positions, turn.now, entries_allowed=allowed)
        orders, positions = settled.orders, settled.positions
    desk = Desk(
        world=world,
        turn=turn,
        connection=connection,
        venue=venue,
        positions=list(positions),
        leaving={order.position_id for order in orders if order.leg == "exit"},
        evidence=books.evidence,
    )
    desk.sent_before = len(desk.sent_lately)
    _look(desk, symbols)
    return desk


def _look(desk: Desk, symbols: Sequence[str]) -> None:
    """Get the trading rules, prices, the clock's skew and the money."""
    held = [position.symbol for position in desk.positions]
    wanted = sorted({*symbols, *held}.intersection(desk.connection.symbols))
    feed, now = desk.world.feed(desk.connection.feed), desk.turn.now
    calls: list[Callable[[], Any]] = [
        partial(feed.markets, wanted),
        partial(feed.tickers, wanted, now),
        partial(_account, desk),
    ]
    desk.markets, desk.tickers, (desk.clock_skew, balance) = together(calls, desk.at_once)
    _valued(desk, balance)


def count_again(desk: Desk) -> None:
    """Ask for the money anew, after orders that changed it."""
    _valued(desk, _balance(desk))


def _account(desk: Desk) -> tuple[float | None, Balance | None]:
    """Ask the venue for its clock, then for the money: a new venue makes its client at the first question."""
    return _skew(desk), _balance(desk)


def _skew(desk: Desk) -> float | None:
    try:
        return desk.venue.clock_skew(desk.turn.now)
    except VenueError:
        return None


def _balance(desk: Desk) -> Balance | None:
    try:
        return desk.venue.fetch_balance(desk.turn.now)
    except VenueError:
        return None


def _valued(desk: Desk, balance: Balance | None) -> None:
    """Set equity, free money and breakers; without money or a price they are None, and nothing is entered."""
    held = [position for position in desk.positions if position.quantity > 0]
    desk.equity = desk.free = desk.breakers = None
    if balance is None or any(position.symbol not in desk.tickers for position in held):
        return
    engine = desk.turn.engine
    desk.free = balance.free
    mids = {position.symbol: desk.tickers[position.symbol].mid for position in held}
    desk.equity = value(balance.cash, desk.connection, held, mids)[0]
    desk.breakers = updated(
        engine.breakers, desk.equity, desk.turn.now, desk.connection.risk, engine.breakers_reset
    )


def context_of(desk: Desk, signal: Signal) -> EntryContext:
    """Return what an entry is judged by, with what earlier signals of the batch reserved."""
    engine = desk.turn.engine
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
        equity=desk.equity,
        free=desk.free,
        kill=desk.turn.kill,
        breakers=desk.breakers,
        candle_time=max(signal.candle_time, engine.last_candle),
        clock_skew=desk.clock_skew,
        sent_orders=desk.sent_before + desk.sent,
        earlier=tuple(desk.earlier),
        evidence=desk.evidence.get(signal.symbol, NO_EVIDENCE),
    )


def reserve(desk: Desk, approved: Approved) -> None:
    """Let later signals see an approved entry: its position, its money, its place among the orders."""
    put_position(desk, approved.position)
    if approved.signal:
        desk.earlier.append(approved.signal)
    _free(desk, -_notional(desk, approved))
    desk.sent += 1


def give_back(desk: Desk, approved: Approved, held: Position | None) -> None:
    """Undo the reservation of an entry that came to nothing; `held` is the position that it was to add to."""
    put_position(desk, held or replace(approved.position, state="abandoned"))
    _free(desk, _notional(desk, approved))


def put_position(desk: Desk, position: Position) -> None:
    """Take over what a position is now; one that is not open any more is left out."""
    identity = position.position_id
    places = [n for n, known in enumerate(desk.positions) if known.position_id == identity]
    present = [position] if position.state in ("opening", "open") else []
    place = places[0] if places else len(desk.positions)
    desk.positions[place : place + len(places)] = present


def _notional(desk: Desk, approved: Approved) -> Decimal:
    order = approved.order
    ticker = desk.tickers[order.symbol]
    return order.quantity * (ticker.ask if order.side == "buy" else ticker.bid)


def _free(desk: Desk, notional: Decimal) -> None:
    if desk.free is not None:
        desk.free += notional * tied(desk.connection)
