"""Recorded candle files: what is read from them, and every refusal with its line and remedy."""

import gzip
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.candles import ANCHOR_BLOCK
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import LONGEST_GAP, candle_files, read_candles
from chalicelib.local.candles.tables import HEADER
from tests.shared import shared_path

STEP = 300
START = 1_618_617_600


def row(bar: int, open_="10", high="12", low="9", close="11", volume="5") -> str:
    return f"{(START + bar * STEP) * 1000},{open_},{high},{low},{close},{volume}"


def write(directory: Path, *rows: str, name: str = "BTCUSDT-5m.csv", header: str = HEADER) -> Path:
    path = directory / name
    text = "\n".join((header, *rows)) + "\n"
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def refusal(directory: Path, *arguments: object, **named: object) -> str:
    with pytest.raises(UsageError) as caught:
        read_candles(directory, *(arguments or ("5m", ["BTC/USDT"])), **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_candles_of_several_files_lie_on_one_grid(tmp_path):
    write(tmp_path, row(0), row(1), row(4, close="11.5"))
    write(tmp_path, row(2), row(3, volume="0"), name="ETHUSDT-5m.csv.gz")
    candles = read_candles(tmp_path, "5m", ["ETH/USDT", "BTC/USDT"])
    assert candles.symbols == ("ETH/USDT", "BTC/USDT")
    assert candles.open_time.tolist() == [START + STEP * bar for bar in range(5)]
    assert np.isnan(candles.close).tolist() == [
        [True, True, False, False, True],
        [False, False, True, True, False],
    ]
    assert candles.close[1, 4] == 11.5
    assert candles.volume[0, 3] == 0
    assert (candles.open[1, 0], candles.high[1, 0], candles.low[1, 0], candles.close[1, 0]) == (10, 12, 9, 11)


def test_names_become_unified_symbols(tmp_path):
    for name in ("BTCUSDT", "ETHBTC", "XRPEUR", "BNBBUSD", "WEIRD", "USDT"):
        write(tmp_path, row(0), name=f"{name}-5m.csv")
    assert set(candle_files(tmp_path, "5m")) == {"BTC/USDT", "ETH/BTC", "XRP/EUR", "BNB/BUSD"}
    assert "BTC/USDT:USDT" in candle_files(tmp_path, "5m", "swap")


def test_a_number_takes_the_best_known_symbols_of_the_commonest_quote(tmp_path):
    for name in ("AAVEUSDT", "ETHUSDT", "BTCUSDT", "ADABTC"):
        write(tmp_path, row(0), row(1), name=f"{name}-5m.csv")
    assert read_candles(tmp_path, "5m", 2).symbols == ("BTC/USDT", "ETH/USDT")
    assert read_candles(tmp_path, "5m", 3).symbols[2] == "AAVE/USDT"
    assert "use --symbols 3" in refusal(tmp_path, "5m", 4)
    assert "at least 1" in refusal(tmp_path, "5m", 0)


def test_a_number_passes_over_symbols_without_data_in_the_period(tmp_path):
    write(tmp_path, *(row(bar) for bar in range(10)), name="ETHUSDT-5m.csv")
    write(tmp_path, row(8), row(9), name="BTCUSDT-5m.csv")
    assert read_candles(tmp_path, "5m", 1, START, START + 5 * STEP).symbols == ("ETH/USDT",)


def test_what_surrounds_the_period_is_returned_too(tmp_path):
    write(tmp_path, *(row(bar) for bar in range(10)))
    assert read_candles(tmp_path, "5m", 1, START + 3 * STEP, START + 5 * STEP).bars == 10


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ((row(0), row(1).rsplit(",", 1)[0]), 3, "5 values instead of 6"),
        ((row(0), row(1) + ",7"), 3, "7 values instead of 6"),
        ((row(0), row(1, close="abc")), 3, "close is 'abc'"),
        ((row(0), row(1, close="")), 3, "close is ''"),
        ((row(0), row(1, volume="nan")), 3, "volume is NaN"),
        ((row(0), row(1, high="inf")), 3, "high is inf"),
        ((row(0), row(1, low="-1")), 3, "low is -1.0"),
        ((row(0, low="0"),), 2, "a price is 0"),
        ((row(0, high="8", low="9"),), 2, "high 8.0 is below low 9.0"),
        ((row(0), row(1, open_="13")), 3, "open 13.0 is outside"),
        ((row(0), row(1), row(2, close="8.5")), 4, "close 8.5 is outside"),
        ((row(1), row(0)), 3, "sort the file"),
        ((row(0), row(0)), 3, "twice"),
        ((row(0), "1618617601000,10,12,9,11,5"), 3, "not a multiple of 300 s"),
        (("<html>502 Bad Gateway</html>",), 2, "1 values instead of 6"),
    ],
)
@pytest.mark.parametrize("name", ["BTCUSDT-5m.csv", "BTCUSDT-5m.csv.gz"])
def test_a_bad_line_is_named(tmp_path, name, lines, line, words):
    path = write(tmp_path, *lines, name=name)
    message = refusal(tmp_path)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message


def test_a_broken_file_is_never_passed_over_silently(tmp_path):
    write(tmp_path, "x", name="BTCUSDT-5m.csv")
    write(tmp_path, row(0), name="ETHUSDT-5m.csv")
    assert "BTCUSDT-5m.csv, line 2" in refusal(tmp_path, "5m", 1)


