"""`cts download` against exchanges on the wire with recorded prices: what is asked, kept, and resumed."""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.candles import FIELDS, Candles, between
from chalicelib.errors import Retryable, UsageError
from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.local.candle_files import read_candles
from chalicelib.local.candles.tables import as_moment
from chalicelib.local.candles.text_files import read_csv, write_csv
from chalicelib.operations.download.command import download, register
from chalicelib.operations.download.loader import BACKOFF, BLOCK, SETTLING_SECONDS
from chalicelib.operations.download.ranges import empty_ranges, joined, missing_blocks
from tests.fakes import fake_of
from tests.fakes.core_values import Listing
from tests.fakes.faults import HTML, altered, answered
from tests.fakes.prices import RecordedPrices
from tests.fakes.server import served
from tests.fakes.wire import Fake
from tests.shared import shared_path

STEP, DAY = 300, 86_400
SYMBOLS = ("BTC/USDT", "ETH/USDT")
DAYS = 12
"""Of April 2021, up to the 28th: the halts of the 20th and 25th are among them."""

ROUTES = {"binance": "klines", "pionex": "candles"}
COMMAND = """
import argparse
from chalicelib.operations.download.command import register
parser = argparse.ArgumentParser()
register(parser.add_subparsers())
given = parser.parse_args()
raise SystemExit(given.command(given))
"""


