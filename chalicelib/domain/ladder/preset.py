"""Presets: grids of signal sources and exits that a user describes, checked here and expanded into sets.

A connection carries a preset in its plain form (`plain_preset`): the description, never the sets.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any

from chalicelib.domain.ladder.preset_values import (
    Place,
    Trailing,
    directions,
    exit_ratios,
    listed,
    parameter_lists,
    ratio_text,
    symbol_names,
    time_limits,
    trailing_exits,
)
from chalicelib.domain.ladder.sets import LONG, SHORT, ConfigurationSets, configuration_sets, preset_sets
from chalicelib.domain.ladder.sources import Source, SourceKind, chosen_sources, make_source
from chalicelib.domain.signal import Direction, ExitProfile
from chalicelib.domain.trading_settings import LadderChoice, StrategyChoice
from chalicelib.errors import Rejected

MAX_SETS_PER_SYMBOL = 2_000
MAX_SETS = 200_000
MAX_BYTES = 8_192
"""Of the plain form as JSON: it lies in the engine's item, which is paid by the kilobyte at every tick."""

_LARGEST_GAIN = Decimal(10)
_SIGNS: Mapping[Direction, int] = {"long": LONG, "short": SHORT}
_GRID_KEYS = (
    "strategy",
    "indication",
    "parameters",
    "direction",
    "take_profit",
    "stop_loss",
    "trailing",
    "time_limit_bars",
    "symbols",
)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of what it lists; None is `off`. Without `symbols` it is for all of a connection.

    Ratios are of the entry price, time limits in candles. `parameters` holds the values to combine.
    """

    kind: SourceKind
    source: str
    parameters: Mapping[str, tuple[Any, ...]]
    direction: tuple[Direction, ...]
    take_profit: tuple[Decimal | None, ...]
    stop_loss: tuple[Decimal | None, ...]
    trailing: tuple[Trailing | None, ...]
    time_limit_bars: tuple[int | None, ...]
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """A name and the grids whose sets compete; sets that several grids describe compete once."""

    name: str
    grids: tuple[Grid, ...]


def preset_of(data: Mapping[str, Any]) -> Preset:
    """Build a preset from its plain form or from a parsed file.

    Raises Rejected that names the place, such as `grid 2, take_profit`, and what is allowed there.
    """
    top = Place("preset")
    if not isinstance(data, Mapping):
        raise Rejected("preset: must be a table with name and grid")
    top.refuse_unknown(data, ("name", "grid"))
    name = data.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= 60:
        raise Rejected("preset, name: must be a text of 1 to 60 characters")
    grids = data.get("grid")
    if not isinstance(grids, Sequence) or isinstance(grids, str) or not grids:
        raise Rejected("preset, grid: must list at least one grid ([[grid]])")
    preset = Preset(name, tuple(_grid(Place(f"grid {n}"), one) for n, one in enumerate(grids, 1)))
    size = len(json.dumps(plain_preset(preset)))
    if size > MAX_BYTES:
        raise Rejected(f"preset: takes {size} bytes as JSON, at most {MAX_BYTES}: describe it by fewer grids")
    # After the size, so that a wish of megabytes is refused before it takes minutes.
    for number, grid in enumerate(preset.grids, 1):
        grid_sources(Place(f"grid {number}"), grid)
    return preset


def plain_preset(preset: Preset) -> dict[str, Any]:
    """Return the JSON-able form of a preset, without what is as by default; `preset_of` reads it back."""
    return {"name": preset.name, "grid": [_plain_grid(grid) for grid in preset.grids]}


def preset_configuration(
    preset: Preset, symbols: Sequence[str], timeframe: int
) -> tuple[ConfigurationSets, tuple[Source, ...]]:
    """Expand a preset for a connection's symbols and its timeframe in seconds.

    The sources are in the order of the sets' `strategies`. Raises Rejected that names the grid for a symbol
    the connection does not have, or for more sets than there may be.
    """
    known: dict[str, Source] = {}
    source_rows: dict[str, int] = {}
    profile_rows: dict[ExitProfile, int] = {}
    rows: dict[tuple[int, int, int, int], None] = {}
    for number, grid in enumerate(preset.grids, 1):
        place = Place(f"grid {number}")
        chosen = _symbol_rows(place, grid, symbols)
        found = grid_sources(place, grid)
        known |= found
        sources = [source_rows.setdefault(label, len(source_rows)) for label in found]
        profiles = [profile_rows.setdefault(one, len(profile_rows)) for one in _profiles(grid, timeframe)]
        signs = [_SIGNS[direction] for direction in grid.direction]
        _check_size(place, len(sources) * len(signs) * len(profiles), len(chosen), len(rows))
        rows.update(dict.fromkeys(product(chosen, sources, signs, profiles)))
    ordered = sorted(rows, key=lambda row: row[0])
    _check_per_symbol(ordered, symbols)
    sets = configuration_sets(symbols, tuple(known), tuple(profile_rows), timeframe, ordered)
    return sets, tuple(known.values())


def ladder_configuration(
    choice: LadderChoice, strategies: Mapping[str, StrategyChoice], symbols: Sequence[str], timeframe: int
) -> tuple[ConfigurationSets, tuple[Source, ...]]:
    """Return what competes on a connection's ladder, and the sources: its preset's, else the default's."""
    if choice.preset is None:
        return preset_sets(symbols, tuple(strategies), timeframe), chosen_sources(strategies)
    return preset_configuration(preset_of(choice.preset), symbols, timeframe)


