"""docs/presets.md against the code: its example, its table of parameters, its limits and its commands."""

import argparse
import re
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from chalicelib.backtest import options as backtest_options
from chalicelib.domain.indications.conditions import KINDS
from chalicelib.domain.ladder.preset import (
    _GRID_KEYS,
    MAX_BYTES,
    MAX_SETS,
    MAX_SETS_PER_SYMBOL,
    preset_configuration,
    preset_of,
)
from chalicelib.domain.ladder.preset_values import MAX_BARS, MAX_DECIMALS
from chalicelib.domain.ladder.sources import SourceKind, make_source, parameter_defaults
from chalicelib.domain.strategies import STRATEGIES
from chalicelib.errors import Rejected
from chalicelib.local import options
from chalicelib.local.preset_files import read_preset
from chalicelib.operations import preset as preset_command
from chalicelib.operations.ladder import command as ladder_command

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "presets.md").read_text()
TEN = ("BTC/USDT", *(f"S{number}/USDT" for number in range(9)))
LISTS = {"kinds", "ks"}
"""Parameters of `step` that the page tells of in a sentence."""


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def table(head: str) -> list[list[str]]:
    """Return the cells of the rows below a table's head."""
    rows = PAGE.split(f"| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def parameter_rows() -> list[tuple[SourceKind, str, str, str, Decimal, Decimal]]:
    rows, source = [], ""
    for named, parameter, default, low, high in table("source | parameter | default | from | to"):
        source = named or source
        kind, name = source.split()
        assert kind in ("strategy", "indication")
        plain = re.match(r"`(\w+)`", parameter)
        assert plain
        rows.append((kind, name, plain[1], default, Decimal(low), Decimal(high)))
    return rows  # type: ignore[return-value]


def read(tmp_path: Path, language: str) -> Any:
    file = tmp_path / f"page.{language}"
    file.write_text(block(language))
    return read_preset(file)


def test_the_example_is_sound_makes_as_many_sets_as_it_says_and_is_the_same_in_yaml(tmp_path: Path) -> None:
    preset = read(tmp_path, "toml")
    sets, sources = preset_configuration(preset, TEN, 300)
    counts = (len(sets) - 9 * 48, len(sets))
    assert counts == (51, 483)
    assert f"{counts[1]} sets with {len(TEN)} symbols" in PAGE
    assert len(sources) == 4 + 3
    assert read(tmp_path, "yaml") == preset


def test_the_named_set_is_one_of_the_example(tmp_path: Path) -> None:
    sets, _ = preset_configuration(read(tmp_path, "toml"), TEN, 300)
    (named,) = re.findall(r"such as `(BTC/USDT\|[^`]*)`", PAGE)
    assert named in {sets.set_id(row) for row in range(len(sets))}


def test_every_key_of_a_grid_has_a_row() -> None:
    keys = [key for row in table("key | values | default") for key in re.findall(r"`(\w+)`", row[0])]
    assert keys == list(_GRID_KEYS)


def test_every_parameter_of_every_source_has_a_row_with_its_default() -> None:
    told: dict[tuple[SourceKind, str], dict[str, str]] = {}
    for kind, name, parameter, default, _, _ in parameter_rows():
        told.setdefault((kind, name), {})[parameter] = default
    sources: list[tuple[SourceKind, str]] = [("strategy", name) for name in STRATEGIES]
    sources += [("indication", name) for name in KINDS]
    assert list(told) == sources
    for (kind, name), defaults in told.items():
        known = parameter_defaults(kind, name)
        assert list(defaults) == [key for key in known if key not in LISTS]
        for key, default in defaults.items():
            assert (float(default) if default else 0) == known[key], (name, key)


@pytest.mark.parametrize(
    ("kind", "name", "parameter", "default", "low", "high"),
    parameter_rows(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_range_is_what_is_taken_and_no_more(
    kind: SourceKind, name: str, parameter: str, default: str, low: Decimal, high: Decimal
) -> None:
    assert taken(kind, name, parameter, low)
    assert taken(kind, name, parameter, high)
    step = (
        Decimal(1) if "." not in f"{low}{high}{default}" and not is_float(kind, name, parameter) else low / 10
    )
    assert not taken(kind, name, parameter, low - step)
    assert not taken(kind, name, parameter, high + step)


def is_float(kind: SourceKind, name: str, parameter: str) -> bool:
    return isinstance(parameter_defaults(kind, name)[parameter], float)


def taken(kind: SourceKind, name: str, parameter: str, value: Decimal) -> bool:
    """Tell whether a source takes a value, whatever the values of its other parameters."""
    made = float(value) if is_float(kind, name, parameter) else int(value)
    others = {row[2]: (row[4], row[5]) for row in parameter_rows() if row[:2] == (kind, name)}
    choices = {"fast", "slow", "short", "long", "k"} & others.keys() - {parameter}
    for values in product(*([None, *others[key]] for key in sorted(choices))):
        extremes = {
            key: int(one) for key, one in zip(sorted(choices), values, strict=True) if one is not None
        }
        try:
            make_source(kind, name, {**extremes, parameter: made})
        except Rejected:
            continue
        return True
    return False


@pytest.mark.parametrize(
    ("key", "below", "within", "above"),
    [
        ("take_profit", 0, 9.99, 10),
        ("stop_loss", 0, 0.99, 1),
        ("time_limit_bars", 0, 100000, 100001),
        ("trailing", {"distance": 0}, {"distance": 0.99}, {"distance": 1}),
        (
            "trailing",
            {"distance": 0.1, "activation": 0},
            {"distance": 0.1, "activation": 9.99},
            {"distance": 0.1, "activation": 10},
        ),
    ],
)
def test_exits_have_the_ranges_of_the_page(key: str, below: Any, within: Any, above: Any) -> None:
    def grid(value: Any) -> dict[str, Any]:
        return {"name": "x", "grid": [{"strategy": "trend", key: value}]}

    preset_of(grid(within))
    for wrong in (below, above):
        with pytest.raises(Rejected):
            preset_of(grid(wrong))


def test_limits_are_those_of_the_code() -> None:
    for limit in (MAX_SETS_PER_SYMBOL, MAX_SETS, MAX_BYTES):
        assert f" {limit:,} " in PAGE
    assert f"1 to {MAX_BARS}," in PAGE
    assert f"at most {MAX_DECIMALS} decimals" in PAGE


def test_the_commands_of_the_page_exist() -> None:
    commands = re.findall(r"^    cts (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    assert len(commands) >= 4
    parser = argparse.ArgumentParser()
    added = parser.add_subparsers()
    for module in (options, backtest_options, ladder_command, preset_command):
        module.register(added)
    for command in commands:
        assert parser.parse_args(command.split()).command