class Site:
    """A fake exchange whose clock is ours, with recorded prices moved so that they end about now."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.folder = fake, shared_path("data/ohlcv/binance_spot")
        last = RecordedPrices(self.folder, "5m", STEP).span("BTC/USDT")[1]
        self.shift = (int(time.time()) - last) // DAY * DAY
        self.end = last + self.shift - 2 * DAY
        self.start = self.end - DAYS * DAY
        fake.exchange.relist(
            [
                Listing(
                    symbol=name,
                    price_step=Decimal("0.01"),
                    amount_step=Decimal("0.00001"),
                    min_amount=Decimal("0.00001"),
                    min_notional=Decimal(5),
                )
                for name in SYMBOLS
            ],
            RecordedPrices(self.folder, "5m", STEP, self.shift),
        )

    def arguments(self, directory: Path, *more: str, symbols: tuple[str, ...] = SYMBOLS) -> list[str]:
        return [
            "download",
            *("--exchange", self.fake.name, "--symbols", ",".join(symbols), "--data", str(directory)),
            *("--from", as_moment(self.start), "--to", as_moment(self.end), "--quiet", *more),
        ]

    def load(self, directory: Path, *more: str, **named: tuple[str, ...]) -> int:
        given = parsed(self.arguments(directory, *more, **named))
        return int(given.command(given))

    def asked(self) -> list[int]:
        """Return what the requests for candles began or ended with."""
        moment = "startTime" if self.fake.name == "binance" else "endTime"
        route = ROUTES[self.fake.name]
        return [int(seen.request.parameters[moment]) for seen in self.fake.requests if seen.route == route]

    def recorded(self, symbols: tuple[str, ...] = SYMBOLS) -> Candles:
        candles = read_candles(self.folder, "5m", symbols)
        return between(candles, self.start - self.shift, self.end - self.shift)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    return parser.parse_args(arguments)


def assert_same(found: Candles, expected: Candles, shift: int) -> None:
    assert np.array_equal(found.open_time, expected.open_time + shift)
    for field in FIELDS:
        assert getattr(found, field).tobytes() == getattr(expected, field).tobytes(), field


@pytest.fixture
def binance() -> Iterator[Site]:
    with served(fake_of("binance")) as fake:
        yield Site(fake)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_what_is_downloaded_is_what_was_recorded_and_is_asked_for_once(
    binance, tmp_path, capsys, file_format
):
    assert binance.load(tmp_path, "--format", file_format) == 0
    first = binance.asked()
    assert len(first) == 2 * -(-DAYS * 288 // BLOCK)
    assert_same(read_candles(tmp_path, "5m", SYMBOLS), binance.recorded(), binance.shift)
    said = capsys.readouterr().out
    missing = int(np.isnan(binance.recorded().close[0]).sum())
    assert missing > 10
    assert f"all 2 symbols: {missing} of its 5m candles missing in" in said
    # The halts were confirmed as empty: nothing is left to ask for.
    assert binance.load(tmp_path, "--format", file_format) == 0
    assert binance.asked() == first
    assert "0 candles were missing" in capsys.readouterr().out


def test_only_inner_gaps_and_what_lies_outside_are_asked_for(binance, tmp_path):
    symbols = ("BTC/USDT",)
    binance.load(tmp_path, symbols=symbols)
    path = tmp_path / "BTCUSDT-5m.csv.gz"
    table = read_csv(path)
    cut = table[100:110, 0].astype(int).tolist()
    write_csv(path, np.delete(table, [*range(100, 110), *range(len(table) - 3, len(table))], axis=0))
    before = len(binance.asked())
    binance.load(tmp_path, symbols=symbols)
    assert binance.asked()[before:] == [cut[0], int(table[-3, 0])]
    assert read_csv(path).tobytes() == table.tobytes()


def running(site: Site, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", COMMAND, *site.arguments(directory)]
    return subprocess.Popen(
        command,
        env={**site.fake.server.environment(), "PATH": ""} | python_path(site),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def python_path(site: Site) -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {"PYTHONPATH": f"{site.fake.server.environment()['PYTHONPATH']}:{root}"}


@pytest.mark.parametrize(
    ("name", "ending"),
    [("binance", signal.SIGKILL), ("pionex", signal.SIGKILL), ("binance", signal.SIGINT)],
)
def test_a_download_that_ends_midway_goes_on_where_it_was(tmp_path, name, ending):
    with served(fake_of(name)) as fake:
        site = Site(fake)
        process = running(site, tmp_path)
        try:
            until = time.monotonic() + 20
            while len(site.asked()) < 5 and process.poll() is None and time.monotonic() < until:
                time.sleep(0.005)
            process.send_signal(ending)
            assert process.wait(20) == (-signal.SIGKILL if ending == signal.SIGKILL else 130)
        finally:
            process.kill()
            process.wait()
        before = site.asked()
        assert 5 <= len(before) < 14
        site.load(tmp_path)
        again = site.asked()[len(before) :]
        # What was on its way when the process ended may be asked for a second time, nothing else.
        assert len(before) + len(again) <= 14 + 1
        assert_same(read_candles(tmp_path, "5m", SYMBOLS), site.recorded(), site.shift)
        assert not list(tmp_path.rglob("*.npy"))
        assert not list(tmp_path.rglob("*.partial"))


def test_faults_are_waited_out_and_a_lasting_one_keeps_what_was_loaded(binance, tmp_path, capsys):
    slept: list[float] = []

    def load() -> int:
        given = parsed(binance.arguments(tmp_path, symbols=("BTC/USDT",)))
        period = (binance.start, binance.end)
        return download(given, PublicFeed("binance"), ("BTC/USDT",), period, time.time, slept.append)

    binance.fake.faults.on("klines", answered(502, HTML, executed=False), call=3, times=None)
    with pytest.raises(Retryable, match="given up after 7 attempts; what was loaded is kept"):
        load()
    assert tuple(slept) == BACKOFF
    there = np.count_nonzero(~np.isnan(binance.recorded(("BTC/USDT",)).close[0, : 2 * BLOCK]))
    assert len(read_csv(tmp_path / "BTCUSDT-5m.csv.gz")) == there
    binance.fake.faults.clear()
    slept.clear()
    binance.fake.faults.on("klines", answered(502, HTML, executed=False), times=2)
    assert load() == 0
    assert tuple(slept) == BACKOFF[:2]
    assert_same(read_candles(tmp_path, "5m", ["BTC/USDT"]), binance.recorded(("BTC/USDT",)), binance.shift)


def test_impossible_candles_of_an_exchange_are_not_kept(binance, tmp_path):
    def upside_down(rows: list[list[object]]) -> list[list[object]]:
        return [[row[0], row[1], row[3], row[2], *row[4:]] for row in rows]

    binance.fake.faults.on("klines", altered(upside_down), times=None)
    given = parsed(binance.arguments(tmp_path, symbols=("BTC/USDT",)))
    period = (binance.start, binance.end)
    with pytest.raises(Retryable, match=r"binance sent a candle that can't be: at .* is below low"):
        download(given, PublicFeed("binance"), ("BTC/USDT",), period, time.time, lambda _: None)
    assert not (tmp_path / "BTCUSDT-5m.csv.gz").exists()


def test_the_running_candle_is_never_asked_for(tmp_path):
    with served(fake_of("binance")) as fake:
        now = time.time()
        fake.exchange.hand.note("BTC/USDT", Decimal(50_000), now - DAY)
        given = parsed(
            [
                "download",
                "--symbols",
                "BTC/USDT",
                "--from",
                "2020-01-01",
                "--timeframe",
                "1m",
                "--data",
                str(tmp_path),
                "--quiet",
            ]
        )
        start = int(now) // 60 * 60 - 6000
        download(given, PublicFeed("binance"), ("BTC/USDT",), (start, None), lambda: now, lambda _: None)
        closed = (int(now) - SETTLING_SECONDS) // 60 * 60
        (seen,) = [seen.request.parameters for seen in fake.requests if seen.route == "klines"]
        assert int(seen["startTime"]) // 1000 + 60 * int(seen["limit"]) == closed
        assert read_candles(tmp_path, "1m", 1).closed_until == closed


def test_refusals_name_the_remedy(binance, tmp_path):
    def refused(*more: str, symbols: tuple[str, ...] = ("BTC/USDT",)) -> str:
        with pytest.raises(UsageError) as caught:
            binance.load(tmp_path, *more, symbols=symbols)
        return str(caught.value)

    assert "does not trade 'NOPE/USDT'" in refused(symbols=("NOPE/USDT",))
    assert "unknown exchange 'nowhere'" in refused("--exchange", "nowhere")
    assert "is no ISO date" in refused("--from", "yesterday")
    assert "no closed candle between" in refused("--from", "2999-01-01", "--to", "2999-01-02")
    assert "add --market-type swap" in refused(symbols=("BTC/USDT:USDT",))
    binance.load(tmp_path, symbols=("BTC/USDT",))
    assert "BTCUSDT-5m.csv.gz is there already" in refused("--format", "parquet")
    known = tmp_path / ".download" / "BTCUSDT-5m" / "known.json"
    known.write_text(json.dumps({"exchange": "bybit", "empty": []}))
    assert "has candles of bybit, not of binance" in refused()


def test_ranges_are_what_is_neither_there_nor_empty():
    present = np.array([0, 300, 900, 2100], dtype=np.int64)
    assert missing_blocks(present, [(1200, 1500)], 0, 3000, 300, 2) == [
        (600, 900),
        (1500, 2100),
        (2400, 3000),
    ]
    assert missing_blocks(present, [(-900, 9000)], 0, 3000, 300, 2) == []
    assert empty_ranges(present[:3], (0, 1500), 300) == [(600, 900), (1200, 1500)]
    assert joined([(5, 9), (0, 3), (3, 4), (8, 12)]) == [(0, 4), (5, 12)]
