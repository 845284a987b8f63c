"""A backtest and a replay of the whole system make the same trades, to the last digit and second."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.cli import main
from tests.local.running import Run
from tests.shared import shared_path

QUARTER_OF_A_DAY = ("--from", "2021-04-30T00:00", "--to", "2021-04-30T06:00")
TWO_DAYS = ("--from", "2021-04-29", "--to", "2021-05-01")


def market(*period: str) -> tuple[str, ...]:
    data = shared_path("data/ohlcv/binance_spot")
    return ("--data", str(data), "--symbols", "10", "--timeframe", "5m", *period)


def backtested(directory: Path, options: Sequence[str]) -> bytes:
    assert main(["backtest", *options, "--out", str(directory), "--quiet"]) == 0
    return (directory / "trades.csv").read_bytes()


def replayed(directory: Path, options: Sequence[str]) -> bytes:
    trades = directory / "replayed.csv"
    run = Run(directory, (*options, "--speed", "max", "--trades", str(trades)))
    process = run.start()
    output, _ = process.communicate(timeout=550)
    assert process.returncode == 0, output
    return trades.read_bytes()


def rows(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(text.decode().splitlines()))


@pytest.mark.system
def test_a_backtest_trades_what_a_replay_through_the_whole_system_trades(tmp_path: Path) -> None:
    options = market(*QUARTER_OF_A_DAY)
    trades = backtested(tmp_path / "backtest", options)
    assert len(rows(trades)) >= 3
    assert trades == replayed(tmp_path, options)


@pytest.mark.acceptance
@pytest.mark.timeout(600)
def test_two_days_of_ten_symbols(tmp_path: Path) -> None:
    options = market(*TWO_DAYS)
    trades = backtested(tmp_path / "backtest", options)
    assert len(rows(trades)) > 40
    assert trades == replayed(tmp_path, options)


def test_without_the_ladder_votes_computed_in_advance_make_the_trades_of_whole_ticks(tmp_path: Path) -> None:
    options = market("--from", "2021-04-29T12:00", "--to", "2021-04-30T12:00")
    whole = backtested(tmp_path / "whole", options)
    in_advance = backtested(tmp_path / "advance", (*options, "--no-ladder"))
    assert not any(row["source"] == "ladder" for row in rows(whole)), "choose a period without proved sets"
    assert len(rows(whole)) > 10
    assert in_advance == whole


def test_a_backtest_repeats_itself_and_its_books_equal_the_venues(tmp_path: Path) -> None:
    options = (*market("--from", "2021-04-29", "--to", "2021-04-30"), "--no-ladder")
    assert backtested(tmp_path / "one", options) == backtested(tmp_path / "two", options)
    report = json.loads((tmp_path / "one" / "report.json").read_text())
    assert report["audit"] == {"duplicate_orders": 0, "unresolved_orders": 0, "books_equal_venue": True}
    profits = sum(float(row["profit"]) for row in rows((tmp_path / "one" / "trades.csv").read_bytes()))
    equity = list(csv.DictReader((tmp_path / "one" / "equity.csv").read_text().splitlines()))
    assert float(equity[0]["equity"]) == 10000
    assert report["statistics"]["trades"] == len(rows((tmp_path / "one" / "trades.csv").read_bytes()))
    assert profits < 0
