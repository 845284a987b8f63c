"""`cts preset FILE`: what it counts, what it prints for the API, and what it refuses."""

import argparse
import json
from pathlib import Path

import pytest

from chalicelib.domain.ladder.preset import plain_preset, preset_configuration
from chalicelib.errors import UsageError
from chalicelib.flows import manage_connections
from chalicelib.local.preset_files import read_preset
from chalicelib.operations import preset
from tests.domain.preset_examples import TREND_GRID, TREND_GRID_YAML
from tests.flows.worlds import TENANT, memory_world

SYMBOLS = ("BTC/USDT", "ETH/USDT", "ETH/BTC")


def cts(*arguments: object) -> int:
    parser = argparse.ArgumentParser(prog="cts")
    preset.register(parser.add_subparsers(required=True))
    given = parser.parse_args(["preset", *map(str, arguments)])
    return int(given.command(given))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(TREND_GRID)
    return path


def test_it_counts_the_sets_that_a_connection_would_have(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cts(file, "--symbols", 3, "--timeframe", "1h") == 0
    lines = capsys.readouterr().out.splitlines()
    sets, sources = preset_configuration(read_preset(file), SYMBOLS, 3600)
    assert len(sets) == 51 + 2 * 48
    assert f"sets per symbol: 48 (BTC/USDT: 51); with 3 symbols {len(sets)}, at most 200000" in lines
    assert "  grid 1: strategy trend, 4 sources x 2 directions x 6 exits = 48" in lines
    assert "  grid 2: indication move, 3 sources x 1 directions x 1 exits = 3, BTC/USDT alone" in lines
    assert f"signal sources: {', '.join(source.label for source in sources)}" in lines
    (name,) = (line.partition(": ")[2] for line in lines if line.startswith("a set's name: "))
    assert name in {sets.set_id(row) for row in range(len(sets))}


@pytest.mark.parametrize(("suffix", "text"), [("toml", TREND_GRID), ("yml", TREND_GRID_YAML)])
def test_what_it_prints_for_the_api_is_taken_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, text: str
) -> None:
    path = tmp_path / f"grid.{suffix}"
    path.write_text(text)
    assert cts(path, "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    plain = json.loads(line)
    assert plain == plain_preset(read_preset(path))
    wish = {"connection_id": "c1", "exchange": "binance", "symbols": SYMBOLS[:2], "ladder": {"preset": plain}}
    made = manage_connections.create(memory_world(), TENANT, wish, "tester", "create-c1")
    assert made["ladder"]["preset"] == plain


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("name = 'x'", (), "grid.toml: preset, grid: must list at least one grid"),
        (TREND_GRID, ("--symbols", 0), "--symbols must be between 1 and 200, not 0"),
        (TREND_GRID, ("--timeframe", "7m"), "unknown timeframe '7m'"),
        (
            TREND_GRID.replace('["BTC/USDT"]', '["A/USDT", "B/USDT"]'),
            ("--symbols", 1),
            "name 2 symbols: use --symb",
        ),
        (
            TREND_GRID.replace("[0.01]", str([n / 1000 for n in range(1, 31)])),
            ("--symbols", 150),
            "makes 216003 sets with 150 symbols, at most 200000",
        ),
        (
            TREND_GRID.replace("[0.01]", str([n / 1000 for n in range(1, 51)])),
            (),
            "grid 1: 2400 sets per symbol, at most 2000",
        ),
    ],
)
def test_what_is_wrong_is_told_even_where_json_was_asked_for(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, more: tuple[object, ...], said: str
) -> None:
    file.write_text(text)
    for format_option in ((), ("--json",)):
        with pytest.raises(UsageError) as refused:
            cts(file, *more, *format_option)
        assert said in str(refused.value)
        assert "\n" not in str(refused.value)
    assert capsys.readouterr().out == ""
