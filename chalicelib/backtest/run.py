"""`cts backtest`: from the checked options to the files of the report."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chalicelib.backtest.engine import Moment, trade
from chalicelib.backtest.options import BacktestOptions
from chalicelib.backtest.output import write_files
from chalicelib.backtest.result import BacktestResult, LadderHistory
from chalicelib.backtest.values import MADE_BY_THE_THOUSAND
from chalicelib.backtest.world import BacktestWorld, backtest_world
from chalicelib.domain.candles import Candles, Floats, between, filled
from chalicelib.domain.connection import Connection
from chalicelib.domain.performance import EquityCurve, Measure, summarise
from chalicelib.domain.performance.inputs import ClosedTrades
from chalicelib.domain.replacing import make_quickly
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.domain.trading_settings import LadderChoice
from chalicelib.errors import UsageError
from chalicelib.local.candles.gaps import data_report, describe
from chalicelib.local.market import recorded_market
from chalicelib.local.preset_files import preset_mark
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.local.report import audit, paper_side, read_books
from chalicelib.local.trades import Trade, closed_trades, iso

SHOWN = ("total_return", "cagr", "sharpe", "max_drawdown", "profit_factor", "win_rate")
_REDRAW_SECONDS = 0.2
_ALLOCATIONS = 500_000
"""Objects made between two looks of the collector of cycles; 700 is usual."""


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What a backtest gave: the result, its trades, what must hold of its books, and how long it took."""

    result: BacktestResult
    trades: tuple[Trade, ...]
    audit: dict[str, Any]
    seconds: float


def run(options: BacktestOptions) -> int:
    """Run a backtest, write its files and print a summary; return the exit code."""
    console = Console(quiet=options.quiet, highlight=False)
    if options.out is not None:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {options.out}: {error.strerror}") from error
    done = backtest(options, console)
    _say(console, done)
    if options.out is not None:
        write_files(done.result, done.trades, done.audit, done.seconds, options.out)
        console.print(f"cts: report.html, report.json, trades.csv and equity.csv are in {options.out}")
    return 0


def backtest(options: BacktestOptions, console: Console) -> Backtest:
    """Trade the candles that the options choose; UsageError names what is wrong with options or data."""
    market = recorded_market(options.market, options.terms.spread)
    assert isinstance(market.feed, RecordedFeed)
    world = backtest_world(market.feed, options.terms.spread, market.start)
    connection = options.connection(market.symbols, world.now())
    if not console.quiet:
        for line in describe(data_report(market.feed.candles, market.start, market.end)):
            console.print(line, soft_wrap=True, markup=False)
    begun = time.perf_counter()
    make_quickly(*MADE_BY_THE_THOUSAND)
    moments = trade(world, connection, market.feed.candles, market.start, market.end)
    bars = (market.end - market.start) // timeframe_seconds(options.market.timeframe)
    with _rarely_collected():
        passed = list(_shown(moments, bars, console))
    # A replay ends at the end of its last candle: what is open then stays open.
    world.clock.move(market.end)
    books = read_books(world, lambda of: paper_side(world.ledger, of), connection.tenant)
    seconds = time.perf_counter() - begun
    title = {
        "exchange": options.market.exchange,
        "market": connection.market_type,
        "symbols": f"{len(market.symbols)}",
        "timeframe": connection.timeframe,
        "from": iso(market.start),
        "to": iso(market.end),
        "strategies": ", ".join(connection.strategies),
        "ladder": _ladder_title(connection.ladder),
        "capital": f"{connection.paper.cash} {market.symbols[0].partition('/')[2].partition(':')[0]}",
        "fee": f"{connection.paper.fee_rate}",
        "slippage": f"{connection.paper.slippage}",
    }
    traded = between(market.feed.candles, market.start, market.end)
    trades = closed_trades(books)
    result = _result(title, traded, passed, trades, world, connection)
    return Backtest(result, trades, audit(books), seconds)


