"""`cts run --venue fake`: real connectors, over TLS, against fakes of exchanges in processes of their own."""

import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib.cli import EXIT_USAGE, main
from chalicelib.domain.candles import KEPT_BARS, anchored
from chalicelib.domain.trading_settings import DEFAULT_STRATEGIES, RiskLimits
from chalicelib.domain.voting import evaluate
from chalicelib.local import fake_exchange
from chalicelib.local.fake_exchange import VOLATILITY
from chalicelib.local.simulator import MarketSimulator, simulated_symbols
from tests.local.running import SOUND, Run

SYMBOLS = 12
MINUTE = 60
START_SECONDS = 10
CANDLES = 4
TRADE_SECONDS = 130
"""Up to a minute until a candle closes, some twenty seconds to trade on it, and a busy machine."""
STOP_SECONDS = 6.0
"""Two runs that stop at the same time on a busy machine; one alone takes about a second."""


def a_seed(now: float) -> int:
    """Return a seed whose market makes the strategies vote long at each candle a run may see now."""
    names = simulated_symbols(SYMBOLS)
    for seed in range(1, 400):
        market = MarketSimulator(seed, Decimal(0), VOLATILITY)
        until = (now + START_SECONDS) // MINUTE * MINUTE + (CANDLES - 1) * MINUTE
        candles = market.closed_candles(names, MINUTE, int(until) - KEPT_BARS * MINUTE, until)
        moments = [int(opened) for opened in candles.open_time[-CANDLES:]]
        windows = (anchored(candles, opened) for opened in moments)
        votes = (evaluate(w, DEFAULT_STRATEGIES, RiskLimits().min_confidence).signals[:, -1] for w in windows)
        if all((vote > 0).any() for vote in votes):
            return seed
    raise AssertionError("none of so many markets moves anybody to a vote")


def a_run(directory: Path, exchange: str, *options: str) -> Run:
    market = ("--exchange", exchange, "--venue", "fake", "--symbols", str(SYMBOLS))
    return Run(directory, (*market, "--seed", str(a_seed(time.time())), *options))


def wait_for_trade(run: Run, process: subprocess.Popen[str], legs: set[str]) -> None:
    """Wait until the books have an order of each of these legs as the exchange has it."""
    run.wait_until_serving(process)
    deadline = time.monotonic() + TRADE_SECONDS
    while time.monotonic() < deadline:
        _, answer = run.ask("GET", "/orders")
        orders = answer["data"]["items"]
        if legs <= {order["leg"] for order in orders if order["state"] == SETTLED[order["leg"]]}:
            return
        assert process.poll() is None
        time.sleep(0.5)
    found = [(order["leg"], order["state"]) for order in orders]
    pytest.fail(f"no orders of {legs} within {TRADE_SECONDS} s, only {found}; {complaints(run)}")


