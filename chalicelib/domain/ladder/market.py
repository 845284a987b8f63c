"""The candles and signals of one pass as the kernel looks them up: flat tables, prices as long sets see them.

Prices of short sets are negated on the way in, so that one set of rules (those of a long position) serves
both directions: `favourable` is then the high of a candle, `adverse` its low.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Candles
from chalicelib.domain.ladder.rules import BREAK_FACTOR, Floats
from chalicelib.domain.ladder.sets import Rows

Signs = NDArray[np.int8]
Bars = NDArray[np.int16]

LONGEST_PASS = 1024
"""Bars of one pass: bar numbers fit 16 bits, and the tables of a hundred symbols fit some 40 MB."""

_LEVELS = 7


@dataclass(frozen=True, slots=True)
class Reach:
    """What the stretch of candles `[i, i + length)` reaches, flat `[rows, width]`, at every `i`.

    `fall` is the deepest way down from the favourable price of one candle to the adverse one of a later.
    """

    length: int
    favourable: Floats
    adverse: Floats
    fall: Floats


class Reaches:
    """The stretches of 1, 2, 4 ... candles of one pass, each put together when it is first needed."""

    def __init__(self, favourable: Floats, adverse: Floats, count: int, trailing: bool) -> None:
        fall = np.full(favourable.shape if trailing else (1, 1), -np.inf)
        self._longest = favourable, adverse, fall
        self._found = [_reach(1, *self._longest)]
        self._count, self._trailing = count, trailing

    def up_to(self, length: int) -> tuple[Reach, ...]:
        """Return the stretches shorter than `length` candles, the longest first; none for a single bar."""
        wanted = min(self._count, max(1, (length - 1).bit_length()))
        while len(self._found) < wanted:
            self._longest = self._doubled()
            self._found.append(_reach(1 << len(self._found), *self._longest))
        return tuple(self._found[:wanted][::-1])

    def _doubled(self) -> tuple[Floats, Floats, Floats]:
        favourable, adverse, fall = self._longest
        half = self._found[-1].length
        deepest = fall
        if self._trailing:
            deepest = _doubled(fall, half, np.maximum)
            between = favourable[:, :-half] - adverse[:, half:]
            np.maximum(between, deepest[:, :-half], out=deepest[:, :-half])
        return _doubled(favourable, half, np.maximum), _doubled(adverse, half, np.minimum), deepest


@dataclass(frozen=True, slots=True)
class Market:
    """Tables of one pass of `bars` candles.

    `open`, `favourable` and `adverse` are flat `[2 * symbols, width]`, first all symbols as seen by long
    positions, then by short ones. A missing candle and those beyond the last reach nothing: NaN, -inf, +inf.
    `next_candle` flat `[symbols, bars + 2]` is the first existing candle from a bar on, `next_break` the
    first that breaks the series of its symbol (see BREAK_FACTOR), None where none does; `last_close`
    `[symbols]` is the close of the last candle, in these bars or before. `next_signal` flat
    `[directions, sources, symbols, bars + 1]` is the first bar from one on at whose close the source signals
    long (first half) or short. `bars` stands for none.
    `run_bar` are the bars at which a source changes its mind, those to long first, then those to short, each
    by (source, symbol, bar); `run_first` and `run_count` flat `[directions, sources, symbols]` say which are
    whose.
    """

    opened: int
    timeframe: int
    bars: int
    width: int
    open: Floats
    favourable: Floats
    adverse: Floats
    reaches: Reaches
    next_candle: Bars
    next_break: Bars | None
    last_close: Floats
    next_signal: Bars
    run_bar: Bars
    run_first: Rows
    run_count: Rows


def market_of(
    candles: Candles, signals: Signs, first: int, last: int, before: Floats, trailing: bool
) -> Market:
    """Prepare the bars `[first, last)` of candles and of signals `[sources, symbols, bars]`.

    A signal on a missing or zero-volume candle does not count. `before` is the last close of each symbol
    before these bars, NaN for none. `trailing` says whether any set trails.
    """
    opens, high, low, close, volume = (
        getattr(candles, name)[:, first:last] for name in ("open", "high", "low", "close", "volume")
    )
    bars = last - first
    count = max(0, min(_LEVELS, bars.bit_length() - 1))
    padding = 1 << count
    present = ~np.isnan(opens + high + low + close)
    favourable, adverse = _ranges(opens, high, low, present, padding)
    next_candle = _next(present, 2)
    last_close = _last_closes(np.where(present, close, np.nan), before)
    breaks = _breaks(opens, last_close[:, :-1]) & present
    counted = signals[:, :, first:last] * (present & (volume > 0))
    next_signal = np.stack([_next(counted == sign, 1) for sign in (1, -1)])
    run_bar, run_count = _runs(counted)
    return Market(
        opened=int(candles.open_time[first]),
        timeframe=candles.timeframe,
        bars=bars,
        width=bars + padding,
        open=_both_sides(opens, opens, padding, np.nan).ravel(),
        favourable=favourable.ravel(),
        adverse=adverse.ravel(),
        reaches=Reaches(favourable, adverse, count, trailing),
        next_candle=next_candle.ravel(),
        next_break=_next(breaks, 2).ravel() if breaks.any() else None,
        last_close=last_close[:, -1].copy(),
        next_signal=next_signal.ravel(),
        run_bar=run_bar,
        run_first=np.cumsum(run_count) - run_count,
        run_count=run_count,
    )


def _ranges(
    opens: Floats, high: Floats, low: Floats, present: NDArray[np.bool_], padding: int
) -> tuple[Floats, Floats]:
    """Return the favourable and the adverse price of each candle, `[2 * symbols, width]`."""
    # The open belongs to the range of its candle, whatever the venue says.
    highest = np.where(present, np.maximum(high, opens), -np.inf)
    lowest = np.where(present, np.minimum(low, opens), np.inf)
    return _both_sides(highest, lowest, padding, -np.inf), _both_sides(lowest, highest, padding, np.inf)


def _both_sides(long: Floats, short: Floats, padding: int, by: float) -> Floats:
    """Return prices as long positions see them, below them those of short ones negated; padded."""
    symbols, bars = long.shape
    found = np.full((2 * symbols, bars + padding), by)
    found[:symbols, :bars] = long
    # Not np.negative: that of numpy 2.4.6 gives wrong values from one strided column to another.
    np.multiply(short, -1.0, out=found[symbols:, :bars])
    return found


def _reach(length: int, favourable: Floats, adverse: Floats, fall: Floats) -> Reach:
    return Reach(length, favourable.ravel(), adverse.ravel(), fall.ravel())


def _doubled(table: Floats, half: int, join: np.ufunc) -> Floats:
    """Return stretches put together from two half as long; the last ones end where the table does."""
    found = np.empty_like(table)
    join(table[:, :-half], table[:, half:], out=found[:, :-half])
    found[:, -half:] = table[:, -half:]
    return found


def _breaks(opens: Floats, last_close: Floats) -> NDArray[np.bool_]:
    broken: NDArray[np.bool_] = (opens > BREAK_FACTOR * last_close) | (BREAK_FACTOR * opens < last_close)
    return broken


def _last_closes(close: Floats, before: Floats) -> Floats:
    """Return the last close before each bar and, in a further column, that after the last one."""
    known = np.concatenate((before[:, None], close), axis=1)
    place = np.where(np.isnan(known), 0, np.arange(known.shape[1]))
    return np.take_along_axis(known, np.maximum.accumulate(place, axis=1), axis=1)


def _runs(signals: Signs) -> tuple[Bars, Rows]:
    """Return the bars at which each source turns long, then those at which it turns short; and how many."""
    bars = signals.shape[-1]
    place = np.flatnonzero(signals)
    row, sign = place // bars, signals.ravel().take(place)
    turns = np.flatnonzero((sign[1:] != sign[:-1]) & (row[1:] == row[:-1])) + 1
    rows = signals.size // bars
    count = [np.bincount(row.take(turns[sign.take(turns) == way]), minlength=rows) for way in (1, -1)]
    bar = (place % bars).astype(np.int16)
    found = [bar.take(turns[sign.take(turns) == way]) for way in (1, -1)]
    return np.concatenate(found), np.concatenate(count)


def _next(mask: NDArray[np.bool_], padding: int) -> Bars:
    """Return the first bar from each on where `mask` holds, `[..., bars + padding]`; `bars` if none does."""
    bars = mask.shape[-1]
    marked = np.ones((*mask.shape[:-1], bars + padding), dtype=np.bool_)
    marked[..., :bars] = mask
    # The padding ends each row, so that one's last stretch does not run into the next.
    place = np.flatnonzero(marked)
    bar = np.minimum(place % (bars + padding), bars).astype(np.int16)
    return np.repeat(bar, np.diff(place, prepend=-1)).reshape(marked.shape)
