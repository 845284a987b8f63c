"""The report page as text: what it says, what it leaves out, how large it gets."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from chalicelib.backtest.page import curves, write_page
from chalicelib.backtest.page.breakdown import MAX_BARS, profit_figure
from chalicelib.backtest.page.prices import MAX_CANDLES, MAX_SYMBOLS, MAX_TRADES, coarser, merged
from chalicelib.backtest.page.statistics import HEADLINES, shown
from chalicelib.backtest.page.text import amount, percent
from chalicelib.backtest.page.write import filled
from chalicelib.backtest.result import BacktestResult
from chalicelib.domain.candles import Candles
from chalicelib.domain.performance import ClosedTrades, EquityCurve, Group, Measure, summarise
from tests.backtest.page_data import CAPITAL, recorded, traded, without_trades

LARGEST = 15_000_000


@pytest.fixture(scope="module")
def candles() -> Candles:
    return recorded()


@pytest.fixture(scope="module")
def result(candles) -> BacktestResult:
    return traded(candles)


@pytest.fixture
def page_text(tmp_path):
    def written(result: BacktestResult) -> str:
        write_page(result, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return written


class _Seen(HTMLParser):
    """Every tag with its attributes, and the text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")

    def handle_endtag(self, tag) -> None:
        self._hidden = False

    def handle_data(self, data) -> None:
        if not self._hidden:
            self.texts.append(data)


def _figures_text(page: str) -> str:
    return re.search(r'<script id="figures"[^>]*>(.*?)</script>', page, re.DOTALL)[1]


def _figures(page: str) -> dict:
    return json.loads(_figures_text(page))


def _card(page: str, title: str) -> str:
    return re.search(rf"<dt>{title}</dt><dd>(.*?)</dd>", page)[1]


def test_the_page_holds_all_it_needs(result, page_text):
    seen = _Seen(page_text(result))
    scripts = [attributes for tag, attributes in seen.tags if tag == "script"]
    assert len(scripts) == 3
    assert not any("src" in attributes for _, attributes in seen.tags)
    targets = {attributes["href"] for _, attributes in seen.tags if "href" in attributes}
    assert {target for target in targets if not target.startswith("#")} == {"data:,"}
    places = [attributes["id"] for _, attributes in seen.tags if attributes.get("id")]
    assert len(places) == len(set(places))
    assert {target[1:] for target in targets if target.startswith("#")} <= set(places)


def test_headline_numbers_are_those_of_the_summary(result, page_text):
    page = page_text(result)
    for name, title in HEADLINES:
        assert shown(name, result.summary[name].value) in _card(page, title)
    assert "%" in _card(page, "Return")
    assert _card(page, "Trades") == str(len(result.trades.profit))


def test_an_undefined_number_is_a_dash_that_says_why(result, page_text):
    reason = 'no losing trade, "none" & <nothing>'
    page = page_text(replace(result, summary={**result.summary, "profit_factor": Measure(None, reason)}))
    card = _Seen(_card(page, "Profit factor"))
    assert card.texts == ["–"]
    assert card.tags[0][1]["title"] == reason


def test_every_statistic_stands_in_the_table(result, page_text):
    texts = _Seen(page_text(result)).texts
    assert len(result.summary) > 40
    assert set(result.summary) <= set(texts)


def test_a_backtest_without_trades_says_so(candles, page_text):
    page = page_text(without_trades(candles))
    assert 'role="status"' in page
    assert set(_figures(page)["charts"]) == {"equity-chart", "exposure-chart"}
    assert "The ladder was off in this backtest." in page
    assert "No signal was refused." in page
    assert 'id="symbol"' not in page


