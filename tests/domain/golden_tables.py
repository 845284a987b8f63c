"""Reads the golden indicator files of other libraries as columns; the golden test uses it."""

import csv
import gzip
import json
import re
from io import StringIO
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Floats

PRICES = ("open", "high", "low", "close", "volume")
Columns = dict[str, Floats]


def _text(path: Path) -> str:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig").read()
    return path.read_text(encoding="utf-8-sig")


def _number(cell: str | float | None) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def read_table(path: Path) -> Columns:
    """Return every column of a CSV file by its name in lower case, `[1, rows]`, NaN where it is no number."""
    header, *rows = csv.reader(StringIO(_text(path)))
    width = len(header)
    cells = [[_number(cell) for cell in row[:width]] for row in rows if len(row) >= width]
    values = np.array(cells).T
    return {name.strip().lower(): np.ascontiguousarray(values[[i]]) for i, name in enumerate(header)}


def read_results(path: Path, name: str) -> Floats:
    """Return one field of a JSON list of results, `[1, rows]`."""
    return np.array([[_number(item.get(name)) for item in json.loads(_text(path))]])


def read_vectors(path: Path, title: str) -> list[Floats]:
    """Return the vectors under a title of a file in Tulip's format, `[1, length]` each, inputs first."""
    block = re.search(rf"^{re.escape(title)}\n((?:\{{.*\}}\n?)+)", _text(path), re.MULTILINE)
    assert block is not None, title
    lines = block.group(1).splitlines()
    return [np.array([[float(cell) for cell in line.strip("{}").split(",")]]) for line in lines]
