"""Realtime tick: reconcile open orders, judge exits of open positions, value the account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.breakers import Breakers, updated
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Account, Engine
from chalicelib.domain.exits import ExitReason, best_price, due_exit, due_partial, exit_price
from chalicelib.domain.lease import Skip
from chalicelib.domain.leaving import ONE, decide_exit, leaving_quantity
from chalicelib.domain.lifecycle import entries_allowed, exits_allowed
from chalicelib.domain.market import Ticker
from chalicelib.domain.messages import Tick
from chalicelib.domain.position import ZERO, Position, unrealised
from chalicelib.domain.records import Fence
from chalicelib.domain.replacing import replace
from chalicelib.errors import VenueError, VenueUnauthorized
from chalicelib.flows import orders
from chalicelib.flows.charges import charged, fee_symbols
from chalicelib.flows.protection import Guard, protect
from chalicelib.flows.reconcile import Books, reconcile
from chalicelib.flows.tick import Saved, Turn, require_engine, run_tick
from chalicelib.flows.world import Venue, World


def realtime_tick(world: World, tick: Tick) -> Skip | None:
    """Run one realtime tick. It goes on while paused: open positions are never left alone.

    A venue that refuses the key pauses the engine; that tick counts as failed and is not delivered again.
    """
    try:
        return run_tick(world, tick, _work)
    except VenueUnauthorized as error:
        from chalicelib.flows.refused_key import pause_for_refused_key

        pause_for_refused_key(world, tick.subject, error)
        return None


def _work(world: World, turn: Turn, _: Tick) -> Saved | Skip:
    connection = require_engine(turn)
    frozen = connection.freeze_exits and not turn.flattening
    if not exits_allowed(turn.coordinator, turn.engine.status, frozen):
        return Skip.NOT_RUNNING
    tenant, connection_id = connection.tenant, connection.connection_id
    venue = world.venue(connection)
    open_orders = world.records.open_orders(tenant, connection_id)
    positions = world.records.open_positions(tenant, connection_id)
    allowed = entries_allowed(turn.coordinator, turn.engine.status) and turn.kill is None
    books = reconcile(world, venue, connection, open_orders, positions, turn.now, entries_allowed=allowed)
    tickers = _tickers(world, connection, books, turn.now)
    books = _holding(books, charged(world, venue, turn, books.positions, tickers))
    engine = judged(world, venue, turn, books, tickers)
    world.metrics.line(
        "account",
        connection_id=connection_id,
        equity=float(engine.account.equity),
        cash=float(engine.account.cash),
        unrealised=float(engine.account.unrealised),
    )
    same = engine.breakers == turn.engine.breakers
    changed = ("marks", "account") if same else ("marks", "account", "breakers")
    return Saved(engine, changed)


def judged(world: World, venue: Venue, turn: Turn, books: Books, tickers: Mapping[str, Ticker]) -> Engine:
    """Do what a tick does on books that are settled: close what is due, move stops, value the account."""
    fence = Fence(turn.engine.subject, turn.kind, turn.fence)
    books, marks = _exits(world, venue, turn, fence, books, tickers)
    guard = Guard(world, venue, turn.connection, fence, turn.now)
    books = _holding(books, protect(guard, books.positions, books.orders, marks))
    return _valued(venue, turn, books, tickers, marks)


def _tickers(world: World, connection: Connection, books: Books, now: float) -> Mapping[str, Ticker]:
    """Return the prices of all positions, and of the currencies that fees were paid in: one request."""
    symbols = {position.symbol for position in books.positions}
    symbols |= fee_symbols(books.positions)
    return world.feed(connection.feed).tickers(sorted(symbols), now) if symbols else {}


def _exits(
    world: World, venue: Venue, turn: Turn, fence: Fence, books: Books, tickers: Mapping[str, Ticker]
) -> tuple[Books, dict[str, Decimal]]:
    """Close what is due and return the books after it, with the best price of what stays open."""
    leaving = {order.position_id for order in books.orders if order.leg == "exit"}
    kept: list[Position] = []
    marks: dict[str, Decimal] = {}
    for position in books.positions:
        ticker = tickers.get(position.symbol)
        if position.state == "open" and position.position_id not in leaving and turn.flattening:
            # The kill switch needs no price to leave.
            position = close(world, venue, position, ExitReason.KILL_SWITCH, turn, fence)
            leaving.add(position.position_id)
        if position.state == "closed":
            continue
        if position.state != "open" or ticker is None:
            kept.append(position)
            continue
        price = exit_price(position, ticker)
        best = best_price(position, turn.engine.marks.get(position.position_id), position.entry_price)
        if position.position_id not in leaving:
            position = _left(world, venue, turn, fence, position, best, price)
        if position.state == "open":
            marks[position.position_id] = best_price(position, best, price)
            kept.append(position)
    return _holding(books, tuple(kept)), marks


def _holding(books: Books, positions: tuple[Position, ...]) -> Books:
    return Books(books.orders, positions, books.differences, books.held)


def _left(
    world: World,
    venue: Venue,
    turn: Turn,
    fence: Fence,
    position: Position,
    best: Decimal,
    price: Decimal,
) -> Position:
    """Close a position whose exit is due, or take the due part of its profit."""
    if reason := due_exit(position, best, price, turn.now):
        return close(world, venue, position, reason, turn, fence)
    share = due_partial(position, price)
    if share is None or leaving_quantity(position, share) <= 0:
        return position
    return close(world, venue, position, ExitReason.PARTIAL_PROFIT, turn, fence, share)


def close(
    world: World,
    venue: Venue,
    position: Position,
    reason: str,
    turn: Turn,
    fence: Fence,
    share: Decimal = ONE,
) -> Position:
    """Send the order that closes a position, or `share` of it; return the position as it is after it."""
    correlation_id = f"{position.correlation_id}/exit-{position.exit_epoch}"
    if leaving_quantity(position, share) <= 0:
        return position
    hedge = turn.connection.position_mode == "hedge"
    approved = decide_exit(position, reason, turn.now, correlation_id, share, hedge)
    placed = orders.place(world, venue, turn.engine.subject.tenant, approved, fence)
    if placed is None:
        return position
    if placed.position.state == "closed":
        world.metrics.count("positions_closed", reason=reason)
    return placed.position


def _valued(
    venue: Venue, turn: Turn, books: Books, tickers: Mapping[str, Ticker], marks: Mapping[str, Decimal]
) -> Engine:
    """Value the account; what cannot be read leaves the last known value, and the breakers, in place."""
    engine = turn.engine
    try:
        cash = venue.fetch_balance(turn.now).cash
    except VenueUnauthorized:
        raise
    except VenueError:
        return replace(engine, marks=marks)
    held = [position for position in books.positions if position.quantity > 0]
    if any(position.symbol not in tickers for position in held):
        return replace(engine, marks=marks)
    before = Valuation(engine.account, engine.breakers)
    mids = {position.symbol: tickers[position.symbol].mid for position in held}
    after = valued(before, turn.connection, cash, held, mids, turn.now, engine.breakers_reset)
    return replace(engine, marks=marks, account=after.account, breakers=after.breakers)


@dataclass(frozen=True, slots=True)
class Valuation:
    """What a look at an account leaves behind: its money, and its breakers."""

    account: Account
    breakers: Breakers


def valued(
    before: Valuation,
    connection: Connection,
    cash: Decimal,
    positions: Sequence[Position],
    mids: Mapping[str, Decimal],
    now: float,
    reset_at: float,
) -> Valuation:
    """Value an account at the mid prices of its open positions; `reset_at` as for `breakers.updated`."""
    equity, profit = value(cash, connection, positions, mids)
    account = Account(equity, cash, profit, max(before.account.peak_equity, equity), now)
    return Valuation(account, updated(before.breakers, equity, now, connection.risk, reset_at))


def value(
    cash: Decimal, connection: Connection, positions: Sequence[Position], mids: Mapping[str, Decimal]
) -> tuple[Decimal, Decimal]:
    """Return equity and unrealised profit at the mid prices.

    A spot account has paid for what it holds; a swap account only settles profits.
    """
    profit, cost, spot = ZERO, ZERO, connection.market_type == "spot"
    for position in positions:
        profit += unrealised(position, mids[position.symbol])
        if spot:
            cost += position.cost
    return cash + cost + profit, profit
