"""Reads and writes candles with pyarrow: Parquet, and freqtrade's feather; called through `formats`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from chalicelib.domain.candles import Floats
from chalicelib.errors import UsageError
from chalicelib.local.candles.tables import COLUMNS


def read_parquet(path: Path) -> Floats:
    """Return the table [candles, 6] of a Parquet file; its time is `timestamp_ms` or one datetime column."""
    parquet = _arrow("pyarrow.parquet")
    return _table(path, lambda: parquet.ParquetFile(path).read())


def read_feather(path: Path) -> Floats:
    """Return the table of a feather file as freqtrade writes it: `date`, open, high, low, close, volume."""
    arrow, ipc = _arrow("pyarrow"), _arrow("pyarrow.ipc")
    # One thread, and the file in one piece: handing out the columns of so small a file costs more than them.
    options = ipc.IpcReadOptions(use_threads=False)
    return _table(path, lambda: ipc.open_file(arrow.py_buffer(path.read_bytes()), options=options).read_all())


def write_parquet(path: Path, table: Floats) -> None:
    """Write a table [candles, 6] under the names of our CSV, times as integers."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    columns = [table[:, 0].astype(np.int64), *(np.ascontiguousarray(column) for column in table.T[1:])]
    parquet.write_table(arrow.table(dict(zip(COLUMNS, columns, strict=True))), path)


def require_arrow() -> None:
    """Raise UsageError with the remedy if pyarrow is not installed."""
    _arrow("pyarrow.parquet")


def _arrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            "Parquet and feather files need pyarrow 26.0.1: pip install 'cts-trade-engine[data]'"
        ) from error


def _table(path: Path, read: Any) -> Floats:
    arrow = _arrow("pyarrow")
    try:
        found = read()
    except (OSError, arrow.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({error}): copy it again") from error
    present = set(found.column_names)
    missing = [name for name in COLUMNS[1:] if name not in present]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}: it needs {', '.join(COLUMNS)}")
    try:
        columns = [found[name] for name in COLUMNS[1:]]
        doubles = (c if c.type == arrow.float64() else c.cast(arrow.float64()) for c in columns)
        prices = [column.to_numpy() for column in doubles]
        # Column by column in memory, as the checks go through it.
        return np.array([_milliseconds(path, found, arrow), *prices]).T
    except arrow.ArrowException as error:
        raise UsageError(f"{path} has a value that is no number ({error}): repair it") from error


def _milliseconds(path: Path, found: Any, arrow: Any) -> Floats:
    """Return the open times as float64, exact up to 2**53; a missing one is NaN."""
    if COLUMNS[0] in found.column_names:
        times = found[COLUMNS[0]]
    else:
        dated = [field.name for field in found.schema if arrow.types.is_timestamp(field.type)]
        if len(dated) != 1:
            raise UsageError(
                f"{path} needs a column {COLUMNS[0]} or one column of datetimes, it has {len(dated)}"
            )
        times = found[dated[0]]
        # Datetimes without a zone are UTC, as the integers behind them are.
        if times.type.unit != "ms":
            times = times.cast(arrow.timestamp("ms", tz=times.type.tz))
        times = times.cast(arrow.int64())
    return np.asarray(times.cast(arrow.float64()).to_numpy(), dtype=np.float64)
