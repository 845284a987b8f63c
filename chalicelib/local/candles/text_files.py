"""Reads candles from CSV and JSON text, plain or gzip, and writes CSV; called through `formats`."""

import gzip
import io
import json
import zlib
from decimal import Decimal
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Floats
from chalicelib.errors import UsageError
from chalicelib.local.candles.tables import COLUMNS, HEADER


def read_csv(path: Path) -> Floats:
    """Return the table [candles, 6] of a file with our header; UsageError names the first broken line."""
    header, _, body = _content(path).partition(b"\n")
    if header.strip().decode(errors="replace") != HEADER:
        raise UsageError(f"{path}, line 1: the header must be {HEADER}")
    if not body.strip():
        return np.empty((0, len(COLUMNS)))
    try:
        table = np.loadtxt(io.BytesIO(body), delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise UsageError(_broken_line(path, body.decode(errors="replace"))) from error
    if table.shape[1] != len(COLUMNS):
        raise UsageError(_broken_line(path, body.decode(errors="replace")))
    return table


def csv_place(path: Path, row: int) -> str:
    """Return which line holds a candle; empty lines count as lines, not as candles."""
    lines = _content(path).split(b"\n")
    filled = [number for number, line in enumerate(lines, start=1) if line.strip()]
    return f"line {filled[row + 1]}"


def write_csv(path: Path, table: Floats) -> None:
    """Write a table [candles, 6] as gzip, every number so that it reads back as the same float64."""
    lines = [",".join((str(int(row[0])), *map(_shortest, row[1:]))) for row in table.tolist()]
    # Without a time in its head the file depends on its candles alone.
    path.write_bytes(gzip.compress("\n".join((HEADER, *lines, "")).encode(), 6, mtime=0))


def read_json(path: Path) -> Floats:
    """Return the table of freqtrade's JSON, a list of [milliseconds, open, high, low, close, volume]."""
    try:
        rows = json.loads(_content(path))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON ({error}): copy it again") from error
    if not isinstance(rows, list):
        raise UsageError(f"{path} is no list of candles [milliseconds, {', '.join(COLUMNS[1:])}]")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(COLUMNS):
            raise UsageError(f"{path}, candle {number}: it must be a list of {len(COLUMNS)} numbers")
    try:
        return np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path} has a value that is no number ({error}): repair it") from error


def counted_place(_: Path, row: int) -> str:
    """Return which candle it is, from 1, where a file has no lines."""
    return f"candle {row + 1}"


def _content(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read ({error}): copy it again") from error


def _broken_line(path: Path, body: str) -> str:
    """Find the first line that is not six numbers, the slow way."""
    for number, line in enumerate(body.split("\n"), start=2):
        if not line.strip():
            continue
        fields = line.strip().split(",")
        if len(fields) != len(COLUMNS):
            return (
                f"{path}, line {number}: {len(fields)} values instead of {len(COLUMNS)}: "
                f"repair or remove the line"
            )
        for name, field in zip(COLUMNS, fields, strict=True):
            try:
                float(field)
            except ValueError:
                return f"{path}, line {number}: {name} is {field!r}: it must be a number"
    return f"{path}: the file is not a table of candles: record it again"


def _shortest(value: float) -> str:
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text.removesuffix(".0")
