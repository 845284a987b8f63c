"""Bad input of `cts run`: one line that names the thing and the remedy, exit code 2, nothing half done."""

import json
import socket
from pathlib import Path

import pytest

from chalicelib.cli import EXIT_USAGE, main, parser
from chalicelib.errors import UsageError
from chalicelib.local.options import RunOptions, options_of
from chalicelib.local.state import Progress, StateDirectory

HEADER = "timestamp_ms,open,high,low,close,volume"
START = 1_618_617_600
STEP = 300
BARS = 600


def _candle(bar: int) -> str:
    return f"{(START + bar * STEP) * 1000},100,101,99,100.5,7"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "candles"
    directory.mkdir()
    lines = [HEADER, *(_candle(bar) for bar in range(BARS))]
    (directory / "BTCUSDT-5m.csv").write_text("\n".join(lines) + "\n")
    return directory


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def parse(arguments: list[str]) -> RunOptions:
    return options_of(parser().parse_args(arguments))


def _refusal(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == EXIT_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("cts: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--symbols", "0"], ["--symbols", "between 1 and 200"]),
        (["--symbols", ","], ["--symbols is empty", "BTC/USDT"]),
        (["--symbols", "BTC/USDT,BTC/USDT"], ["BTC/USDT twice"]),
        (["--timeframe", "7m"], ["'7m'", "5m"]),
        (["--port", "0"], ["--port", "65535"]),
        (["--port", "http"], ["--port", "http"]),
        (["--connections", "0"], ["--connections", "between 1 and 50"]),
        (["--data", "does-not-exist"], ["does-not-exist", "no such directory"]),
        (["--speed", "max"], ["--speed", "--data DIR"]),
        (["--from", "2021-04-17"], ["--from", "--data DIR"]),
        (["--market", "sim", "--speed", "max", "--from", "2021-04-17"], ["--to", "--market sim"]),
        (["--market", "nasdaq"], ["nasdaq", "binance"]),
        (["--market", "sim", "--exchange", "binance", "--timeframe", "0"], ["'0'", "1m"]),
        (["--report", "no/such/directory/out.json"], ["--report", "create it first"]),
        (["--report", "."], ["--report", "directory"]),
        (["--colour"], ["--colour", "--help"]),
    ],
)
def test_wrong_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    state = tmp_path / "state"
    line = _refusal(capsys, ["run", "--state", str(state), *arguments])
    for word in words:
        assert word in line
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "0"], ["--speed", "above 0"]),
        (["--speed", "fast"], ["--speed", "max"]),
        (["--from", "yesterday"], ["--from", "yesterday", "2021-04-17"]),
        (["--from", "2021-04-18", "--to", "2021-04-17"], ["--from must be before --to"]),
        (["--from", "2021-04-17T00:01"], ["--from", "boundary"]),
        (["--from", "2030-01-01"], ["no candles from 2030-01-01 on", "to 2021-04-19T02:00:00Z"]),
        (["--to", "2021-04-21"], ["2021-04-21", "BTCUSDT-5m.csv"]),
        (["--symbols", "LUNA/USDT"], ["LUNA/USDT", "BTC/USDT"]),
        (["--symbols", "5"], ["--symbols 1"]),
        (["--timeframe", "1h"], ["no 1h candles", "5m"]),
        (["--market", "sim"], ["--data and --market"]),
    ],
)
def test_option_that_contradicts_the_data(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data: Path,
    port: int,
    arguments: list[str],
    words: list[str],
) -> None:
    state = tmp_path / "state"
    given = ["run", "--data", str(data), "--symbols", "1", "--port", str(port), "--state", str(state)]
    line = _refusal(capsys, [*given, *arguments])
    for word in words:
        assert word in line
    assert not state.exists()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([_candle(0), _candle(2), _candle(1)], ["line 4", "sort the file"]),
        ([_candle(0), _candle(1).replace("100.5", "NaN")], ["line 3", "NaN", "finite"]),
        ([_candle(0), "not,a,candle"], ["line 3", "3 values"]),
        ([_candle(0), _candle(600)], ["line 2", "no candles from"]),
        ([], ["no candles"]),
    ],
    ids=["unsorted", "not a number", "broken", "gap longer than the window", "empty"],
)
def test_broken_candle_file(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data: Path,
    port: int,
    lines: list[str],
    words: list[str],
) -> None:
    (data / "BTCUSDT-5m.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    state = tmp_path / "state"
    line = _refusal(
        capsys,
        ["run", "--data", str(data), "--symbols", "BTC/USDT", "--port", str(port), "--state", str(state)],
    )
    for word in ["BTCUSDT-5m.csv", *words]:
        assert word in line
    assert not state.exists()


def test_port_in_use_is_found_before_anything_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        state = tmp_path / "state"
        line = _refusal(capsys, ["run", "--data", str(data), "--port", str(number), "--state", str(state)])
    assert f"port {number}" in line
    assert "--port" in line
    assert not state.exists()


def _run_on(state: Path, data: Path, port: int, *more: str) -> list[str]:
    given = ["run", "--data", str(data), "--symbols", "1", "--port", str(port), "--state", str(state)]
    return [*given, *more]


def test_state_of_another_version_is_refused_and_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, port: int
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    mark = state / "cts-state.json"
    mark.write_text(json.dumps({"version": 99, "run": {}}))
    line = _refusal(capsys, _run_on(state, data, port))
    assert "version 99" in line
    assert "--fresh" in line
    assert json.loads(mark.read_text()) == {"version": 99, "run": {}}


def test_state_of_another_run_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, port: int
) -> None:
    path = tmp_path / "state"
    state = StateDirectory(path, fresh=False)
    state.claim({"market": "recorded", "exchange": "binance", "symbols": "ETH/USDT"})
    state.close()
    line = _refusal(capsys, _run_on(path, data, port))
    assert "symbols ETH/USDT, not BTC/USDT" in line
    assert "--fresh" in line


