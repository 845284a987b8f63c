"""Ticks and batches of a backtest on books that are settled: without what whole ones ask the stores.

Most realtime ticks have nothing to do but look. They change the marks of open positions, the value of the
account and its breakers, which are carried on here, valued by the function of the whole tick, and stored
before anything else looks at the engine. Where an exit is due, the whole tick's own judgement is passed on
the books as they are; and a batch of signals is executed on them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import inf

from chalicelib.backtest.prices import RecordedPrices
from chalicelib.backtest.world import BacktestWorld
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Account, Engine, Subject, coordinator_subject
from chalicelib.domain.exits import best_price
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import SignalBatch
from chalicelib.domain.position import Position
from chalicelib.domain.replacing import replace
from chalicelib.flows.execute_signals import KIND, execute_signals, executed
from chalicelib.flows.realtime_tick import Valuation, judged, valued
from chalicelib.flows.reconcile import Books
from chalicelib.flows.sizing_evidence import sizing_evidence
from chalicelib.flows.tick import Turn
from chalicelib.flows.trading_desk import Books as DeskBooks

MARGIN = 1e-9
"""Ratio of the entry price by which levels are drawn nearer: a tick this close to one is judged exactly."""


@dataclass(slots=True)
class Watch:
    """Between which prices an open position is left alone: doubles, times the sign of its direction.

    `low` and `high` are the levels of its stop and of its next profit; the trailing stop is `distance` below
    `best` once that has reached `armed`; `until` is its time limit. `unit` is a price step, `steps` the best
    price in steps since the stored one, `mark`, and `seen` the last one.
    """

    position: Position
    cost: float
    mark: Decimal
    step: Decimal
    unit: float
    low: float
    high: float
    armed: float
    distance: float
    until: float
    best: float
    steps: int = 0
    seen: int = 0

    def may_leave(self, price: float, now: float) -> bool:
        """Tell whether an exit might be due at this price."""
        trailed = self.best >= self.armed and self.best - price >= self.distance
        return trailed or now >= self.until or not self.low < price < self.high

    def keep(self) -> None:
        """Keep the price that was seen if it is the best one."""
        price = self.seen * self.unit
        if price > self.best:
            self.best, self.steps = price, self.seen

    def marked(self) -> Decimal:
        """Return the best price so far."""
        return best_price(self.position, self.mark, self.steps * self.step) if self.steps else self.mark

    def begin(self, mark: Decimal | None) -> None:
        """Begin again from the stored best price."""
        if mark is not self.mark:
            self.mark = best_price(self.position, mark, self.position.entry_price)
            self.best = self.position.sign * float(self.mark)
            self.steps = 0


def watch(position: Position, step: Decimal) -> Watch:
    """Return what is watched of a position in a market with this price step, from its entry on."""
    exits, sign, price = position.exits, position.sign, float(position.entry_price)
    entry, margin = sign * price, MARGIN * price
    profits = [exits.take_profit, *[partial.gain for partial in exits.partial[position.taken :]]]
    return Watch(
        position=position,
        cost=float(position.cost),
        mark=position.entry_price,
        step=step,
        unit=sign * float(step),
        low=-inf if exits.stop_loss is None else entry - float(exits.stop_loss) * price + margin,
        high=min((entry + float(gain) * price - margin for gain in profits if gain is not None), default=inf),
        armed=entry + float(exits.trailing_activation or 0) * price - margin,
        distance=inf if exits.trailing_distance is None else float(exits.trailing_distance) * price - margin,
        until=inf if exits.time_limit is None else position.opened_at + exits.time_limit - 1.0,
        best=entry,
    )


class SettledEngine:
    """The engine of a backtest between two of its changes."""

    def __init__(
        self, world: BacktestWorld, connection: Connection, subject: Subject, prices: RecordedPrices
    ) -> None:
        self._world = world
        self._connection = connection
        self._subject = subject
        self._prices = prices
        self._unsaved = False
        self._watched: list[Watch] = []
        self.forget()

    def forget(self) -> None:
        """Read everything anew, after something else has changed it."""
        world, tenant, name = self._world, self._connection.tenant, self._connection.connection_id
        self._engine = engine = world.tables.engines[self._subject]
        self._valuation = Valuation(engine.account, engine.breakers)
        self._positions = world.records.open_positions(tenant, name)
        self._settled = self._nothing_is_under_way()
        known = {id(watched.position): watched for watched in self._watched}
        self._watched = [known.get(id(position)) or self._watch(position) for position in self._positions]
        for watched in self._watched:
            watched.begin(engine.marks.get(watched.position.position_id))
        self.notional = sum(watched.cost for watched in self._watched)

    def _watch(self, position: Position) -> Watch:
        return watch(position, self._prices.markets((position.symbol,))[position.symbol].price_step)

    @property
    def engine(self) -> Engine:
        """The engine as it was after the last change."""
        return self._engine

    @property
    def account(self) -> Account:
        """The account as it was seen last."""
        return self._valuation.account

    @property
    def positions(self) -> tuple[Position, ...]:
        """The positions that are open or opening; `notional` is what they cost."""
        return self._positions

    def look(self, now: float) -> bool:
        """Do the tick of `now` if it only looks, and tell whether it did."""
        if not self._settled:
            return False
        quotes = self._prices.quotes([position.symbol for position in self._positions], now)
        if quotes is None:
            return False
        mids: dict[str, Decimal] = {}
        for watched, (bid, ask) in zip(self._watched, quotes, strict=True):
            watched.seen = bid if watched.unit > 0 else ask
            if watched.may_leave(watched.seen * watched.unit, now):
                return False
            mids[watched.position.symbol] = (bid + ask) * watched.step / 2
        for watched in self._watched:
            watched.keep()
        before, cash, reset_at = self._valuation, self._cash, self._engine.breakers_reset
        self._valuation = valued(before, self._connection, cash, self._positions, mids, now, reset_at)
        self._unsaved = True
        return True

    def leave(self, now: float) -> bool:
        """Do the tick of `now` if it only closes positions, and tell whether it did."""
        world, connection = self._world, self._connection
        symbols = [position.symbol for position in self._positions]
        tickers = self._prices.tickers(symbols, now) if self._settled else {}
        if not self._settled or len(tickers) < len(symbols):
            return False
        self.save()
        books = Books((), self._positions, {}, ())
        engine = judged(world, world.venue(connection), self._turn("realtime", now), books, tickers)
        world.tables.engines[self._subject] = engine
        self.forget()
        return True

    def execute(self, batch: SignalBatch, whole: Callable[[], SignalBatch] | None) -> None:
        """Execute a batch of signals; `whole` as for `executed`."""
        self.save()
        if self._settled:
            _, engine, _ = executed(self._world, self._desk_books, batch, whole)
            self._world.tables.engines[self._subject] = engine
        else:
            execute_signals(self._world, whole() if whole else batch)
        self.forget()

    def _desk_books(self, batch: SignalBatch) -> DeskBooks:
        symbols = sorted({signal.symbol for signal in batch.signals})
        evidence = sizing_evidence(self._world, self._connection, symbols)
        return DeskBooks(self._turn(KIND, self._world.now()), {}, (), self._positions, evidence)

    def _turn(self, kind: str, now: float) -> Turn:
        """Return a turn without a lease of its own: nobody else is there."""
        return Turn(self._engine, kind, self._engine.lease(kind).fence, int(now), now, Status.RUNNING)

    def save(self) -> None:
        """Store what the ticks since the last change have seen."""
        if not self._unsaved:
            return
        self._world.tables.engines[self._subject] = self._engine = replace(
            self._engine,
            marks={watched.position.position_id: watched.marked() for watched in self._watched},
            account=self._valuation.account,
            breakers=self._valuation.breakers,
        )
        self._unsaved = False

    def _nothing_is_under_way(self) -> bool:
        """Tell whether a tick could do nothing but close positions: no orders, no fees or fills to book."""
        world, tenant, name = self._world, self._connection.tenant, self._connection.connection_id
        account = world.ledger.load(tenant, name)
        self._cash = account.cash if account else self._connection.paper.cash
        coordinator = world.engines.get(coordinator_subject(tenant))
        if coordinator is None or coordinator.kill(name) is not None:
            return False
        if (coordinator.status, self._engine.status) != (Status.RUNNING, Status.RUNNING):
            return False
        if world.records.open_orders(tenant, name) or (account is not None and account.open_orders):
            return False
        holdings = account.holdings if account is not None else {}
        for position in self._positions:
            held = holdings.get(position.symbol)
            if position.state != "open" or position.other_fees or held is None:
                return False
            if held.quantity == position.signed_quantity:
                continue
            # What a spot account holds beyond our books is not looked at.
            beyond = position.sign * (held.quantity - position.signed_quantity)
            if beyond < 0 or self._connection.market_type == "swap":
                return False
        return True
