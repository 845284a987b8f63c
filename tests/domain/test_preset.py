"""Presets: a grid becomes the sets it describes, and whatever is wrong in one is refused by its place."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.codec import from_plain, to_plain, to_stored
from chalicelib.domain.connection import Connection, LadderChoice
from chalicelib.domain.ladder import preset as preset_module
from chalicelib.domain.ladder.preset import (
    MAX_SETS,
    MAX_SETS_PER_SYMBOL,
    Preset,
    ladder_configuration,
    plain_preset,
    preset_configuration,
    preset_of,
)
from chalicelib.domain.ladder.sets import SHORT
from chalicelib.domain.signal import ExitProfile
from chalicelib.domain.trading_settings import DEFAULT_STRATEGIES
from chalicelib.errors import Rejected, UsageError
from chalicelib.local.preset_files import read_preset
from chalicelib.stores.packed_settings import pack
from tests.domain.preset_examples import TREND_GRID, TREND_GRID_YAML

SYMBOLS = ("ETH/USDT", "BTC/USDT")
D = Decimal


def example(tmp_path: Path) -> Preset:
    file = tmp_path / "preset.toml"
    file.write_text(TREND_GRID)
    return read_preset(file)


def one_grid(**grid: Any) -> dict[str, Any]:
    return {"name": "x", "grid": [{"strategy": "trend", **grid}]}


def test_a_grid_becomes_every_combination_that_fits_together(tmp_path: Path) -> None:
    sets, sources = preset_configuration(example(tmp_path), SYMBOLS, 3600)
    assert len(sets) == 48 + 48 + 3
    assert sets.strategies == tuple(source.label for source in sources)
    assert sets.strategies == (
        "trend(fast=8,slow=21)",
        "trend(fast=8)",
        "trend(slow=21)",
        "trend",
        "move(k=3)",
        "move(k=5)",
        "move(k=8)",
    )
    ids = [sets.set_id(row) for row in range(len(sets))]
    assert len(set(ids)) == len(ids)
    assert "ETH/USDT|trend(fast=8,slow=21)|short|tp0.02-sl0.01-td0.01-ta0.02-tl345600" in ids
    assert "BTC/USDT|move(k=5)|long|sl0.1" in ids
    assert [one for one in ids if "move" in one and "ETH" in one] == []
    assert np.count_nonzero(sets.direction == SHORT) == 48
    trend = sources[0].parameters
    assert (trend.fast, trend.slow, trend.adx_period) == (8, 21, 14)
    assert (sources[5].parameters.kinds, sources[5].parameters.ks) == (("move",), (5,))


def test_numbers_keep_their_text(tmp_path: Path) -> None:
    sets, _ = preset_configuration(example(tmp_path), SYMBOLS, 3600)
    assert sets.profiles[0] == ExitProfile(D("0.01"), D("0.01"), time_limit=96 * 3600)
    assert sets.profiles[-1] == ExitProfile(None, D("0.1"))
    floats, _ = preset_configuration(preset_of(one_grid(stop_loss=[0.1, 0.3])), SYMBOLS, 60)
    assert [profile.stop_loss for profile in floats.profiles] == [D("0.1"), D("0.3")]


def test_the_plain_form_is_json_and_reads_back_as_the_same_preset(tmp_path: Path) -> None:
    preset = example(tmp_path)
    plain = json.loads(json.dumps(plain_preset(preset)))
    assert preset_of(plain) == preset
    assert plain_preset(preset_of(plain)) == plain
    assert plain["grid"][1] == {
        "indication": "move",
        "parameters": {"k": [3, 5, 8]},
        "direction": ["long"],
        "stop_loss": ["0.1"],
        "symbols": ["BTC/USDT"],
    }


def test_a_connection_carries_the_description_in_few_bytes_and_nothing_without_one(tmp_path: Path) -> None:
    plain = plain_preset(example(tmp_path))
    bare = Connection("c", "binance", SYMBOLS)
    with_preset = Connection("c", "binance", SYMBOLS, ladder=LadderChoice(preset=plain))
    assert "preset" not in to_stored(bare)["ladder"]
    assert from_plain(Connection, json.loads(json.dumps(to_plain(with_preset)))) == with_preset
    assert len(pack(to_stored(with_preset))) - len(pack(to_stored(bare))) < 400


def test_without_a_preset_the_default_sets_compete_by_the_names_of_the_strategies() -> None:
    sets, sources = ladder_configuration(LadderChoice(), DEFAULT_STRATEGIES, SYMBOLS, 300)
    assert sets.strategies == tuple(DEFAULT_STRATEGIES) == tuple(source.label for source in sources)
    assert len(sets) == 200


def test_sets_that_two_grids_describe_compete_once() -> None:
    twice = {"name": "x", "grid": [{"strategy": "trend"}, {"strategy": "trend", "parameters": {"fast": 12}}]}
    sets, sources = preset_configuration(preset_of(twice), SYMBOLS, 300)
    assert len(sources) == 1
    assert len(sets) == 4


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"grid": [{}]}, "preset, name: must be a text"),
        ({"name": "x"}, "preset, grid: must list at least one"),
        ({"name": "x", "grid": [], "grids": 1}, "preset: unknown key 'grids': use name, grid"),
        ({"name": "x", "grid": [{}]}, "grid 1: name either a strategy or an indication"),
        (one_grid(indication="move"), "grid 1: name either"),
        (one_grid(take_profits=[1]), "grid 1: unknown key 'take_profits': use strategy, indication, para"),
        ({"name": "x", "grid": [{"strategy": "trnd"}]}, "grid 1, strategy: unknown strategy 'trnd': use one"),
        ({"name": "x", "grid": [{"indication": "mov"}]}, "grid 1, indication: unknown indication 'mov'"),
        ({"name": "x", "grid": [{"indication": "move"}]}, "grid 1, parameters: indication move needs k"),
        (one_grid(parameters={"fats": [8]}), "grid 1, parameters: unknown key 'fats': use fast, slow, adx"),
        (one_grid(parameters={"fast": ["8"]}), "grid 1, parameters, fast: '8' must be a whole number"),
        (one_grid(parameters={"fast": [True]}), "grid 1, parameters, fast: True must be a whole number"),
        (one_grid(parameters={"adx_threshold": ["x"]}), "adx_threshold: 'x' must be a number"),
        (one_grid(parameters={"fast": []}), "grid 1, parameters, fast: must name at least one value"),
        (one_grid(parameters={"fast": [30], "slow": [20, 25]}), "no combination is possible: fast must be"),
        (one_grid(parameters={"fast": list(range(2, 101)), "slow": list(range(3, 201))}), "combinations, at"),
        (one_grid(direction=["up"]), "grid 1, direction: 'up' must be 'long' or 'short'"),
        (one_grid(direction=["long", "long"]), "grid 1, direction: names 'long' twice"),
        (one_grid(take_profit=[0]), "grid 1, take_profit: 0 must be a ratio above 0 and below 10, or 'off'"),
        (one_grid(take_profit=["none"]), "grid 1, take_profit: 'none' must be a ratio"),
        (one_grid(stop_loss=[1]), "grid 1, stop_loss: 1 must be a ratio above 0 and below 1"),
        (one_grid(stop_loss=[0.01, "0.010"]), "grid 1, stop_loss: names '0.010' twice"),
        (one_grid(stop_loss=[float("nan")]), "grid 1, stop_loss: nan must be a ratio"),
        (one_grid(trailing=[0.01]), "grid 1, trailing: 0.01 must be 'off' or { distance"),
        (one_grid(trailing=[{"distance": 2}]), "grid 1, trailing, distance: 2 must be a ratio"),
        (one_grid(trailing=[{"distance": 0.1, "arm": 1}]), "grid 1, trailing: unknown key 'arm'"),
        (one_grid(time_limit_bars=[1.5]), "grid 1, time_limit_bars: 1.5 must be candles from 1 to 100000"),
        (one_grid(stop_loss=["1e-999999999"]), "grid 1, stop_loss: '1e-999999999' must have at most 8 decim"),
        (one_grid(parameters={"adx_threshold": [float("nan")]}), "adx_threshold: nan must be a number"),
        (one_grid(parameters={"adx_threshold": [10**400]}), "000 must be a number"),
        ([], "preset: must be a table with name and grid"),
        (one_grid(symbols=[]), "grid 1, symbols: must name at least one"),
        (one_grid(symbols=["BTC"]), "grid 1, symbols: 'BTC' must be a symbol such as"),
        ({"name": "x", "grid": [{"strategy": "trend"}] * 400}, "bytes as JSON, at most 8192"),
    ],
)
def test_what_is_wrong_is_refused_by_its_place(data: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected) as refused:
        preset_of(data)
    assert text in str(refused.value)


def test_a_wish_of_megabytes_is_refused_before_its_sources_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(preset_module, "make_source", lambda *source: made.append(source))
    parameters = {"fast": list(range(2, 42)), "slow": list(range(50, 100))}
    huge = {"name": "x", "grid": [{"strategy": "trend", "parameters": parameters}] * 1000}
    with pytest.raises(Rejected, match="bytes as JSON, at most 8192"):
        preset_of(huge)
    assert not made


def test_a_symbol_that_the_connection_does_not_have_is_refused() -> None:
    with pytest.raises(Rejected, match="grid 1, symbols: 'SOL/USDT' is none of the connection's"):
        preset_configuration(preset_of(one_grid(symbols=["SOL/USDT"])), SYMBOLS, 300)


def test_more_sets_than_there_may_be_are_refused_per_symbol_and_in_all() -> None:
    ratios = [f"0.{n:03d}" for n in range(1, 101)]
    tenth = one_grid(stop_loss=ratios, take_profit=ratios[:10], direction="long")
    full = preset_of({"name": "x", "grid": [tenth["grid"][0], {**tenth["grid"][0], "direction": "short"}]})
    sets, _ = preset_configuration(full, SYMBOLS, 300)
    assert len(sets) == 2 * MAX_SETS_PER_SYMBOL
    many = tuple(f"S{number}/USDT" for number in range(MAX_SETS // MAX_SETS_PER_SYMBOL + 1))
    with pytest.raises(Rejected, match=f"grid 2: makes 20.... sets in all, at most {MAX_SETS}"):
        preset_configuration(full, many, 300)
    over = preset_of({"name": "x", "grid": [*full_plain(full), {"strategy": "momentum"}]})
    with pytest.raises(Rejected, match="preset: 2002 sets for ETH/USDT, at most 2000 per symbol"):
        preset_configuration(over, SYMBOLS, 300)
    wide = preset_of(one_grid(stop_loss=ratios, take_profit=ratios[:11]))
    with pytest.raises(Rejected, match="grid 1: 2200 sets per symbol, at most 2000"):
        preset_configuration(wide, SYMBOLS, 300)


def full_plain(preset: Preset) -> list[Any]:
    grids: list[Any] = plain_preset(preset)["grid"]
    return grids


@pytest.mark.parametrize("name", ["p.yaml", "p.YML"])
def test_yaml_describes_the_same_preset_as_toml(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TREND_GRID_YAML)
    assert read_preset(tmp_path / name) == example(tmp_path)


def test_yaml_keeps_the_text_of_a_number_and_takes_no_whole_number_for_an_octal_one(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("name: x\ngrid: [{strategy: trend, stop_loss: 0.29999999, time_limit_bars: 010}]")
    (grid,) = read_preset(file).grids
    assert (grid.stop_loss, grid.time_limit_bars) == ((D("0.29999999"),), (10,))


def test_a_mark_of_the_encoding_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TREND_GRID, encoding="utf-8-sig")
    assert read_preset(tmp_path / "p.toml") == example(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.toml", "name = ", "is not TOML: "),
        ("p.toml", "name = 'x'\nname = 'y'", "is not TOML: Cannot overwrite a value"),
        ("p.toml", "name = 1e9999999999999999999", "is not TOML: a number in it is out of range"),
        ("p.toml", f"name = {'[' * 5000}", "is not TOML: maximum recursion depth"),
        (
            "p.toml",
            "name = 'x'\n[[grid]]\nstrategy = 'trend'\nstop_loss = [2.0]",
            "grid 1, stop_loss: 2.0 must",
        ),
        ("p.toml", b"name = '\xff'", "is not TOML: 'utf-8' codec can't decode"),
        ("p.yaml", "name: [", "is not YAML: while parsing a flow node, "),
        ("p.yaml", "name: x\nname: y", "is not YAML: key 'name' stands twice (at line 2, column 1)"),
        ("p.yaml", "grid: [{strategy: trend, strategy: step}]", "key 'strategy' stands twice (at line 1, "),
        (
            "p.yaml",
            "name: !!python/object/apply:os.getcwd []",
            "is not YAML: could not determine a constructor",
        ),
        ("p.yaml", "name: x\n---\nname: y", "is not YAML: expected a single document"),
        ("p.yaml", "name: \0", "is not YAML: unacceptable character"),
        ("p.yaml", "", "preset: must be a table with name and grid"),
        ("p.yaml", "- trend", "preset: must be a table with name and grid"),
        (
            "p.yaml",
            "name: x\ngrid: [{strategy: trend, stop_loss: false}]",
            "stop_loss: False must be a ratio",
        ),
        (
            "p.yaml",
            "name: x\ngrid: [{strategy: trend, stop_loss: .inf}]",
            "stop_loss: '.inf' must be a ratio",
        ),
        ("p.yaml", "name: x\ngrid: [{strategy: trend, parameters: }]", "parameters: must be a table such as"),
        ("p.json", "{}", "its name must end in .toml, .yaml, .yml"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(
    tmp_path: Path, name: str, text: str | bytes, expected: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as refused:
        read_preset(file)
    assert expected in str(refused.value)
    assert str(refused.value).startswith(f"--preset {file}: ")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory: name a file in TOML or YAML"):
        read_preset(tmp_path / "absent.toml")
