"""`cts run --preset FILE`: what is refused, whose sets compete, and that a backtest trades the same."""

import csv
import gzip
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.cli import EXIT_USAGE, main, parser
from chalicelib.domain.connection import LadderChoice
from chalicelib.domain.ladder.preset import plain_preset
from chalicelib.errors import UsageError
from chalicelib.local.candles.formats import FORMATS
from chalicelib.local.market import recorded_market
from chalicelib.local.options import RunOptions, options_of
from chalicelib.local.preset_files import read_preset
from chalicelib.local.run import _open_state
from chalicelib.local.system import _live_connection
from tests.local.running import Run
from tests.shared import shared_path

START = 1_618_617_600
STEP = 300

MOVES = """
name = "moves of an hour"

[[grid]]
indication = "move"
parameters = { k = [3, 5] }
direction = "long"
take_profit = ["off", 0.02]
stop_loss = 0.01
time_limit_bars = 12

[[grid]]
indication = "direction"
parameters = { k = 3 }
stop_loss = 0.01
time_limit_bars = 12
"""
MOVES_YAML = """
name: moves of an hour
grid:
  - { indication: move, parameters: { k: [3, 5] }, direction: long, take_profit: [off, 0.02], stop_loss: 0.01,
      time_limit_bars: 12 }
  - { indication: direction, parameters: { k: 3 }, stop_loss: 0.01, time_limit_bars: 12 }
"""
SYMBOLS = ("SOLUSDT", "BTCUSDT", "ETHUSDT")
PERIOD = ("--from", "2021-04-29T03:30", "--to", "2021-04-29T04:30")
"""An hour in which nothing is traded without the preset."""
REMOVED = range(1_619_668_800, 1_619_668_800 + 3 * STEP, STEP)
"""BTC's three candles from 04:00 on."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "candles"
    directory.mkdir()
    rows = (f"{(START + bar * STEP) * 1000},100,101,99,100.5,7" for bar in range(600))
    text = "\n".join(("timestamp_ms,open,high,low,close,volume", *rows))
    (directory / "BTCUSDT-5m.csv").write_text(f"{text}\n")
    return directory


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    file = tmp_path / "moves.toml"
    file.write_text(MOVES)
    return file


def parsed(*words: object) -> RunOptions:
    return options_of(parser().parse_args(["run", *map(str, words)]))


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([*map(str, words)]) == EXIT_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_the_options_carry_the_preset_of_the_file(preset: Path) -> None:
    assert parsed().preset is None
    assert parsed("--preset", preset).preset == plain_preset(read_preset(preset))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'x'\n[[grid]]\nstrategy = 'trnd'", "grid 1, strategy: unknown strategy 'trnd': use one of"),
        (
            "name = 'x'\n[[grid]]\nstrategy = 'trend'\nstops = 1",
            "grid 1: unknown key 'stops': use strategy, ",
        ),
        ("name = 'x'\n[[grid]", "is not TOML: "),
        (
            "name = 'x'\n[[grid]]\nstrategy = 'trend'\nsymbols = 'ETH/USDT'",
            "grid 1, symbols: 'ETH/USDT' is none",
        ),
    ],
)
def test_a_bad_preset_is_refused_in_one_line_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, preset: Path, text: str, said: str
) -> None:
    preset.write_text(text)
    state = tmp_path / "state"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("run", "--data", data, "--symbols", 1, "--state", state, "--port", port, "--preset", preset)
    line = refusal(capsys, *words)
    assert line.startswith("cts: --preset ")
    assert said in line
    assert not state.exists()


def test_the_account_at_a_fake_exchange_has_the_preset_and_stays_prudent(preset: Path) -> None:
    options = parsed("--venue", "fake", "--exchange", "bybit", "--preset", preset)
    system: Any = SimpleNamespace(
        options=options,
        market=SimpleNamespace(symbols=("BTC/USDT:USDT",)),
        world=SimpleNamespace(now=lambda: 0.0),
    )
    ladder = _live_connection(system, "fake-1").ladder
    assert ladder == LadderChoice(profile="prudent", gate_open=False, preset=options.preset)
    assert ladder.preset is not None


def test_a_state_goes_on_with_the_preset_it_began_with_and_no_other(
    tmp_path: Path, data: Path, preset: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(MOVES.replace("0.02", "0.03"))
    words = ("--data", data, "--symbols", 1, "--state", tmp_path / "state")
    with_preset = parsed(*words, "--preset", preset)
    market = recorded_market(with_preset)
    _open_state(with_preset, market).close()
    _open_state(parsed(*words, "--preset", preset), market).close()
    begun = r"holds a run with preset moves of an hour \(........\), not "
    for changed, named in (
        (("--preset", other), r"moves of an hour \(........\): use --fresh"),
        ((), "default: use"),
    ):
        with pytest.raises(UsageError, match=begun + named):
            _open_state(parsed(*words, *changed), market)
    _open_state(replace(parsed(*words), fresh=True), market).close()
    with pytest.raises(UsageError, match="holds a run with preset default, not moves of an hour"):
        _open_state(with_preset, market)


def test_a_state_from_before_presets_is_one_without(tmp_path: Path, data: Path, preset: Path) -> None:
    options = parsed("--data", data, "--symbols", 1, "--state", tmp_path / "state")
    market = recorded_market(options)
    state = _open_state(options, market)
    state.claim({name: value for name, value in state.run.items() if name != "preset"})
    state.close()
    with pytest.raises(UsageError, match="preset default, not moves of an hour"):
        _open_state(replace(options, preset=plain_preset(read_preset(preset))), market)
    _open_state(options, market).close()


@pytest.mark.parametrize("command", ["run", "backtest"])
def test_help_names_every_format_of_candles_and_of_presets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    named = next(line for line in said.splitlines() if line.startswith("  --data DIR "))
    for suffix in FORMATS:
        assert f" {suffix}" in named
    assert "TOML or YAML" in next(line for line in said.splitlines() if line.startswith("  --preset FILE "))


def recorded(directory: Path) -> Path:
    """Copy the candles of three symbols and take some of BTC's away."""
    source = shared_path("data/ohlcv/binance_spot")
    directory.mkdir()
    for name in SYMBOLS:
        shutil.copy(source / f"{name}-5m.csv.gz", directory)
    removed = tuple(f"{time * 1000}," for time in REMOVED)
    path = directory / "BTCUSDT-5m.csv.gz"
    kept = [
        line
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
        if not line.startswith(removed)
    ]
    path.write_bytes(gzip.compress("\n".join(kept).encode()))
    return directory


