"""The command `cts download`: its options, its progress bar, and what it says at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.domain.timeframes import TIMEFRAMES, timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.local.options import moment

if TYPE_CHECKING:
    from chalicelib.domain.candles import Candles
    from chalicelib.domain.market import MarketType
    from chalicelib.operations.download.loader import CandleFeed, Job

FORMATS = ("csv", "parquet")


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "download",
        help="download candles for runs and backtests, only those that are missing",
        description="Download closed candles of an exchange into a directory that `cts run --data` and "
        "`cts backtest --data` read. It may be stopped at any moment and run again: what is there stays, "
        "only what is missing is asked for.",
    )
    add = parser.add_argument
    add("--exchange", default="binance", metavar="NAME", help="exchange to ask (default: binance)")
    add("--symbols", required=True, metavar="LIST", help="BTC/USDT,ETH/USDT")
    add("--timeframe", default="5m", metavar="T", help=f"{', '.join(TIMEFRAMES)} (default: 5m)")
    add("--from", dest="start", required=True, metavar="ISO", help="begin of the period, UTC")
    add("--to", dest="end", metavar="ISO", help="end of the period, UTC (default: now)")
    add("--data", type=Path, required=True, metavar="DIR", help="directory to fill; made if it is not there")
    add("--market-type", choices=("spot", "swap"), default="spot", help="spot (the default) or swaps")
    add("--format", choices=FORMATS, default="csv", help="csv (the default, gzip) or parquet (needs pyarrow)")
    add("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(command=download_command)


def download_command(given: argparse.Namespace) -> int:
    """Download what is missing; 0 when all of it is there, 130 after Ctrl-C."""
    import time

    from chalicelib.exchanges.ccxt_public import EXCHANGES, PublicFeed

    step = timeframe_seconds(given.timeframe)
    symbols = _symbols(given.symbols, given.market_type)
    start = -(-moment(given.start, "--from") // step) * step
    wanted_end = None if given.end is None else moment(given.end, "--to")
    if given.exchange not in EXCHANGES:
        raise UsageError(f"unknown exchange {given.exchange!r}: use one of {', '.join(EXCHANGES)}")
    period = (start, wanted_end)
    try:
        return download(given, PublicFeed(given.exchange), symbols, period, time.time, time.sleep)
    except KeyboardInterrupt:
        print("stopped: what was loaded is kept, run the same command again for the rest")
        return 130


def download(
    given: argparse.Namespace,
    feed: CandleFeed,
    symbols: tuple[str, ...],
    period: tuple[int, int | None],
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> int:
    """Download what is missing of a period (epoch seconds; without an end: until now) through a feed."""
    from chalicelib.operations.download.loader import Waiting, closed_until, job_of, laid, load, patiently
    from chalicelib.operations.download.shelf import Shelf, sole_writer

    step = timeframe_seconds(given.timeframe)
    start, closed = period[0], closed_until(now(), step)
    end = closed if period[1] is None else min(period[1] // step * step, closed)
    if start >= end:
        raise UsageError("no closed candle between --from and --to: let --from be earlier or --to later")
    patiently(lambda: feed.markets(symbols), given.exchange, Waiting(now, sleep, print))
    _prepare(given)
    with sole_writer(given.data):
        shelves = {
            name: Shelf(given.data, given.exchange, name, given.timeframe, step, given.format)
            for name in symbols
        }
        jobs = [job_of(name, shelf, start, end, step) for name, shelf in shelves.items()]
        with _progress(given.quiet, sum(job.candles for job in jobs)) as (told, progressed):
            waiting = Waiting(now, sleep, told)
            found = [load(feed, job, waiting, progressed) for job in jobs]
    return _conclude(given, jobs, found, laid(jobs, start, end))


def _prepare(given: argparse.Namespace) -> None:
    if given.format == "parquet":
        from chalicelib.local.candles.arrow_files import require_arrow

        require_arrow()
    try:
        given.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--data {given.data} can't be made ({error.strerror}): name a directory") from error


def _conclude(given: argparse.Namespace, jobs: list[Job], found: list[bool], candles: Candles) -> int:
    from chalicelib.local.candles.gaps import data_report, describe

    asked = sum(job.candles for job in jobs)
    print(f"{sum(found)} symbols in {given.data}; {asked} candles were missing and asked for")
    for line in describe(data_report(candles)):
        print(f"  {line}")
    without = [job.symbol for job, any_ in zip(jobs, found, strict=True) if not any_]
    if without:
        raise UsageError(f"{given.exchange} has no candles of {', '.join(without)} in that period")
    return 0


@contextmanager
def _progress(quiet: bool, total: int) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """Show a bar with the time left; give who says why we wait, and who counts candles."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("candles"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=quiet) as shown:
        task = shown.add_task("", total=total)
        yield (
            (lambda text: shown.console.print(text, markup=False, soft_wrap=True)),
            lambda count: shown.advance(task, count),
        )


def _symbols(text: str, market_type: MarketType) -> tuple[str, ...]:
    from chalicelib.local.symbols import unified_symbol

    given = [name.strip().upper() for name in text.split(",") if name.strip()]
    names = tuple(dict.fromkeys(_spelled(name, market_type, unified_symbol) for name in given))
    if not names:
        raise UsageError("--symbols is empty: give a list such as BTC/USDT,ETH/USDT")
    return names


def _spelled(name: str, market_type: MarketType, unified: Any) -> str:
    """Return the symbol of the wanted market for BTC/USDT, BTC/USDT:USDT or BTCUSDT."""
    pair = name if "/" in name else unified(name, "spot") or name
    if market_type == "swap" and ":" not in pair and "/" in pair:
        return f"{pair}:{pair.partition('/')[2]}"
    if market_type == "spot" and ":" in pair:
        raise UsageError(f"{name} is a swap: add --market-type swap")
    return pair