def test_files_that_are_no_candle_files(tmp_path):
    path = write(tmp_path, row(0), header="time,open,high,low,close,volume")
    assert refusal(tmp_path).startswith(f"{path}, line 1: the header must be {HEADER}")
    write(tmp_path)
    assert "the file has no candles" in refusal(tmp_path)
    path.write_text("")
    assert "line 1" in refusal(tmp_path)
    path.unlink()
    (tmp_path / "BTCUSDT-5m.csv.gz").write_bytes(b"not gzip at all")
    assert "cannot be read" in refusal(tmp_path)
    whole = gzip.compress(f"{HEADER}\n{row(0)}\n".encode())
    (tmp_path / "BTCUSDT-5m.csv.gz").write_bytes(whole[:-12])
    assert "cannot be read" in refusal(tmp_path)


def test_directories_and_names_that_are_not_there(tmp_path):
    assert "is not a directory" in refusal(tmp_path / "nowhere")
    assert "expected e.g. BTCUSDT-5m.csv.gz" in refusal(tmp_path)
    write(tmp_path, row(0), name="BTCUSDT-1h.csv")
    assert "it has 1h" in refusal(tmp_path)
    write(tmp_path, row(0))
    assert "did you mean BTC/USDT" in refusal(tmp_path, "5m", ["BTC/USD"])
    assert "unknown timeframe '7m'" in refusal(tmp_path, "7m", ["BTC/USDT"])


def test_periods_outside_the_data_name_the_period_of_the_data(tmp_path):
    write(tmp_path, *(row(bar) for bar in range(10)))
    after = START + 11 * STEP
    message = refusal(tmp_path, "5m", ["BTC/USDT"], after, after + STEP)
    assert "no candles between 2021-04-17T00:55:00Z" in message
    assert "the file has 2021-04-17 to 2021-04-17T00:50:00Z" in message
    for symbols in (["BTC/USDT"], 1):
        assert "outside the data" in refusal(tmp_path, "5m", symbols, START, after)
        assert "outside the data" in refusal(tmp_path, "5m", symbols, START - STEP, START + STEP)
        assert "no candles between" in refusal(tmp_path, "5m", symbols, after, after + STEP)
    assert "let it start before it ends" in refusal(tmp_path, "5m", ["BTC/USDT"], START + STEP, START)


def test_a_gap_longer_than_the_window_is_refused_inside_the_period_only(tmp_path):
    assert LONGEST_GAP == 2 * ANCHOR_BLOCK
    resumed = 3 + LONGEST_GAP + 1
    write(tmp_path, row(0), row(1), row(2), row(resumed), row(resumed + 1))
    message = refusal(tmp_path)
    assert "line 4: no candles from 2021-04-17T00:15:00Z to 2021-04-18T19:00:00Z" in message
    assert read_candles(tmp_path, "5m", ["BTC/USDT"], START, START + 3 * STEP).bars == resumed + 2
    write(tmp_path, row(0), row(1), row(2), row(resumed - 1), row(resumed))
    assert read_candles(tmp_path, "5m", ["BTC/USDT"]).bars == resumed + 1


def test_only_the_part_of_a_gap_inside_the_period_counts(tmp_path):
    resumed = LONGEST_GAP + 100
    write(tmp_path, row(0), row(resumed), row(resumed + 1))
    start, end = START + 200 * STEP, START + (resumed + 2) * STEP
    assert read_candles(tmp_path, "5m", ["BTC/USDT"], start, end).bars == resumed + 2
    assert "line 2: no candles from" in refusal(tmp_path, "5m", ["BTC/USDT"], START + 50 * STEP, end)


def test_a_symbol_that_ends_early_is_refused(tmp_path):
    write(tmp_path, *(row(bar) for bar in range(LONGEST_GAP + 10)), name="BTCUSDT-5m.csv")
    write(tmp_path, row(0), row(1), name="ETHUSDT-5m.csv")
    end = START + (LONGEST_GAP + 10) * STEP
    assert "leave ETH/USDT out" in refusal(tmp_path, "5m", ["BTC/USDT", "ETH/USDT"], START, end)
    assert read_candles(tmp_path, "5m", 1, START, end).symbols == ("BTC/USDT",)


def recorded_files() -> list[Path]:
    return sorted(shared_path("data/ohlcv/binance_spot").glob("*.csv.gz"))


def test_a_hundred_recorded_files_are_read_in_about_a_second():
    directory = shared_path("data/ohlcv/binance_spot")
    began = time.perf_counter()
    candles = read_candles(directory, "5m", 100)
    assert time.perf_counter() - began < 3
    assert candles.open.shape == (100, 8640)
    assert candles.symbols[:2] == ("BTC/USDT", "ETH/USDT")


def test_halts_of_the_exchange_are_gaps():
    hours = read_candles(shared_path("data/ohlcv/binance_spot"), "1h", ["BTC/USDT"])
    missing = hours.open_time[np.isnan(hours.close[0])]
    days = {datetime.fromtimestamp(int(opened), UTC).date().isoformat() for opened in missing}
    assert days >= {"2021-03-06", "2021-04-20", "2021-04-25"}
    assert len(missing) == 11


def test_prices_read_as_floats_give_back_the_decimals_of_the_files():
    checked = 0
    for path in recorded_files():
        name, _, timeframe = path.name.removesuffix(".csv.gz").rpartition("-")
        symbol = f"{name.removesuffix('USDT')}/USDT"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
        start, end = (int(lines[at].split(",")[0]) // 1000 for at in (0, 1))
        candles = read_candles(path.parent, timeframe, [symbol], start, end)
        rows = np.flatnonzero(~np.isnan(candles.close[0]))
        assert len(rows) == len(lines)
        # Every fifth line of each file, all its prices exactly as written.
        for number in range(0, len(lines), 5):
            fields = lines[number].split(",")[1:5]
            read = (candles.open, candles.high, candles.low, candles.close)
            for text, values in zip(fields, read, strict=True):
                assert Decimal(str(float(values[0, rows[number]]))) == Decimal(text)
                checked += 1
    assert checked > 400_000
