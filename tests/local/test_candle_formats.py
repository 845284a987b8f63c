"""Candle files of every format: read to the same candles, refused alike, told apart by name."""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import candle_files, read_candles
from chalicelib.local.candles.arrow_files import write_parquet
from chalicelib.local.candles.formats import file_stem
from chalicelib.local.candles.gaps import MOST_LINES, data_report, describe
from chalicelib.local.candles.tables import COLUMNS, HEADER
from chalicelib.local.candles.text_files import read_csv, write_csv
from tests.shared import shared_path

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")

STEP = 300
START = 1_618_617_600
RECORDED = ("BTCUSDT-5m", "ADAUSDT-5m")


def dated(table: np.ndarray, unit: str = "ms", zone: str | None = "UTC"):
    """Return the columns that freqtrade writes."""
    times = pyarrow.array(table[:, 0].astype(np.int64)).cast(pyarrow.timestamp("ms", tz=zone))
    columns = {"date": times.cast(pyarrow.timestamp(unit, tz=zone))}
    return pyarrow.table(columns | dict(zip(COLUMNS[1:], table.T[1:].copy(), strict=True)))


WRITERS = {
    "BTC_USDT-5m.feather": lambda path, table: feather.write_feather(dated(table), path, compression="lz4"),
    "BTC_USDT-5m.json": lambda path, table: path.write_text(json.dumps(table.tolist())),
    "BTC_USDT-5m.json.gz": lambda path, table: path.write_bytes(
        gzip.compress(json.dumps(table.tolist()).encode())
    ),
    "BTCUSDT-5m.parquet": write_parquet,
    "BTC_USDT-5m.parquet": lambda path, table: parquet.write_table(dated(table, "ns", None), path),
    "BTCUSDT-5m.csv.gz": write_csv,
    "BTCUSDT-5m.csv": lambda path, table: path.write_text(
        "\n".join((HEADER, *(",".join(map(repr, row)) for row in table.tolist())))
    ),
}


def same(left: Candles, right: Candles) -> bool:
    return np.array_equal(left.open_time, right.open_time) and all(
        getattr(left, field).tobytes() == getattr(right, field).tobytes() for field in FIELDS
    )


def table_of(*bars: int, **changed: float) -> np.ndarray:
    rows = [[(START + bar * STEP) * 1000.0, 10.0, 12.0, 9.0, 11.0, 5.0] for bar in bars]
    for name, value in changed.items():
        rows[-1][COLUMNS.index(name)] = value
    return np.array(rows)


def refusal(directory: Path, timeframe: str = "5m") -> str:
    with pytest.raises(UsageError) as caught:
        read_candles(directory, timeframe, ["BTC/USDT"])
    return str(caught.value)


@pytest.mark.parametrize("recorded", RECORDED)
@pytest.mark.parametrize("name", WRITERS)
def test_recorded_candles_are_the_same_to_the_last_bit_in_every_format(tmp_path, name, recorded):
    source = shared_path(f"data/ohlcv/binance_spot/{recorded}.csv.gz")
    WRITERS[name](tmp_path / name, read_csv(source))
    symbol = recorded.removesuffix("USDT-5m") + "/USDT"
    expected = read_candles(source.parent, "5m", [symbol])
    assert expected.bars > 8000
    assert same(read_candles(tmp_path, "5m", ["BTC/USDT"]), expected)


@pytest.mark.parametrize("name", ["LTCBTC-5m", "UNITTESTBTC-1m"])
def test_tiny_prices_are_written_so_that_they_read_back_the_same(tmp_path, name):
    recorded = read_csv(shared_path(f"data/ohlcv/freqtrade_testdata/{name}.csv.gz"))
    write_csv(tmp_path / f"{name}.csv.gz", recorded)
    assert read_csv(tmp_path / f"{name}.csv.gz").tobytes() == recorded.tobytes()
    assert b"e-" not in gzip.decompress((tmp_path / f"{name}.csv.gz").read_bytes())