def grid_sources(place: Place, grid: Grid) -> dict[str, Source]:
    """Return by label the sources of every possible combination of parameters; Rejected if there is none."""
    found: dict[str, Source] = {}
    refusal = ""
    for values in product(*grid.parameters.values()):
        try:
            source = make_source(grid.kind, grid.source, dict(zip(grid.parameters, values, strict=True)))
        except Rejected as error:
            refusal = refusal or str(error)
        else:
            found[source.label] = source
    if not found:
        raise Rejected(f"{place.text}, parameters: no combination is possible: {refusal}")
    return found


def _grid(place: Place, data: Any) -> Grid:
    if not isinstance(data, Mapping):
        raise Rejected(f"{place.text}: must be a table, not {data!r}")
    place.refuse_unknown(data, _GRID_KEYS)
    named: list[SourceKind] = [kind for kind in ("strategy", "indication") if kind in data]
    if len(named) != 1 or not isinstance(data[named[0]], str):
        raise Rejected(f"{place.text}: name either a strategy or an indication")
    kind, source = named[0], data[named[0]]
    grid = Grid(
        kind=kind,
        source=source,
        parameters=parameter_lists(place, kind, source, data.get("parameters", {})),
        direction=directions(place.at("direction"), data.get("direction", ("long", "short"))),
        take_profit=exit_ratios(place.at("take_profit"), data.get("take_profit", "off"), _LARGEST_GAIN),
        stop_loss=exit_ratios(place.at("stop_loss"), data.get("stop_loss", "off"), Decimal(1)),
        trailing=trailing_exits(place.at("trailing"), data.get("trailing", "off")),
        time_limit_bars=time_limits(place.at("time_limit_bars"), data.get("time_limit_bars", "off")),
        symbols=symbol_names(place.at("symbols"), data.get("symbols", ())),
    )
    combined = 1
    for values in grid.parameters.values():
        combined *= len(values)
    if combined > MAX_SETS_PER_SYMBOL:
        raise Rejected(f"{place.text}, parameters: {combined} combinations, at most {MAX_SETS_PER_SYMBOL}")
    return grid


def _profiles(grid: Grid, timeframe: int) -> Iterator[ExitProfile]:
    for target, stop, trailing, bars in product(
        grid.take_profit, grid.stop_loss, grid.trailing, grid.time_limit_bars
    ):
        distance, activation = (trailing.distance, trailing.activation) if trailing else (None, None)
        yield ExitProfile(target, stop, distance, activation, bars * timeframe if bars else None)


def _symbol_rows(place: Place, grid: Grid, symbols: Sequence[str]) -> Sequence[int]:
    strange = [symbol for symbol in grid.symbols if symbol not in symbols]
    if strange:
        raise Rejected(f"{place.text}, symbols: {strange[0]!r} is none of the connection's symbols")
    return [row for row, symbol in enumerate(symbols) if not grid.symbols or symbol in grid.symbols]


def _check_size(place: Place, per_symbol: int, symbols: int, before: int) -> None:
    """Refuse a grid before it is expanded, so that a slip of the pen does not take all memory."""
    if per_symbol > MAX_SETS_PER_SYMBOL:
        raise Rejected(f"{place.text}: {per_symbol} sets per symbol, at most {MAX_SETS_PER_SYMBOL}")
    if before + per_symbol * symbols > MAX_SETS:
        raise Rejected(f"{place.text}: makes {before + per_symbol * symbols} sets in all, at most {MAX_SETS}")


def _check_per_symbol(rows: Sequence[tuple[int, int, int, int]], symbols: Sequence[str]) -> None:
    counts = [0] * len(symbols)
    for row in rows:
        counts[row[0]] += 1
    most = max(counts)
    if most > MAX_SETS_PER_SYMBOL:
        symbol = symbols[counts.index(most)]
        raise Rejected(f"preset: {most} sets for {symbol}, at most {MAX_SETS_PER_SYMBOL} per symbol")


def _plain_grid(grid: Grid) -> dict[str, Any]:
    plain: dict[str, Any] = {grid.kind: grid.source}
    if grid.parameters:
        plain["parameters"] = {name: listed(values) for name, values in grid.parameters.items()}
    if len(grid.direction) == 1:
        plain["direction"] = list(grid.direction)
    exits = {
        "take_profit": [ratio_text(ratio) for ratio in grid.take_profit],
        "stop_loss": [ratio_text(ratio) for ratio in grid.stop_loss],
        "trailing": ["off" if one is None else one.plain() for one in grid.trailing],
        "time_limit_bars": ["off" if bars is None else bars for bars in grid.time_limit_bars],
    }
    plain |= {name: values for name, values in exits.items() if values != ["off"]}
    return {**plain, "symbols": list(grid.symbols)} if grid.symbols else plain