def test_a_backtest_without_candles_has_a_page(candles, page_text):
    nothing = np.empty(0)
    none = np.empty(0, dtype=np.int64)
    empty = without_trades(candles)
    curve = EquityCurve(none, nothing, nothing)
    bars = Candles((), 3600, none, *(np.empty((0, 0)) for _ in range(5)))
    summary = summarise(curve, empty.trades, nothing)
    page = page_text(replace(empty, candles=bars, curve=curve, benchmark=nothing, summary=summary))
    assert "There was no candle to trade." in page
    assert _figures(page) == {"charts": {}, "prices": []}


def test_names_from_data_are_escaped(result, page_text):
    evil = '</script><img src=x onerror="alert(1)">{{plotly}}&'
    trades = replace(
        result.trades,
        symbol=tuple(evil for _ in result.trades.symbol),
        strategy=tuple(evil for _ in result.trades.strategy),
        exit_reason=tuple(evil for _ in result.trades.exit_reason),
    )
    changed = replace(result, trades=trades, refused={evil: 3}, title={evil: evil})
    seen = _Seen(page_text(changed))
    assert not [tag for tag, _ in seen.tags if tag == "img"]
    assert sum(tag == "script" for tag, _ in seen.tags) == 3
    assert evil in seen.texts
    assert "<" not in _figures_text(page_text(changed))
    labels = _figures(page_text(changed))["charts"]["by-symbol-chart"]["data"][0]["y"]
    assert all("<" not in label for label in labels)


def test_a_value_is_never_read_as_template():
    assert filled("{{a}}-{{b}}", {"a": "{{b}}", "b": r"\1"}) == r"{{b}}-\1"


def test_the_largest_page_stays_below_15_megabytes(result, page_text):
    bars, symbols, closed = 60_000, 30, 50_000
    random = np.random.default_rng(7)
    walk = 100 * np.exp(np.cumsum(random.normal(0, 0.001, (symbols, bars)), axis=1))
    names = tuple(f"{row:02}{'X' * 100}/USDT" for row in range(symbols))
    time = 1_600_000_000 // 300 * 300 + 300 * np.arange(bars)
    candles = Candles(names, 300, time, walk, walk * 1.001, walk * 0.999, walk, walk)
    row, opened = random.integers(0, symbols, closed), np.sort(random.integers(0, bars - 50, closed))
    profit = random.normal(0, 10, closed)
    trades = ClosedTrades(
        symbol=tuple(names[one] for one in row),
        strategy=tuple(f"{'S' * 100}{one % 700}" for one in range(closed)),
        exit_reason=("signal_reversal",) * closed,
        direction=random.choice((-1, 1), closed).astype(np.int8),
        opened_at=time[opened],
        closed_at=time[opened + 40],
        quantity=np.ones(closed),
        entry_price=walk[row, opened],
        exit_price=walk[row, opened + 40],
        profit=profit,
        fees=np.ones(closed),
        net_return=profit / 100,
    )
    equity = CAPITAL * walk[0] / 100
    curve = EquityCurve(time + 300, equity, np.abs(np.sin(time)))
    ladder = replace(result.ladder, time=time, counts=random.integers(0, 900, (bars, 3)))
    page = page_text(
        replace(result, candles=candles, curve=curve, benchmark=equity, trades=trades, ladder=ladder)
    )
    assert len(page.encode()) < LARGEST
    prices = _figures(page)["prices"]
    assert len(prices) == MAX_SYMBOLS
    assert f"The {MAX_SYMBOLS} symbols with most trades are shown, 18 others are left out." in page
    assert "Candles of 5 min are merged to 4.0 h." in prices[0]["note"]
    assert f"The latest {MAX_TRADES:,} of " in prices[0]["note"]
    assert f"of {bars:,} points are drawn" in page