def children(process: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def stop(process: subprocess.Popen[str]) -> tuple[str, float]:
    """Press Ctrl-C; return what was said, and how long the end took."""
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    return output, time.monotonic() - asked


def check_books(run: Run) -> dict[str, Any]:
    """Check that both sides say the same of orders that went over the wire."""
    report, venue = run.report, run.report["venue"]
    assert report["audit"] == SOUND
    assert venue["position_differences"] == 0
    assert venue["orders"] == sum(report["orders"].values()) > 0
    assert venue["fills"] == len(report["fills"]) > 0
    assert len(venue["positions"]) == report["positions"]["open"]
    assert venue["mistakes"] == []
    assert venue["requests_over_the_limit"] == venue["requests_unknown"] == 0
    assert all(ticks["failed"] == 0 for ticks in report["ticks"].values())
    return report


def complaints(run: Run) -> list[str]:
    """Return the warnings and errors of the log."""
    log = run.state / "cts.log"
    lines = log.read_text().splitlines() if log.exists() else []
    # The wait for the API asks with no token that is one.
    return [line for line in lines if " INFO " not in line and "token refused" not in line]


Ended = dict[str, tuple[Run, str, float]]

LOOKS = 4

SETTLED = {"entry": "FILLED", "protection": "ACCEPTED", "exit": "FILLED"}
"""How orders stand once the exchange has told of their trades: with some that is a tick after the receipt."""

CREATE = {"binance": "futures_create_order", "pionex": "create_order"}
LEGS = {"binance": {"entry", "protection"}, "pionex": {"entry"}}
"""Swaps with stops at the exchange through ccxt, spot without through a class of our own."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Trade at two exchanges at the same time; return the runs, what they said, how long they took to end."""
    runs = {name: a_run(tmp_path_factory.mktemp(name), name) for name in LEGS}
    processes = {name: run.start() for name, run in runs.items()}
    ends = {}
    try:
        for name, run in runs.items():
            wait_for_trade(run, processes[name], LEGS[name])
        for name, run in runs.items():
            served = children(processes[name])
            said, seconds = stop(processes[name])
            assert processes[name].returncode == 0, said
            assert len(served) >= 2
            assert not any(Path(f"/proc/{number}").exists() for number in served)
            ends[name] = (run, said, seconds)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return ends


@pytest.mark.system
@pytest.mark.timeout(240)
@pytest.mark.parametrize("exchange", list(LEGS))
def test_orders_go_over_the_wire_and_the_books_equal_the_exchange(ended: Ended, exchange: str) -> None:
    run, said, seconds = ended[exchange]
    assert check_books(run)["venue"]["requests"][CREATE[exchange]] > 0
    assert complaints(run) == []
    assert f"at a fake of {exchange}" in said
    assert "0 position differences, the books equal the exchange's" in said
    assert "Traceback" not in said
    assert seconds < STOP_SECONDS


@pytest.mark.acceptance
@pytest.mark.timeout(420)
@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx", "pionex", "orangex"])
def test_a_killed_run_goes_on_with_the_account_it_had(tmp_path: Path, exchange: str) -> None:
    run = a_run(tmp_path, exchange)
    process = run.start()
    try:
        wait_for_trade(run, process, {"entry"})
        process.kill()
        process.communicate()
        # An order that goes out a moment before the stop has its trades told after the next start.
        for _ in range(LOOKS):
            process = run.start()
            run.wait_until_serving(process)
            # Two realtime ticks: every order and position had its look.
            time.sleep(25)
            said, _ = stop(process)
            assert process.returncode == 0, said
            assert "lost its account" not in said
            if run.report["audit"] == SOUND:
                break
    finally:
        process.kill()
        process.wait()
    check_books(run)


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_an_account_that_was_lost_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    run = a_run(tmp_path, "binance")
    process = run.start()
    try:
        wait_for_trade(run, process, {"entry"})
        for number in children(process):
            os.kill(number, signal.SIGKILL)
        process.kill()
        process.communicate()
        process = run.start()
        run.wait_until_serving(process)
        time.sleep(12)
        said, _ = stop(process)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert "the fake exchange was killed and has lost its account" in said
    assert run.report["ticks"]["realtime"]["failed"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "max"], ["--venue fake", "real time", "--speed"]),
        (["--from", "2021-04-17"], ["--venue fake", "--from"]),
        (["--market", "sim"], ["--venue fake", "--market"]),
        (["--connections", "2"], ["--venue fake", "one account"]),
        (["--exchange", "kraken"], ["--exchange", "pionex"]),
        (["--exchange", "orangex", "--market-type", "spot"], ["orangex", "spot"]),
        (["--symbols", "BTX/USDT"], ["'BTX/USDT'", "did you mean TRX/USDT, BTC/USDT"]),
        (["--data", str(Path(__file__).parent)], ["fake exchange did not start", "no files"]),
    ],
)
def test_wrong_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    assert main(["run", "--venue", "fake", "--state", str(tmp_path / "state"), *arguments]) == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    for word in words:
        assert word in line
    assert not (tmp_path / "state").exists()


def test_outside_a_clone_it_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_exchange, "CLONE", tmp_path)
    assert main(["run", "--venue", "fake", "--state", str(tmp_path / "state")]) == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert "clone of the repository" in line