FAULTS = (
    ({"high": 8.0}, "high 8.0 is below low 9.0"),
    ({"low": -1.0}, "low is -1.0"),
    ({"close": float("nan")}, "close is NaN"),
    ({"open": 0.0, "low": 0.0}, "a price is 0"),
    ({"timestamp_ms": START * 1000.0}, "twice"),
    ({"timestamp_ms": (START - STEP) * 1000.0}, "sort the file"),
    ({"timestamp_ms": START * 1000.0 + 601_000}, "not a multiple of 300 s"),
)


@pytest.mark.parametrize(("changed", "words"), FAULTS)
@pytest.mark.parametrize("name", WRITERS)
def test_what_cannot_be_is_refused_with_file_row_and_time(tmp_path, name, changed, words):
    path = tmp_path / name
    WRITERS[name](path, table_of(0, 1, **changed))
    message = refusal(tmp_path)
    where = "line 3" if ".csv" in name else "candle 2"
    assert message.startswith(f"{path}, {where}: ")
    assert words in message
    if "high" in changed:
        assert "2021-04-17T00:05:00Z" in message


@pytest.mark.parametrize("name", ["BTCUSDT-5m.csv", "BTC_USDT-5m.feather"])
def test_candles_of_a_longer_timeframe_are_refused(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](path, table_of(0, 12, 24, 48))
    message = refusal(tmp_path)
    assert str(path) in message
    assert "candles are 3600 s apart, not 300 s" in message
    assert "2021-04-17T01:00:00Z" in message


def test_hours_recorded_under_the_name_of_minutes(tmp_path):
    source = shared_path("data/ohlcv/binance_spot/BTCUSDT-1h.csv.gz")
    (tmp_path / "BTCUSDT-5m.csv.gz").write_bytes(source.read_bytes())
    assert "3600 s apart, not 300 s" in refusal(tmp_path)
    (tmp_path / "BTCUSDT-4h.csv.gz").write_bytes(source.read_bytes())
    assert "not a multiple of 14400 s" in refusal(tmp_path, "4h")


def test_a_line_is_named_as_an_editor_counts(tmp_path):
    rows = [",".join(f"{value:.0f}" for value in row) for row in table_of(0, 1, 2, high=8.0)]
    (tmp_path / "BTCUSDT-5m.csv").write_text("\n".join((HEADER, rows[0], "", rows[1], "", rows[2])))
    assert ", line 6: at 2021-04-17T00:10:00Z high 8.0" in refusal(tmp_path)


def test_two_files_of_a_symbol_are_refused_with_both_names(tmp_path):
    names = ("BTCUSDT-5m.csv", "BTCUSDT-5m.csv.gz", "BTC_USDT-5m.feather", "BTC_USDT-5m.json")
    for first in names:
        for second in names:
            if first >= second:
                continue
            for path in tmp_path.iterdir():
                path.unlink()
            for name in (first, second):
                WRITERS[name](tmp_path / name, table_of(0, 1))
            message = refusal(tmp_path)
            assert first in message
            assert second in message


def test_names_tell_spot_from_futures_and_candles_from_marks(tmp_path):
    for name in (
        "BTC_USDT-5m.feather",
        "BTC_USDT_USDT-5m-futures.feather",
        "BTC_USDT_USDT-5m-mark.feather",
        "BTC_USDT_USDT-5m-funding_rate.feather",
        "ETH_USDT_USDT-1h-futures.feather",
        "BTCUSDT-5m.csv.partial",
        "DOGEUSDT-5m.csv",
    ):
        (tmp_path / name).touch()
    spot, swap = candle_files(tmp_path, "5m"), candle_files(tmp_path, "5m", "swap")
    assert {symbol: path.name for symbol, path in spot.items()} == {
        "BTC/USDT": "BTC_USDT-5m.feather",
        "DOGE/USDT": "DOGEUSDT-5m.csv",
    }
    assert {symbol: path.name for symbol, path in swap.items()} == {
        "BTC/USDT:USDT": "BTC_USDT_USDT-5m-futures.feather",
        "DOGE/USDT:USDT": "DOGEUSDT-5m.csv",
    }
    assert file_stem("BTC/USDT", "5m") == "BTCUSDT-5m"
    assert file_stem("BTC/JPY", "5m") == "BTC_JPY-5m"
    assert file_stem("BTC/USDT:USDT", "5m") == "BTC_USDT_USDT-5m-futures"