def test_state_in_use_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, port: int
) -> None:
    path = tmp_path / "state"
    held = StateDirectory(path, fresh=False)
    line = _refusal(capsys, _run_on(path, data, port, "--fresh"))
    held.close()
    assert "in use by another run" in line


def test_foreign_directory_is_never_emptied(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, port: int
) -> None:
    path = tmp_path / "documents"
    path.mkdir()
    for name in ("thesis.txt", "lock"):
        (path / name).write_text("precious")
    line = _refusal(capsys, _run_on(path, data, port, "--fresh"))
    assert "not a state directory of cts" in line
    assert {entry.name for entry in path.iterdir()} == {"thesis.txt", "lock"}


def test_fresh_empties_our_own_directory(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = StateDirectory(path, fresh=False)
    state.claim({"symbols": "BTC/USDT"})
    state.save(Progress(START))
    (path / "aws").mkdir()
    (path / "aws" / "journal").write_text("x")
    state.close()
    again = StateDirectory(path, fresh=True)
    assert again.progress() is None
    assert not again.existed
    assert {entry.name for entry in path.iterdir()} == {"lock"}
    again.close()


def test_progress_survives_and_a_broken_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state"
    state = StateDirectory(path, fresh=False)
    state.claim({"symbols": "BTC/USDT"})
    state.save(Progress(START))
    state.close()
    again = StateDirectory(path, fresh=False)
    assert again.progress() == Progress(START)
    again.claim({"symbols": "BTC/USDT"})
    again.close()
    (path / "cts-state.json").write_text("{")
    with pytest.raises(UsageError, match="broken: use --fresh"):
        StateDirectory(path, fresh=False)


def test_defaults() -> None:
    assert parse(["run"]) == RunOptions()


def test_recorded_data_replay_as_fast_as_possible_by_default(tmp_path: Path) -> None:
    options = parse(["run", "--data", str(tmp_path), "--symbols", "btc/usdt, ethusdt", "--to", "2021-04-17"])
    assert options.replay
    assert options.speed is None
    assert options.symbols == ("BTC/USDT", "ETHUSDT")
    assert options.end == START


def test_times_without_zone_are_utc() -> None:
    given = ["run", "--market", "sim", "--speed", "60", "--to", "2021-04-17T02:00:00+02:00"]
    options = parse([*given, "--from", "2021-04-16T12:00"])
    assert (options.start, options.end, options.speed) == (START - 43200, START, 60.0)
