"""Downloads the missing candles of symbols block by block; called by `cts download`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from chalicelib.domain.candles import FIELDS, Candles, Floats, empty_candles
from chalicelib.errors import Retryable
from chalicelib.operations.download.ranges import Range, candles_in, empty_ranges, missing_blocks
from chalicelib.operations.download.shelf import Shelf

BLOCK = 499
"""Candles per question, each kept in a file. Every exchange gives so many in one answer: with more, a hole
as long as an answer would hide what is behind it. From 500 on Binance's futures count the request double."""

BACKOFF = (2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Seconds before a question is asked again: longer together than an exchange holds an address off."""

SETTLING_SECONDS = 10
"""A candle that closed less than this ago may still change at the exchange."""

CONFIRMED_SECONDS = 86_400
"""What is empty stays so only when it is older than this: exchanges add late what they lost in a fault."""


class CandleFeed(Protocol):
    """The part of a market feed that a download needs."""

    def markets(self, symbols: Sequence[str]) -> object: ...

    def closed_candles(self, symbols: Sequence[str], timeframe: int, since: int, now: float) -> Candles: ...


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Job:
    """One symbol and the blocks to ask for, as half-open ranges of open times."""

    symbol: str
    shelf: Shelf
    blocks: list[Range]
    step: int

    @property
    def candles(self) -> int:
        return candles_in(self.blocks, self.step)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How time passes: the clock in epoch seconds, the sleep, and who is told why we wait."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    told: Callable[[str], None]


def closed_until(now: float, step: int) -> int:
    """Return the epoch second up to which candles are closed and settled."""
    return (int(now) - SETTLING_SECONDS) // step * step


def job_of(symbol: str, shelf: Shelf, start: int, end: int, step: int) -> Job:
    """Return what is missing of a symbol between two times on the grid."""
    return Job(symbol, shelf, missing_blocks(shelf.open_times, shelf.empty, start, end, step, BLOCK), step)


def load(feed: CandleFeed, job: Job, waiting: Waiting, progressed: Callable[[int], None]) -> bool:
    """Ask for the blocks of a job and keep each at once; return whether the symbol has any candles.

    What was loaded is made one file even when it ends early. Raises Retryable when a block failed for the
    last time.
    """
    try:
        for block in job.blocks:
            patiently(partial(_keep_block, feed, job, block, waiting), job.symbol, waiting)
            progressed(candles_in([block], job.step))
    finally:
        found = job.shelf.finish()
    return found


def patiently(ask: Callable[[], Answer], what: str, waiting: Waiting) -> Answer:
    """Ask until there is an answer, `BACKOFF` between the attempts; Retryable after the last one."""
    for seconds in BACKOFF:
        try:
            return ask()
        except Retryable as error:
            waiting.told(f"{what}: {error}; again in {seconds:.0f} s")
        waiting.sleep(seconds)
    try:
        return ask()
    except Retryable as error:
        raise Retryable(
            f"{what}: {error}: given up after {len(BACKOFF) + 1} attempts; "
            f"what was loaded is kept, run the same command again"
        ) from error


def laid(jobs: Sequence[Job], start: int, end: int) -> Candles:
    """Return which candles of all jobs are there now, as closes on one grid; the other fields are NaN."""
    step = jobs[0].step
    candles = empty_candles(tuple(job.symbol for job in jobs), step, start, (end - start) // step)
    for row, job in enumerate(jobs):
        times = job.shelf.open_times
        inside = (times >= start) & (times < end)
        candles.close[row, (times[inside] - start) // step] = job.shelf.closes[inside]
    return candles


def _keep_block(feed: CandleFeed, job: Job, block: Range, waiting: Waiting) -> None:
    table = _table(feed.closed_candles([job.symbol], job.step, block[0], block[1]))
    if not len(table):
        # A feed has no candles of what is not traded; that says nothing of the past.
        feed.markets([job.symbol])
    empty = empty_ranges((table[:, 0] // 1000).astype(np.int64), block, job.step)
    sure = waiting.now() - CONFIRMED_SECONDS
    job.shelf.add(table, [found for found in empty if found[1] <= sure])


def _table(candles: Candles) -> Floats:
    """Return the candles of the only symbol as rows [candles, 6]."""
    present = ~np.isnan(candles.close[0])
    columns = [candles.open_time[present] * 1000.0]
    return np.column_stack(columns + [getattr(candles, field)[0, present] for field in FIELDS])