@pytest.mark.parametrize("name", ["BTCUSDT-5m.parquet", "BTC_USDT-5m.feather"])
def test_without_pyarrow_the_remedy_is_named(tmp_path, monkeypatch, name):
    WRITERS[name](tmp_path / name, table_of(0, 1))
    for module in ("pyarrow", "pyarrow.parquet", "pyarrow.feather"):
        monkeypatch.setitem(sys.modules, module, None)
    message = refusal(tmp_path)
    assert "pyarrow 26.0.1" in message
    assert "pip install 'cts-trade-engine[data]'" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("BTCUSDT-5m.parquet", b"no parquet", "cannot be read"),
        ("BTC_USDT-5m.feather", b"no feather", "cannot be read"),
        ("BTC_USDT-5m.json", b"[[1,", "is no JSON"),
        ("BTC_USDT-5m.json", b'{"a": 1}', "is no list of candles"),
        ("BTC_USDT-5m.json", b"[[1, 2, 3]]", "candle 1: it must be a list of 6 numbers"),
        ("BTC_USDT-5m.json", b'[[0, 1, 1, 1, "x", 1]]', "no number"),
        ("BTC_USDT-5m.json", b"[]", "has no candles"),
        ("BTC_USDT-5m.json.gz", b"no gzip", "cannot be read"),
    ],
)
def test_files_that_are_not_what_their_name_says(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path)
    assert str(tmp_path / name) in message
    assert words in message


def test_columns_that_are_missing(tmp_path):
    path = tmp_path / "BTCUSDT-5m.parquet"
    parquet.write_table(dated(table_of(0, 1)).drop_columns(["volume"]), path)
    assert "no column volume" in refusal(tmp_path)
    parquet.write_table(dated(table_of(0, 1)).drop_columns(["date"]), path)
    assert "one column of datetimes" in refusal(tmp_path)
    parquet.write_table(dated(table_of(0, 1)).set_column(4, "close", [["x", "y"]]), path)
    assert "no number" in refusal(tmp_path)


def test_halts_are_reported_once_for_all_symbols_before_a_run():
    hours = read_candles(shared_path("data/ohlcv/binance_spot"), "1h", ["BTC/USDT", "ETH/USDT"])
    report = data_report(hours)
    missing = np.flatnonzero(np.isnan(hours.close[0]))
    gaps = report.gaps["BTC/USDT"]
    assert (gaps.missing, gaps.begins, gaps.ends) == (len(missing), None, None)
    assert gaps.count == 1 + np.count_nonzero(np.diff(missing) > 1)
    run = hours.open_time[missing] - gaps.longest_at
    assert {STEP * 12 * bar for bar in range(gaps.longest)} <= set(run.tolist())
    (line,) = describe(report)
    assert line.startswith("all 2 symbols: 11 of its 1h candles missing in ")


def test_nothing_to_say_is_nothing_said_and_much_is_capped():
    close = np.full((20, 40), 1.0)
    times = START + STEP * np.arange(40)
    names = tuple(f"S{row}/USDT" for row in range(20))
    whole = Candles(names, STEP, times, close, close, close, close, close)
    assert describe(data_report(whole)) == []
    holes = close.copy()
    for row in range(20):
        holes[row, 1 : 2 + row] = np.nan
    holes[0, :3], holes[1, 39] = np.nan, np.nan
    lines = describe(data_report(Candles(names, STEP, times, holes, holes, holes, holes, holes)))
    assert len(lines) == MOST_LINES + 1
    assert lines[0] == "S0/USDT: begins 2021-04-17T00:15:00Z"
    assert lines[1].endswith(
        "the longest 2 from 2021-04-17T00:05:00Z; no candles from 2021-04-17T03:15:00Z on"
    )
    assert lines[-1] == "and 12 more symbols with gaps of their own"
    assert describe(data_report(whole, START + STEP, START + 3 * STEP)) == []