def _ladder_title(ladder: LadderChoice) -> str:
    if not ladder.enabled:
        return "off"
    return ladder.profile if ladder.preset is None else f"{ladder.profile}, {preset_mark(ladder.preset)}"


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Let the collector of cycles look seldom: a backtest keeps many objects, and they are trees."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _shown(moments: Iterator[Moment], bars: int, console: Console) -> Iterator[Moment]:
    """Pass the moments on and show how far they are and how long the rest will take."""
    columns = (
        TextColumn("backtest"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=bars)
        drawn = 0.0
        for number, moment in enumerate(moments, 1):
            yield moment
            if time.monotonic() - drawn > _REDRAW_SECONDS:
                progress.update(task, completed=number, refresh=True)
                drawn = time.monotonic()


def _result(
    title: dict[str, str],
    candles: Candles,
    moments: list[Moment],
    closed: tuple[Trade, ...],
    world: BacktestWorld,
    connection: Connection,
) -> BacktestResult:
    cash = float(connection.paper.cash)
    equity = np.array([float(moment.account.equity) for moment in moments])
    # Before the first look at the account nothing has been traded.
    equity[np.array([not moment.account.at for moment in moments])] = cash
    notional = np.array([moment.notional for moment in moments])
    curve = EquityCurve(
        time=np.array([moment.time for moment in moments], dtype=np.int64),
        equity=equity,
        exposure=np.divide(notional, equity, out=np.zeros_like(equity), where=equity > 0),
    )
    trades = columns_of(closed)
    benchmark = buy_and_hold(candles, cash)
    ladder = None
    if connection.ladder.enabled:
        counts = np.array([moment.ladder for moment in moments], dtype=np.int64).reshape(-1, 3)
        ladder = LadderHistory(curve.time, counts)
    return BacktestResult(
        title=title,
        candles=candles,
        curve=curve,
        trades=trades,
        benchmark=benchmark,
        refused=world.counts.refused(),
        ladder=ladder,
        summary=summarise(curve, trades, benchmark, capital=cash),
    )


def columns_of(trades: tuple[Trade, ...]) -> ClosedTrades:
    """Return trades as columns of doubles, for statistics."""

    def numbers(name: str) -> Floats:
        return np.array([float(getattr(trade, name)) for trade in trades], dtype=np.float64)

    return ClosedTrades(
        symbol=tuple(trade.symbol for trade in trades),
        strategy=tuple(trade.strategy for trade in trades),
        exit_reason=tuple(trade.exit_reason for trade in trades),
        direction=np.array([1 if trade.direction == "long" else -1 for trade in trades], dtype=np.int8),
        opened_at=numbers("opened_at").astype(np.int64),
        closed_at=numbers("closed_at").astype(np.int64),
        quantity=numbers("quantity"),
        entry_price=numbers("entry_price"),
        exit_price=numbers("exit_price"),
        profit=numbers("profit"),
        fees=numbers("fees"),
        net_return=numbers("net_return"),
    )


def buy_and_hold(candles: Candles, cash: float) -> Floats:
    """Return the equity of buying every symbol for the same money at its first candle, without costs.

    `[bars]` at the open of each candle, as the curve is. The share of a symbol that is listed later stays
    cash until then.
    """
    whole = filled(candles)
    prices = np.where(np.isnan(candles.open), whole.close, candles.open)
    known = ~np.isnan(prices)
    first = prices[np.arange(len(prices)), np.argmax(known, axis=1)]
    growth = np.where(known, prices / first[:, None], 1.0)
    held: Floats = cash * growth.mean(axis=0)
    return held


def _say(console: Console, done: Backtest) -> None:
    result = done.result
    candles = int(np.count_nonzero(~np.isnan(result.candles.close)))
    console.print(
        f"cts: {len(done.trades)} trades on {candles} candles in {done.seconds:.1f} s, "
        + ", ".join(f"{name} {_number(result.summary[name])}" for name in SHOWN if name in result.summary),
        soft_wrap=True,
    )


def _number(measure: Measure) -> str:
    return f"undefined ({measure.reason})" if measure.value is None else f"{measure.value:.4g}"
