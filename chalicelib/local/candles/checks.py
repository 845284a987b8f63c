"""Finds the first candle of a table that cannot be; called for every file and every downloaded block."""

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Floats
from chalicelib.local.candles.tables import COLUMNS, as_moment

_REPAIR = "repair or remove it"
_LATEST_MS = 253_402_300_799_999.0
"""The end of the year 9999: no later time can be written as a date."""


def first_fault(raw: Floats, step: int) -> tuple[int, str] | None:
    """Return the first bad row of a table [candles, 6] and what is wrong with it; None if it is sound.

    Columns as `COLUMNS`; `step` is the timeframe in seconds. Gaps are no fault. O(candles), without a loop.
    """
    return first_bad_candle(raw, step) or _wrong_spacing(raw[:, 0], step)


def first_bad_candle(raw: Floats, step: int) -> tuple[int, str] | None:
    """Return the same of a part of a file, whose spacing says nothing yet."""
    return None if _sound(raw, step) else _described(raw, step)


def _sound(raw: Floats, step: int) -> bool:
    times, open_, high, low, close, volume = raw.T
    return bool(
        np.isfinite(raw).all()
        and (low > 0).all()
        and (volume >= 0).all()
        and (high >= np.maximum(open_, close)).all()
        and (low <= np.minimum(open_, close)).all()
        and (times >= 0).all()
        and (times <= _LATEST_MS).all()
        and (times % (step * 1000) == 0).all()
        and (np.diff(times) > 0).all()
    )


def _described(raw: Floats, step: int) -> tuple[int, str]:
    times, open_, high, low, close, _ = raw.T
    before = np.concatenate(([-np.inf], times[:-1]))
    no_number = ~(np.isfinite(raw) & (raw >= 0)).all(axis=1) | (times > _LATEST_MS)
    with np.errstate(invalid="ignore"):
        masks: tuple[NDArray[np.bool_], ...] = (
            no_number,
            (raw[:, 1:5] == 0).any(axis=1),
            high < low,
            (open_ < low) | (open_ > high),
            (close < low) | (close > high),
            times % (step * 1000) != 0,
            times == before,
            times < before,
        )
    row = int(np.argmax(np.any(masks, axis=0)))
    kind = next(number for number, mask in enumerate(masks) if mask[row])
    stamp = "" if no_number[row] else f"at {as_moment(int(times[row]) // 1000)} "
    return row, stamp + _words(raw[row], kind, step)


def _words(row: Floats, kind: int, step: int) -> str:
    time, open_, high, low, close, _ = (float(value) for value in row)
    if kind == 0:
        name, value = next(
            (name, float(value))
            for name, value in zip(COLUMNS, row, strict=True)
            if not np.isfinite(value) or value < 0 or (name == COLUMNS[0] and value > _LATEST_MS)
        )
        shown = "NaN" if np.isnan(value) else value
        return f"{name} is {shown}: it must be a finite number, not negative: {_REPAIR}"
    stamp = f"timestamp {time:.0f}"
    return (
        f"a price is 0: {_REPAIR}",
        f"high {high} is below low {low}: {_REPAIR}",
        f"open {open_} is outside low {low} to high {high}: {_REPAIR}",
        f"close {close} is outside low {low} to high {high}: {_REPAIR}",
        f"{stamp} is not a multiple of {step} s: is it another timeframe?",
        f"{stamp} is there twice: remove one of them",
        f"{stamp} is before the one above: sort the file by time",
    )[kind - 1]


def _wrong_spacing(times: Floats, step: int) -> tuple[int, str] | None:
    """Refuse candles of a longer timeframe: no two are one step apart, and most are as far as each other."""
    spacing = np.diff(times) / 1000
    if spacing.size < 2 or (spacing == step).any():
        return None
    usual = float(np.median(spacing))
    if np.count_nonzero(spacing == usual) * 2 < spacing.size:
        return None
    row = int(np.argmax(spacing == usual)) + 1
    moment = as_moment(int(times[row]) // 1000)
    return row, f"at {moment} candles are {usual:.0f} s apart, not {step} s: is it another timeframe?"
