"""The report page in a real browser: what is plotted equals the result, no network, no complaints."""

import struct
import zlib
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.backtest.page import write_page
from chalicelib.backtest.page.curves import return_bins
from chalicelib.backtest.result import BacktestResult
from chalicelib.domain.performance import breakdowns
from tests.backtest.page_browser import Browser
from tests.backtest.page_data import CAPITAL, recorded, traded

CHARTS = {
    "equity-chart",
    "prices-chart",
    "by-symbol-chart",
    "by-strategy-chart",
    "by-exit-reason-chart",
    "returns-chart",
    "exposure-chart",
    "ladder-chart",
    "refused-chart",
}
MILLISECONDS = 1000

PLOTTED = """[...document.querySelectorAll('.js-plotly-plot')].map((place) => [place.id,
  place._fullData.map((trace) => Object.fromEntries(
    ['type', 'name', 'yaxis', 'x', 'y', 'open', 'high', 'low', 'close', 'customdata']
      .filter((key) => trace[key] !== undefined)
      .map((key) => [key, ArrayBuffer.isView(trace[key]) ? [...trace[key]].map(
         (value) => Number.isNaN(value) ? null : value) : trace[key]])))])"""


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return traded(recorded())


@pytest.fixture(scope="module")
def page(result, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(result, path)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def plotted(browser, page) -> dict[str, list[dict[str, Any]]]:
    browser.open(page)
    return dict(browser.value(PLOTTED))


def _trace(traces: list[dict[str, Any]], name: str, axis: str = "y") -> dict[str, Any]:
    return next(trace for trace in traces if trace["name"] == name and trace.get("yaxis", "y") == axis)


def test_every_chart_is_drawn_without_network_and_without_complaints(browser, page, plotted):
    assert set(plotted) == CHARTS
    assert browser.requests == [page.as_uri()]
    assert browser.complaints == []
    sizes = browser.value(
        "[...document.querySelectorAll('.js-plotly-plot')].map((place) => "
        "[...place.querySelectorAll('.plot')].every((plot) => plot.getBoundingClientRect().height > 20))"
    )
    assert sizes == [True] * len(CHARTS)


def test_nothing_offers_to_send_the_charts_away(browser, plotted):
    titles = browser.value("[...document.querySelectorAll('.modebar-btn')].map((one) => one.dataset.title)")
    assert "Zoom" in titles
    assert not [title for title in titles if "hare" in title or "loud" in title]


def test_the_page_may_not_reach_the_network(browser, plotted):
    refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.message)"
    violated = (
        "new Promise((resolve) => { document.addEventListener('securitypolicyviolation', "
        f"(event) => resolve(event.effectiveDirective), {{once: true}}); {refused}; }})"
    )
    assert browser.value(violated) == "connect-src"


def test_equity_benchmark_and_drawdown_are_those_of_the_result(result, plotted):
    for name, equity in (("Equity", result.curve.equity), ("Buy and hold", result.benchmark)):
        trace = _trace(plotted["equity-chart"], name)
        assert trace["x"] == (result.curve.time * MILLISECONDS).tolist()
        assert trace["y"] == equity.tolist()
        highest, expected = CAPITAL, []
        for value in equity.tolist():
            highest = max(highest, value)
            expected.append(value / highest - 1)
        below = _trace(plotted["equity-chart"], f"Drawdown, {name.lower()}", "y2")
        assert below["y"] == pytest.approx(expected, abs=1e-12)


def test_exposure_and_ladder_are_those_of_the_result(result, plotted):
    assert plotted["exposure-chart"][0]["y"] == result.curve.exposure.tolist()
    for column, level in enumerate(("Base", "Main", "Real")):
        trace = _trace(plotted["ladder-chart"], level)
        assert trace["x"] == (result.ladder.time * MILLISECONDS).tolist()
        assert trace["y"] == result.ladder.counts[:, column].tolist()


def _marks(result: BacktestResult, symbol: str) -> dict[str, list[tuple[int, float]]]:
    trades, found = result.trades, {}
    for row, name in enumerate(trades.symbol):
        if name != symbol:
            continue
        entry = "Long entry" if trades.direction[row] > 0 else "Short entry"
        leave = "Exit with gain" if trades.profit[row] > 0 else "Exit without gain"
        for title, time, price in (
            (entry, trades.opened_at[row], trades.entry_price[row]),
            (leave, trades.closed_at[row], trades.exit_price[row]),
        ):
            found.setdefault(title, []).append((int(time) * MILLISECONDS, float(price)))
    return found


def test_each_symbol_of_the_selector_shows_its_candles_and_trades(browser, page, result):
    browser.open(page)
    options = browser.value("[...document.getElementById('symbol').options].map((one) => one.text)")
    per_symbol = {symbol: result.trades.symbol.count(symbol) for symbol in result.candles.symbols}
    most = sorted(per_symbol, key=lambda symbol: (-per_symbol[symbol], symbol))[:12]
    assert options == [f"{symbol} ({per_symbol[symbol]} trades)" for symbol in most]
    for place in (0, 5):
        browser.value(
            f"(() => {{ const one = document.getElementById('symbol'); one.selectedIndex = {place};"
            "one.dispatchEvent(new Event('change')); })()"
        )
        traces = dict(browser.value(PLOTTED))["prices-chart"]
        _check_candles(result, most[place], traces)
        # Drawn in the middle of its period, so that a marker at its close stands at its right edge.
        first = browser.value("document.getElementById('prices-chart').calcdata[0][0].pos")
        half = result.candles.timeframe * MILLISECONDS / 2
        assert first == min(traces[0]["x"]) + half
        marks = {
            trace["name"]: list(zip(trace["x"], trace["y"], strict=True))
            for trace in traces
            if "customdata" in trace
        }
        assert marks == _marks(result, most[place])
    assert browser.complaints == []


