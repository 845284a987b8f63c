"""What `cts backtest` refuses, and what its options become."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from chalicelib.backtest.options import BacktestOptions, options_of
from chalicelib.cli import main, parser
from chalicelib.domain.trading_settings import LadderChoice


def parsed(directory: Path, *words: str) -> BacktestOptions:
    return options_of(parser().parse_args(["backtest", "--data", str(directory), *words]))


def test_options_become_the_terms_and_the_account(tmp_path: Path) -> None:
    words = (
        "--capital",
        "500",
        "--fee",
        "0.002",
        "--slippage",
        "0",
        "--strategy",
        "trend,step",
        "--no-ladder",
    )
    options = parsed(tmp_path, *words, "--no-breakers")
    account = options.connection(("BTC/USDT",), 0.0)
    assert (account.paper.cash, account.paper.fee_rate, account.paper.slippage) == (500, Decimal("0.002"), 0)
    assert list(account.strategies) == ["trend", "step"]
    assert not account.ladder.enabled
    assert account.risk.daily_loss is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--capital", "much"), "--capital 'much' is no number"),
        (("--capital", "0"), "paper.cash must be above 0"),
        (("--fee", "-0.1"), "--fee '-0.1' is no number of 0 or more"),
        (("--strategy", "trends"), "unknown strategy 'trends'"),
        (("--from", "2021-05-01", "--to", "2021-04-01"), "--from must be before --to"),
        (("--timeframe", "7m"), "7m"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Sequence[str], said: str
) -> None:
    rows = "".join(f"{1618617600000 + 300000 * n},1,2,0.5,1,{n + 1}\n" for n in range(900))
    (tmp_path / "BTCUSDT-5m.csv").write_text("timestamp_ms,open,high,low,close,volume\n" + rows)
    arguments = ["backtest", "--data", str(tmp_path), "--symbols", "1", *words]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


PRESET = "name = 'x'\n[[grid]]\nstrategy = 'trend'\nstop_loss = 0.01\n"


def test_a_preset_is_what_competes_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(PRESET)
    ladder = parsed(tmp_path, "--preset", str(tmp_path / "p.toml")).ladder
    grid = {"strategy": "trend", "stop_loss": ["0.01"]}
    assert ladder == LadderChoice(preset={"name": "x", "grid": [grid]})


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        (PRESET, ("--no-ladder",), "--preset describes the ladder's sets: leave --no-ladder out"),
        (
            PRESET.replace("0.01", "1.5"),
            (),
            "p.toml: grid 1, stop_loss: 1.5 must be a ratio above 0",
        ),
        (
            PRESET.replace("stop", "stops"),
            (),
            "p.toml: grid 1: unknown key 'stops_loss': use strategy, ",
        ),
        (
            PRESET + "symbols = 'XRP/USDT'",
            (),
            "--preset 'x': grid 1, symbols: 'XRP/USDT' is none of",
        ),
    ],
)
def test_a_wrong_preset_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, more: Sequence[str], said: str
) -> None:
    rows = "".join(f"{1618617600000 + 300000 * n},1,2,0.5,1,{n + 1}\n" for n in range(900))
    (tmp_path / "BTCUSDT-5m.csv").write_text("timestamp_ms,open,high,low,close,volume\n" + rows)
    preset = tmp_path / "p.toml"
    preset.write_text(text)
    assert main(["backtest", "--data", str(tmp_path), "--symbols", "1", "--preset", str(preset), *more]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_missing_directory_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "--data", "nowhere"]) == 2
    assert "--data nowhere: no such directory" in capsys.readouterr().err