def test_merged_candles_are_what_a_plain_loop_makes(candles):
    row, grid = 3, 4 * 3600
    expected: dict[int, list[float]] = {}
    for column, time in enumerate(candles.open_time):
        bar = [float(getattr(candles, field)[row, column]) for field in ("open", "high", "low", "close")]
        if np.isnan(bar[3]):
            continue
        start = int(time) // grid * grid
        known = expected.setdefault(start, bar)
        expected[start] = [known[0], max(known[1], bar[1]), min(known[2], bar[2]), bar[3]]
    time, prices = merged(candles, row, grid)
    assert time.tolist() == list(expected)
    assert prices.T.tolist() == list(expected.values())
    assert len(time) < candles.bars / 3


@pytest.mark.parametrize(
    ("timeframe", "bars", "grid"),
    [
        (3600, MAX_CANDLES, 3600),
        (3600, MAX_CANDLES + 1, 7200),
        (300, 60_000, 14400),
        (86400, 5_000_000, 86400 * 2502),
    ],
)
def test_candles_are_merged_to_a_customary_grid_that_fits(timeframe, bars, grid):
    assert coarser(timeframe, bars) == grid
    # A grid aligned to the epoch may cut the first and the last merged candle.
    assert grid == timeframe or bars * timeframe / grid + 1 <= MAX_CANDLES


def test_a_thinned_curve_keeps_its_ends_its_top_and_its_deepest_drawdown():
    equity = CAPITAL * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.002, 50_000)))
    below = curves.drawdown(equity, CAPITAL)
    drawn = curves.drawn_points(equity, below, 500)
    assert 250 < len(drawn) <= 500
    assert np.all(np.diff(drawn) > 0)
    assert {0, len(equity) - 1, int(np.argmax(equity)), int(np.argmin(below))} <= set(drawn.tolist())
    assert curves.drawn_points(equity, below, len(equity)).tolist() == list(range(len(equity)))


def test_the_drawn_drawdown_is_the_one_of_the_statistics(result):
    below = curves.drawdown(result.curve.equity, CAPITAL)
    assert -below.min() == pytest.approx(result.summary["max_drawdown"].value, rel=1e-12)


@pytest.mark.parametrize(
    "returns", [[0.01], [-0.02, -0.02], [0.0, 0.0], [-0.1, 0.0, 0.3], [0.05] * 40 + [9.0]]
)
def test_every_trade_is_in_the_bin_of_its_return(returns):
    counts, edges = curves.return_bins(np.array(returns))
    assert counts.sum() == len(returns)
    assert len(counts) == len(edges) - 1 <= curves.MAX_BINS + 2
    for edge, below in zip(edges[1:], np.cumsum(counts), strict=True):
        # A value that equals an edge but for rounding may stand on either side of it.
        assert sum(value < edge - 1e-12 for value in returns) <= below
        assert below <= sum(value <= edge + 1e-12 for value in returns)


def test_gains_and_losses_never_share_a_bin(result):
    counts, edges = curves.return_bins(result.trades.net_return)
    assert counts[edges[1:] <= 1e-12].sum() == (result.trades.net_return < 0).sum()


def test_the_bars_are_those_with_the_largest_profit_or_loss():
    nothing = Measure(None, "not looked at")
    groups = [
        Group(f"S{rank}", 1, float((-1) ** rank * rank), nothing, nothing, nothing, nothing)
        for rank in range(MAX_BARS + 10)
    ]
    labels = profit_figure(groups)["data"][0]["y"]
    assert len(labels) == MAX_BARS
    assert (labels[0], labels[-1]) == ("S33", "S34")
    assert "S9" not in labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.678, "12,345.68"),
        (-3.0, "−3.00"),
        (0.0, "0.00"),
        (0.00012345, "0.0001234"),
        (2e-9, "2.000e−09"),
    ],
)
def test_amounts_have_the_decimals_that_their_size_needs(value, text):
    assert amount(value) == text


def test_percentages_are_signed_where_a_gain_is_meant():
    assert [
        percent(value, signed=True).replace("\N{NO-BREAK SPACE}", " ") for value in (0.015, -0.2, 0.0)
    ] == [
        "+1.50 %",
        "−20.00 %",
        "0.00 %",
    ]
