"""Positions that the kernel entered and closed, as columns; what `advance` returns of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.ladder.rules import Floats
from chalicelib.domain.ladder.sets import Rows

_KINDS: dict[str, type] = {
    "sets": np.int64,
    "entered": np.int64,
    "exited": np.int64,
    "entry": np.float64,
    "exit": np.float64,
    "net_return": np.float64,
    "reason": np.int8,
}


@dataclass(frozen=True, slots=True)
class Entries:
    """Positions entered, by (entered, set): when the entry candle opened (epoch seconds), market price."""

    sets: Rows
    entered: Rows
    price: Floats

    def __len__(self) -> int:
        return len(self.sets)


@dataclass(frozen=True, slots=True)
class Trades:
    """Positions closed, by (exited, set); market prices, `reason` a row of EXIT_REASONS.

    `entered` is when the entry candle opened, `exited` when that of the exit closed (epoch seconds). Costs
    are in `net_return` alone, which is not rounded as the return kept in the state is.
    """

    sets: Rows
    entered: Rows
    exited: Rows
    entry: Floats
    exit: Floats
    net_return: Floats
    reason: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.sets)


def joined_trades(parts: Sequence[Trades]) -> Trades:
    """Return trades one part after the other."""
    if len(parts) == 1:
        return parts[0]
    return Trades(**{name: _joined(parts, name) for name in _KINDS})


def in_order(parts: Sequence[Trades], timeframe: int) -> Trades:
    """Return the trades of one pass (at most 2^16 bars), given by (set, exited), by (exited, set)."""
    exited = _joined(parts, "exited")
    if not len(exited):
        return joined_trades(parts)
    first = int(exited.min())
    bar = ((exited - first) // timeframe).astype(np.uint16)
    # numpy sorts 16 bits by counting, which keeps those of one bar by set.
    order = np.argsort(bar, kind="stable")
    counts = np.bincount(bar)
    columns = {name: _joined(parts, name).take(order) for name in _KINDS if name != "exited"}
    return Trades(**columns, exited=np.repeat(first + timeframe * np.arange(len(counts)), counts))


def _joined(parts: Sequence[Trades], name: str) -> NDArray[Any]:
    if len(parts) == 1:
        column: NDArray[Any] = getattr(parts[0], name)
        return column
    return np.concatenate([np.empty(0, dtype=_KINDS[name]), *(getattr(part, name) for part in parts)])


def joined_entries(parts: Sequence[Entries]) -> Entries:
    """Return entries by (entered, set)."""
    none = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    sets, entered, price = (
        np.concatenate([empty, *(getattr(part, name) for part in parts)])
        for empty, name in zip(none, Entries.__slots__, strict=True)
    )
    order = np.lexsort((sets, entered))
    return Entries(sets[order], entered[order], price[order])


def entries_since(trades: Trades, others: Sequence[Entries], since: int) -> Entries:
    """Return the positions entered at or after `since`: of closed trades and others."""
    parts = []
    for part in (Entries(trades.sets, trades.entered, trades.entry), *others):
        new = part.entered >= since
        parts.append(Entries(part.sets[new], part.entered[new], part.price[new]))
    return joined_entries(parts)
