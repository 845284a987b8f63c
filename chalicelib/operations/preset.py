"""`cts preset`: checks a file with a preset, counts its sets, and prints it as the API takes it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.domain.connection import MAX_SYMBOLS
from chalicelib.domain.timeframes import TIMEFRAMES, timeframe_seconds
from chalicelib.errors import Rejected, UsageError
from chalicelib.local.options import DEFAULT_SYMBOLS, DEFAULT_TIMEFRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.domain.ladder.preset import Grid, Preset

_OTHERS = "SYMBOL"
"""Stands for the symbols that no grid names: they all have the same sets."""
_SHOWN_SOURCES = 12


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "preset",
        help="check a file with a preset, count its sets, print it for the API",
        description="Check a preset in TOML or YAML and count the configuration sets it makes. With --json "
        "print it as ladder.preset of POST /connections takes it.",
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="the preset (docs/presets.md)")
    add("--symbols", type=int, default=DEFAULT_SYMBOLS, metavar="N", help="of how many symbols (default: 10)")
    add("--timeframe", default=DEFAULT_TIMEFRAME, metavar="T", help=f"{', '.join(TIMEFRAMES)} (default: 5m)")
    add("--json", action="store_true", help="print the preset in one line of JSON, and nothing else")
    parser.set_defaults(command=preset)


def preset(given: argparse.Namespace) -> int:
    """Print what a file describes; UsageError says what is wrong in it."""
    from chalicelib.domain.ladder.preset import plain_preset
    from chalicelib.local.preset_files import read_preset

    step = timeframe_seconds(given.timeframe)
    if not 1 <= given.symbols <= MAX_SYMBOLS:
        raise UsageError(f"--symbols must be between 1 and {MAX_SYMBOLS}, not {given.symbols}")
    found = read_preset(given.file, "preset")
    try:
        lines = _described(found, given.symbols, step)
    except Rejected as error:
        raise UsageError(f"preset {given.file}: {error}") from None
    print(json.dumps(plain_preset(found)) if given.json else "\n".join(lines))
    return 0


def _described(found: Preset, symbols: int, timeframe: int) -> list[str]:
    from chalicelib.domain.ladder.preset import MAX_BYTES, MAX_SETS, plain_preset, preset_configuration

    named = tuple(dict.fromkeys(symbol for grid in found.grids for symbol in grid.symbols))
    if len(named) > symbols:
        raise Rejected(f"its grids name {len(named)} symbols: use --symbols {len(named)} or more")
    sets, sources = preset_configuration(found, (*named, _OTHERS), timeframe)
    counts = {name: int((sets.symbol == row).sum()) for row, name in enumerate(sets.symbols)}
    total = sum(counts[name] for name in named) + counts[_OTHERS] * (symbols - len(named))
    if total > MAX_SETS:
        raise Rejected(f"makes {total} sets with {symbols} symbols, at most {MAX_SETS}")
    more = f" ({', '.join(f'{name}: {counts[name]}' for name in named)})" if named else ""
    return [
        f"preset {found.name!r}: {len(json.dumps(plain_preset(found)))} of at most {MAX_BYTES} bytes",
        *(f"  grid {number}: {_grid(grid)}" for number, grid in enumerate(found.grids, 1)),
        f"sets per symbol: {counts[_OTHERS]}{more}; with {symbols} symbols {total}, at most {MAX_SETS}",
        f"signal sources: {_named([source.label for source in sources])}",
        f"a set's name: {sets.set_id(0)}",
    ]


def _grid(grid: Grid) -> str:
    """Return what a grid multiplies; combinations that do not fit together are left out."""
    from chalicelib.domain.ladder.preset import grid_sources
    from chalicelib.domain.ladder.preset_values import Place

    exits = len(grid.take_profit) * len(grid.stop_loss) * len(grid.trailing) * len(grid.time_limit_bars)
    sources = len(grid_sources(Place("grid"), grid))
    where = f", {', '.join(grid.symbols)} alone" if grid.symbols else ""
    return (
        f"{grid.kind} {grid.source}, {sources} sources x {len(grid.direction)} directions x {exits} exits"
        f" = {sources * len(grid.direction) * exits}{where}"
    )


def _named(labels: Sequence[str]) -> str:
    more = len(labels) - _SHOWN_SOURCES
    return ", ".join(labels[:_SHOWN_SOURCES]) + (f" and {more} more" if more > 0 else "")