def _check_candles(result: BacktestResult, symbol: str, traces: list[dict[str, Any]]) -> None:
    candles = result.candles
    row = candles.symbols.index(symbol)
    present = ~np.isnan(candles.close[row])
    drawn = next(trace for trace in traces if trace["type"] == "candlestick")
    for field in ("open", "high", "low", "close"):
        assert drawn[field] == getattr(candles, field)[row][present].tolist()
    assert drawn["x"] == (candles.open_time[present] * MILLISECONDS).tolist()


def test_a_marker_tells_return_reason_and_strategy(result, plotted):
    rows = {
        (f"{abs(value) * 100:.2f}", reason.replace("_", " ").capitalize(), escape(strategy))
        for value, reason, strategy in zip(
            result.trades.net_return, result.trades.exit_reason, result.trades.strategy, strict=True
        )
    }
    told = [one for trace in plotted["prices-chart"] if "customdata" in trace for one in trace["customdata"]]
    assert len(told) >= 80
    assert {(value.strip("+−%\N{NO-BREAK SPACE}"), *more) for value, *more in told} <= rows


@pytest.mark.parametrize("key", ["symbol", "strategy", "exit_reason"])
def test_profits_by_group_are_those_of_the_trades(result, plotted, key):
    expected: dict[str, float] = {}
    for name, profit in zip(getattr(result.trades, key), result.trades.profit, strict=True):
        shown = name.replace("_", " ").capitalize() if key == "exit_reason" else name
        expected[shown] = expected.get(shown, 0.0) + float(profit)
    bars = plotted[f"by-{key}-chart".replace("_", "-")][0]
    assert dict(zip(bars["y"], bars["x"], strict=True)) == pytest.approx(expected)
    assert bars["x"] == sorted(bars["x"])
    assert len(breakdowns(result.trades)[key]) == len(expected)


def test_returns_and_refusals_are_those_of_the_result(result, plotted):
    counts, edges = return_bins(result.trades.net_return)
    bars = plotted["returns-chart"][0]
    assert bars["y"] == counts.tolist()
    assert bars["x"] == ((edges[:-1] + edges[1:]) / 2).tolist()
    refused = plotted["refused-chart"][0]
    assert dict(zip(refused["y"], refused["x"], strict=True)) == {
        "Max positions": 41,
        "Cooldown": 17,
        "Spread too wide": 3,
    }


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_the_charts_are_visible_in_every_theme_and_width(browser, page, width, dark):
    browser.open(page, width, dark)
    assert browser.value("document.documentElement.scrollWidth") == width
    boxes = browser.value(
        "[...document.querySelectorAll('.js-plotly-plot')].map((place) => { const box = "
        "place.getBoundingClientRect(); return [place.id, box.x, box.y + scrollY, box.width, box.height]; })"
    )
    picture = _pixels(browser.screenshot())
    assert bool(picture[2, 2].mean() < 60) == dark
    for place, left, top, wide, high in boxes:
        part = picture[int(top) : int(top + high), int(left) : int(left + wide)]
        # Grey text and lines alone are no chart; the bars of the refusals are grey themselves.
        coloured = part[np.ptp(part, axis=2) > 40]
        assert len(np.unique(part @ np.array([1, 256, 65536]))) > 20, place
        assert len(coloured) > 100 or place == "refused-chart", place
    assert browser.complaints == []


def test_a_changed_theme_repaints_an_open_page(browser, page):
    browser.open(page)
    colour = (
        "document.getElementById('equity-chart')._fullData.find((one) => one.name === 'Equity').line.color"
    )
    light = browser.value(colour)
    browser.show(1280, dark=True)
    assert browser.value(f"new Promise((done) => setTimeout(() => done({colour}), 300))") != light


def _pixels(png: bytes) -> np.ndarray:
    """Decode an 8-bit RGB or RGBA PNG without interlace to `[rows, columns, 3]`."""
    chunks, place = [], 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        chunks.append((kind, png[place + 8 : place + 8 + length]))
        place += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, colour in (2, 6)) == (8, True)
    channels = 3 if colour == 2 else 4
    data = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    lines = np.frombuffer(data, np.uint8).reshape(height, 1 + width * channels)
    picture = np.zeros((height + 1, width, channels), np.uint8)
    for row, line in enumerate(lines):
        picture[row + 1] = _unfiltered(int(line[0]), line[1:].reshape(width, channels), picture[row])
    return picture[1:, :, :3]


def _unfiltered(kind: int, line: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Undo a PNG filter (RFC 2083, section 6) of one row of pixels."""
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + above
    done, left, corner = [], [0] * line.shape[1], [0] * line.shape[1]
    for given, up in zip(line.tolist(), above.tolist(), strict=True):
        predicted = [
            (a + b) // 2 if kind == 3 else _paeth(a, b, c) for a, b, c in zip(left, up, corner, strict=True)
        ]
        left, corner = [(value + more) & 255 for value, more in zip(given, predicted, strict=True)], up
        done.append(left)
    return np.array(done, np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
