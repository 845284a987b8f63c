"""Our indicators equal those of other libraries wherever the conventions agree.

A row names the file, the column and our call. `tolerance` is the largest error allowed, relative to the
largest expected value: rounding of doubles, or the digits the file was printed with. `first` is the first bar
compared: 0 where the seeds are the same, later where another seed has to be forgotten first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from chalicelib.domain.candles import Floats
from chalicelib.domain.indicators import momentum, trend, volatility, volume
from chalicelib.domain.indicators.rolling import rolling_sum, shifted
from tests.domain.golden_tables import Columns, read_results, read_table, read_vectors
from tests.shared import shared_path

ROUNDING = 1e-12


def close(function: Callable[..., Floats], *options: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["close"], *options)


def high_low(function: Callable[..., Floats], *options: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["high"], c["low"], *options)


def bars(function: Callable[..., Floats], *options: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["high"], c["low"], c["close"], *options)


def traded(function: Callable[..., Floats], *options: float) -> Callable[[Columns], Floats]:
    return lambda c: function(c["high"], c["low"], c["close"], c["volume"], *options)


def line(name: str, call: Callable[[Columns], object]) -> Callable[[Columns], Floats]:
    return lambda c: getattr(call(c), name)


def balance_from_zero(c: Columns) -> Floats:
    """OBV of libraries that begin with 0, not with the first volume."""
    return volume.obv(c["close"], c["volume"]) - c["volume"][:, :1]


def heikin_ashi(c: Columns) -> trend.HeikinAshi:
    return trend.heikin_ashi(c["open"], c["high"], c["low"], c["close"])


def aroon_oscillator(c: Columns) -> Floats:
    down, up = momentum.aroon(c["high"], c["low"], 14)
    return up - down


def mean_price_by_volume(c: Columns) -> Floats:
    return rolling_sum(c["close"] * c["volume"], 14) / rolling_sum(c["volume"], 14)


@dataclass(frozen=True)
class Golden:
    file: str
    column: str
    call: Callable[[Columns], Floats]
    tolerance: float = ROUNDING
    first: int = 0


STOCK_INDICATORS = [
    Golden("sma", "sma", close(trend.sma, 20)),
    Golden("ema", "ema", close(trend.ema, 20)),
    Golden("wma", "wma", close(trend.wma, 14)),
    Golden("dema", "dema", close(trend.dema, 14), first=250),
    Golden("tema", "tema", close(trend.tema, 20), first=400),
    Golden("kama", "kama", close(trend.kama, 10)),
    Golden("rsi", "rsi", close(momentum.rsi, 14)),
    Golden("macd", "macd", line("line", close(momentum.macd, 12, 26, 9)), first=200),
    Golden("macd", "signal", line("signal", close(momentum.macd, 12, 26, 9)), first=200),
    Golden("macd", "histogram", line("histogram", close(momentum.macd, 12, 26, 9)), first=200),
    Golden("adx", "adx", bars(trend.adx, 14), first=400),
    Golden("adx", "pdi", bars(trend.plus_di, 14), first=400),
    Golden("adx", "mdi", bars(trend.minus_di, 14), first=400),
    Golden("atr", "atr", bars(volatility.atr, 14)),
    Golden("atr", "atrp", bars(volatility.natr, 14)),
    Golden("bb", "upperBand", line("upper", close(volatility.bollinger, 20, 2.0))),
    Golden("bb", "lowerBand", line("lower", close(volatility.bollinger, 20, 2.0))),
    Golden("bb", "zScore", close(volatility.z_score, 20), 1e-11),
    Golden("stdev", "stdDev", close(volatility.standard_deviation, 14)),
    Golden("stoch", "k", line("k", bars(momentum.stochastic, 14, 3, 3))),
    Golden("stoch", "d", line("d", bars(momentum.stochastic, 14, 3, 3))),
    Golden("stoch-rsi", "stochRsi", line("k", close(momentum.stochastic_rsi, 14, 14, 3))),
    Golden("stoch-rsi", "signal", line("d", close(momentum.stochastic_rsi, 14, 14, 3))),
    Golden("cci", "cci", bars(momentum.cci, 20)),
    Golden("willr", "williamsR", bars(momentum.williams_r, 14)),
    Golden("mfi", "mfi", traded(volume.mfi, 14)),
    Golden("obv", "obv", balance_from_zero),
    Golden("roc", "roc", close(momentum.roc, 14)),
    Golden("roc", "momentum", close(momentum.momentum, 14)),
    Golden("psar", "sar", high_low(trend.psar, 0.02, 0.2), first=400),
    Golden("uo", "ultimate", bars(momentum.ultimate_oscillator, 7, 14, 28)),
    Golden("trix", "trix", close(momentum.trix, 14), first=300),
    Golden("slope", "slope", close(trend.linear_regression_slope, 14)),
    Golden("supertrend", "superTrend", line("line", bars(trend.supertrend, 10, 3.0))),
    Golden("keltner", "upperBand", line("upper", bars(volatility.keltner, 20, 10, 2.0))),
    Golden("keltner", "lowerBand", line("lower", bars(volatility.keltner, 20, 10, 2.0))),
    # This library's channel leaves the present bar out.
    Golden("donchian", "upperBand", lambda c: shifted(volatility.donchian(c["high"], c["low"], 20).upper)),
    Golden("donchian", "lowerBand", lambda c: shifted(volatility.donchian(c["high"], c["low"], 20).lower)),
    Golden("vwma", "vwma", mean_price_by_volume),
    Golden("heikinashi", "open", line("open", heikin_ashi)),
    Golden("heikinashi", "high", line("high", heikin_ashi)),
    Golden("heikinashi", "low", line("low", heikin_ashi)),
    Golden("heikinashi", "close", line("close", heikin_ashi)),
]

LEAN = [
    Golden("spy_ema.csv", "ema14", close(trend.ema, 14)),
    Golden("spy_dema.txt.gz", "dema_5", close(trend.dema, 5)),
    Golden("spy_tema.txt.gz", "tema_5", close(trend.tema, 5)),
    Golden("spy_kama.txt.gz", "kama_5", close(trend.kama, 5)),
    Golden("spy_trix.txt.gz", "trix_5", close(momentum.trix, 5)),
    Golden("spy_aroon_oscillator.txt.gz", "aroon oscillator 14", aroon_oscillator, 1e-7),
    Golden("spy_atr_wilder.txt.gz", "average true range 14", bars(volatility.atr, 14), 3e-6, 250),
    Golden("spy_natr.txt.gz", "natr_5", bars(volatility.natr, 5)),
    Golden("spy_mfi.txt.gz", "money flow index 20", traded(volume.mfi, 20), 1e-7),
    Golden("spy_ultosc.txt.gz", "ultosc_7_14_28", bars(momentum.ultimate_oscillator, 7, 14, 28)),
    Golden("spy_with_adx.txt.gz", "adx 14", bars(trend.adx, 14), 3e-6, 250),
    Golden("spy_with_cci.txt.gz", "commodity channel index (cci) 14", bars(momentum.cci, 14), 1e-5),
    Golden(
        "spy_with_don50.txt.gz",
        "donchian channels 50 top",
        line("upper", high_low(volatility.donchian, 50)),
    ),
    Golden("spy_with_rocp50.txt.gz", "rate of change % 50", close(momentum.roc, 50), 1e-6),
    Golden("spy_with_stoch12k3.txt.gz", "%d 5", line("d", bars(momentum.stochastic, 12, 3, 5)), 1e-5),
    Golden("spy_with_williamsR14.txt.gz", "williams %r 14", bars(momentum.williams_r, 14), 1e-5),
    Golden("spy_with_StochRSI.csv.gz", "k", line("d", close(momentum.stochastic_rsi, 14, 14, 3))),
    Golden("spy_with_macd.txt.gz", "macd", line("line", close(momentum.macd, 12, 26, 9)), 1e-6, 170),
    Golden(
        "spy_bollinger_bands.txt.gz",
        "bollinger bands® 20 2 top",
        line("upper", close(volatility.bollinger)),
        1e-6,
    ),
    Golden("dwac_supertrend.txt", "super", line("line", bars(trend.supertrend, 10, 3.0)), 1e-4, 60),
]

TA = [
    Golden("cs-bbands.csv", "highband", line("upper", close(volatility.bollinger)), 1e-8),
    Golden("cs-cci.csv", "cci", bars(momentum.cci, 20), 1e-6),
    Golden("cs-kama.csv", "kama", close(trend.kama, 10), 1e-8),
    Golden("cs-mfi.csv", "mfi", traded(volume.mfi, 14), 1e-6),
    Golden("cs-obv.csv", "obv", lambda c: volume.obv(c["close"], c["volume"])),
    Golden("cs-percentr.csv", "williams_%r", bars(momentum.williams_r, 14), 1e-7),
    Golden("cs-roc.csv", "roc", close(momentum.roc, 12), 1e-8),
    Golden("cs-ultosc.csv", "ult_osc", bars(momentum.ultimate_oscillator), 1e-7),
    Golden("cs-vwap.csv", "vwap", traded(volume.vwap, 14)),
    Golden("cs-psar.csv", "psar_up", high_low(trend.psar), 1e-8),
]

REAL = [
    Golden("", "sma_20", close(trend.sma, 20)),
    Golden("", "ema_20", close(trend.ema, 20)),
    Golden("", "wma_20", close(trend.wma, 20)),
    Golden("", "kama_30", close(trend.kama, 30)),
    Golden("", "rsi_14", close(momentum.rsi, 14)),
    Golden("", "macd_hist", line("histogram", close(momentum.macd)), 1e-9, 200),
    Golden("", "bb_upper_20_2", line("upper", close(volatility.bollinger, 20, 2.0))),
    Golden("", "atr_14", bars(volatility.atr, 14)),
    Golden("", "adx_14", bars(trend.adx, 14), 1e-9, 500),
    Golden("", "stoch_d_3", line("d", bars(momentum.stochastic, 14, 3, 3))),
    Golden("", "cci_20", bars(momentum.cci, 20)),
    Golden("", "mfi_14", traded(volume.mfi, 14)),
    Golden("", "obv", lambda c: volume.obv(c["close"], c["volume"])),
    Golden("", "aroon_up_25", line("up", high_low(momentum.aroon, 25))),
    Golden("", "sar_002_02", high_low(trend.psar)),
    Golden("", "stddev_20", close(volatility.standard_deviation, 20)),
    Golden("", "trix_15", close(momentum.trix, 15)),
]

# title, number of outputs, our call on the input vectors; printed with three digits.
TULIP: list[tuple[str, int, Callable[..., tuple[Floats, ...]]]] = [
    ("aroon 5", 2, lambda high, low: momentum.aroon(high, low, 5)),
    ("bbands 5 2", 3, lambda values: volatility.bollinger(values, 5, 2.0)[::-1]),
    ("cci 5", 1, lambda *prices: (momentum.cci(*prices, 5),)),
    ("kama 5", 1, lambda values: (trend.kama(values, 5),)),
    ("linregslope 5", 1, lambda values: (trend.linear_regression_slope(values, 5),)),
    ("mfi 5", 1, lambda *prices: (volume.mfi(*prices, 5),)),
    ("mom 5", 1, lambda values: (momentum.momentum(values, 5),)),
    ("psar .2 2", 1, lambda high, low: (trend.psar(high, low, 0.2, 2.0),)),
    ("rsi 5", 1, lambda values: (momentum.rsi(values, 5),)),
    ("sma 5", 1, lambda values: (trend.sma(values, 5),)),
    ("stddev 5", 1, lambda values: (volatility.standard_deviation(values, 5),)),
    ("stoch 5 3 3", 2, lambda *prices: momentum.stochastic(*prices, 5, 3, 3)),
    ("ultosc 2 3 5", 1, lambda *prices: (momentum.ultimate_oscillator(*prices, 2, 3, 5),)),
    ("vwma 5", 1, lambda values, traded: (rolling_sum(values * traded, 5) / rolling_sum(traded, 5),)),
    ("willr 5", 1, lambda *prices: (momentum.williams_r(*prices, 5),)),
    ("wma 5", 1, lambda values: (trend.wma(values, 5),)),
]


def assert_agrees(ours: Floats, expected: Floats, tolerance: float, first: int) -> None:
    both = ~np.isnan(ours) & ~np.isnan(expected)
    both[:, :first] = False
    assert both.sum() >= 2
    warm = int(np.argmax(~np.isnan(ours[0])))
    assert not np.isnan(ours[0, warm:]).any()
    error = np.abs(ours - expected)[both].max() / np.nanmax(np.abs(expected))
    assert error <= tolerance


@pytest.mark.parametrize("golden", STOCK_INDICATORS, ids=lambda g: f"{g.file}-{g.column}")
def test_equals_stock_indicators(golden: Golden) -> None:
    folder = shared_path("golden/indicators/stock_indicators")
    columns = read_table(folder / "quotes/default.csv.gz")
    expected = read_results(folder / f"results/{golden.file}.standard.json.gz", golden.column)
    assert_agrees(golden.call(columns), expected, golden.tolerance, golden.first)


@pytest.mark.parametrize("golden", LEAN, ids=lambda g: f"{g.file}-{g.column}")
def test_equals_lean(golden: Golden) -> None:
    columns = read_table(shared_path(f"golden/indicators/lean/{golden.file}"))
    assert_agrees(golden.call(columns), columns[golden.column], golden.tolerance, golden.first)


@pytest.mark.parametrize("golden", TA, ids=lambda g: f"{g.file}-{g.column}")
def test_equals_worked_examples(golden: Golden) -> None:
    columns = read_table(shared_path(f"golden/indicators/ta_bukosabino/{golden.file}"))
    assert_agrees(golden.call(columns), columns[golden.column], golden.tolerance, golden.first)


@pytest.mark.parametrize(
    "market", ["binance_spot/BTCUSDT-1h", "binance_spot/COCOSUSDT-1h", "binance_usdm/BTCUSDT-5m"]
)
@pytest.mark.parametrize("golden", REAL, ids=lambda g: g.column)
def test_equals_talib_on_recorded_candles(golden: Golden, market: str) -> None:
    folder = shared_path("golden/indicators/talib_on_real/dev")
    expected = read_table(folder / f"{market.replace('/', '_')}.csv.gz")[golden.column]
    candles = read_table(shared_path(f"data/ohlcv/{market}.csv.gz"))
    head = {name: np.ascontiguousarray(values[:, : expected.shape[1]]) for name, values in candles.items()}
    assert_agrees(golden.call(head), expected, max(golden.tolerance, 1e-11), golden.first)


@pytest.mark.parametrize(("title", "outputs", "call"), TULIP, ids=lambda value: str(value)[:14])
def test_equals_tulip(title: str, outputs: int, call: Callable[..., tuple[Floats, ...]]) -> None:
    vectors = read_vectors(shared_path("golden/indicators/tulip/untest.txt.gz"), title)
    for ours, printed in zip(call(*vectors[:-outputs]), vectors[-outputs:], strict=True):
        length = min(ours.shape[1], printed.shape[1])
        both = ~np.isnan(ours[:, -length:])
        assert both.sum() >= 5
        assert np.abs(ours[:, -length:] - printed[:, -length:])[both].max() <= 5.1e-4