def of_account(account: str, trades: bytes) -> list[dict[str, str]]:
    return [row for row in csv.DictReader(trades.decode().splitlines()) if row["connection_id"] == account]


def facts(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return trades without what names the account."""
    return [{key: row[key] for key in row if key not in ("connection_id", "position_id")} for row in rows]


@pytest.mark.system
def test_a_run_with_a_preset_trades_what_a_backtest_with_it_trades_and_tells_its_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: Path
) -> None:
    market = ("--data", str(recorded(tmp_path / "recorded")), "--symbols", "3", "--timeframe", "5m", *PERIOD)
    out = tmp_path / "backtest"
    assert main(["backtest", *market, "--preset", str(preset), "--out", str(out)]) == 0
    gap = "BTC/USDT: 3 of its 5m candles missing in 1 gap, the longest 3 from 2021-04-29T04:00:00Z"
    assert gap in capsys.readouterr().out
    expected = (out / "trades.csv").read_bytes()

    in_yaml, trades = tmp_path / "moves.yaml", tmp_path / "trades.csv"
    in_yaml.write_text(MOVES_YAML)
    more = ("--preset", str(in_yaml), "--connections", "2", "--trades", str(trades), "--speed", "max")
    run = Run(tmp_path, (*market, *more))
    said = run.finish()
    assert said.index(gap) < said.index("CTS Trade Engine")
    assert "preset   moves of an hour (" in said

    ours, second = (of_account(f"paper-{number}", trades.read_bytes()) for number in (1, 2))
    assert ours == of_account("paper-1", expected)
    assert facts(second) == facts(ours)
    (trade,) = ours
    assert (trade["source"], trade["strategy"]) == ("ladder", "SOL/USDT|move(k=3)|long|tp0.02-sl0.01-tl3600")
