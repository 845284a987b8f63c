"""Keeps the candles of one symbol while they are downloaded; a process may end at any moment.

Each block is a file of its own in `.download/` beside the data, and becomes part of the candle file at the
end or at the next start. Files appear under their names complete or not at all.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import Floats
from chalicelib.domain.market import MarketType
from chalicelib.errors import Retryable, UsageError
from chalicelib.local.candles.arrow_files import write_parquet
from chalicelib.local.candles.checks import first_bad_candle
from chalicelib.local.candles.formats import file_stem, find_files, read_table
from chalicelib.local.candles.tables import COLUMNS
from chalicelib.local.candles.text_files import write_csv
from chalicelib.operations.download.ranges import Range, joined

WRITERS: dict[str, tuple[str, Callable[[Path, Floats], None]]] = {
    "csv": (".csv.gz", write_csv),
    "parquet": (".parquet", write_parquet),
}
"""Format -> suffix and writer."""

WORKING = ".download"


class Shelf:
    """The candles that are there of one symbol, and where its exchange has none."""

    def __init__(
        self, directory: Path, exchange: str, symbol: str, timeframe: str, step: int, file_format: str
    ) -> None:
        """Take over what is there; UsageError if it is in another format, of another exchange, or broken."""
        market: MarketType = "swap" if ":" in symbol else "spot"
        suffix, self._write = WRITERS[file_format]
        stem = file_stem(symbol, timeframe)
        self.path = directory / f"{stem}{suffix}"
        self._exchange, self._step = exchange, step
        self._folder = directory / WORKING / stem
        there = find_files(directory, timeframe, market).get(symbol)
        # A name that does not say its market is of spot here: swaps are kept under names of their own.
        if there is not None and there != self.path and (market == "spot" or "_" in there.name):
            raise UsageError(f"{there} is there already: choose its format or another --data directory")
        self.empty: list[Range] = self._remembered()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._table = self._read()

    @property
    def closes(self) -> Floats:
        """Closes of the candles that are there, in the order of `open_times`."""
        return self._table[:, 4]

    @property
    def open_times(self) -> NDArray[np.int64]:
        """Open times of the candles that are there, ascending, in epoch seconds."""
        return (self._table[:, 0] // 1000).astype(np.int64)

    def add(self, table: Floats, empty: Iterable[Range]) -> None:
        """Keep a block [candles, 6] and what the exchange confirmed as empty; Retryable if it can't be."""
        if len(table):
            if fault := first_bad_candle(table, self._step):
                raise Retryable(f"{self._exchange} sent a candle that can't be: {fault[1]}")
            part = self._folder / f"{int(table[0, 0])}.npy"
            _whole(part, lambda path: _save(path, table))
            self._table = _together(self._table, table)
        if found := list(empty):
            self.empty = joined([*self.empty, *found])
        if found or not self._known.exists():
            self._remember()

    def finish(self) -> bool:
        """Make one candle file of everything; return whether there are candles at all."""
        parts = list(self._folder.glob("*.npy"))
        if parts:
            _whole(self.path, lambda path: self._write(path, self._table))
            for part in parts:
                part.unlink()
        return bool(len(self._table))

    @property
    def _known(self) -> Path:
        return self._folder / "known.json"

    def _remembered(self) -> list[Range]:
        if not self._known.exists():
            return []
        try:
            known = json.loads(self._known.read_text())
            exchange, empty = known["exchange"], [(int(start), int(end)) for start, end in known["empty"]]
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise UsageError(f"{self._known} can't be read ({error}): remove it") from error
        if exchange != self._exchange:
            raise UsageError(
                f"{self.path} has candles of {exchange}, not of {self._exchange}: "
                f"choose another --data directory"
            )
        return empty

    def _remember(self) -> None:
        text = json.dumps({"exchange": self._exchange, "empty": self.empty})
        _whole(self._known, lambda path: path.write_text(text))

    def _read(self) -> Floats:
        table = np.empty((0, len(COLUMNS)))
        if self.path.exists():
            there = read_table(self.path, self._step)
            table = np.column_stack([there.open_time * 1000.0, there.values])
        for part in sorted(self._folder.glob("*.npy")):
            table = _together(table, np.load(part))
        return table


@contextmanager
def sole_writer(directory: Path) -> Iterator[None]:
    """Let one process at a time write to a directory; UsageError for the second."""
    folder = directory / WORKING
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"another cts download writes to {directory}: wait until it has ended"
            ) from error
        yield


def _together(older: Floats, newer: Floats) -> Floats:
    """Return the candles of both in order; those that were there stay."""
    table = np.concatenate((older, newer))
    return np.ascontiguousarray(table[np.unique(table[:, 0], return_index=True)[1]])


def _save(path: Path, table: Floats) -> None:
    with path.open("wb") as file:
        np.save(file, table)


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear under its name only when it is on the disk in full."""
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)
