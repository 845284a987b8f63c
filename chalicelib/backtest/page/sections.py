"""The sections of the report page: heading, notes, charts and tables of each; used by write.py."""

from dataclasses import dataclass, field

import numpy as np

from chalicelib.backtest.page.breakdown import MAX_BARS, profit_figure, refused_figure
from chalicelib.backtest.page.curves import (
    drawdown,
    drawn_points,
    equity_figure,
    exposure_figure,
    ladder_figure,
    returns_figure,
)
from chalicelib.backtest.page.figure import Figure
from chalicelib.backtest.page.prices import PriceChart, coarser, price_charts
from chalicelib.backtest.page.statistics import statistics_table
from chalicelib.backtest.page.tables import groups_table, monthly_table, refused_table
from chalicelib.backtest.page.text import duration, name
from chalicelib.backtest.result import BacktestResult
from chalicelib.domain.performance.groups import Group, breakdowns
from chalicelib.domain.performance.inputs import Integers
from chalicelib.domain.performance.monthly import monthly_returns

NO_TRADES = "No trade was closed."


@dataclass(slots=True)
class Sections:
    """Sections in the order of the page: HTML, and the charts that the page's script draws into it."""

    html: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    charts: dict[str, Figure] = field(default_factory=dict)
    prices: list[PriceChart] = field(default_factory=list)

    def add(self, key: str, heading: str, *content: str) -> None:
        """Add a section whose content is HTML already."""
        self.links.append((key, heading))
        self.html.append(f'<section id="{key}"><h2>{heading}</h2>{"".join(content)}</section>')

    def chart(self, key: str, described: str, chart: Figure) -> str:
        """Keep a chart for the script and return the place where it is drawn."""
        self.charts[f"{key}-chart"] = chart
        return place(key, described)


def place(key: str, described: str) -> str:
    """Return where a chart is drawn, with a text for those who don't see it."""
    return f'<div class="chart" id="{key}-chart" role="img" aria-label="{described}"></div>'


def note(text: str) -> str:
    """Return a remark of HTML below a heading."""
    return f'<p class="note">{text}</p>'


def sections_of(result: BacktestResult) -> Sections:
    """Return all sections of a backtest's page."""
    page = Sections()
    _equity(page, result)
    _prices(page, result)
    _months(page, result)
    _breakdowns(page, result)
    _distribution(page, result)
    _exposure(page, result)
    _ladder(page, result)
    _refused(page, result)
    page.add("statistics", "All statistics", statistics_table(result.summary))
    return page


def start_equity(result: BacktestResult) -> float:
    """Return the equity before the first point as the statistics have it, else that of the first point."""
    measure = result.summary.get("start_equity")
    known = measure.value if measure is not None else None
    return float(result.curve.equity[0]) if known is None else known


def _drawn(result: BacktestResult) -> Integers:
    equity = result.curve.equity
    return drawn_points(equity, drawdown(equity, start_equity(result)))


def _equity(page: Sections, result: BacktestResult) -> None:
    points = len(result.curve.time)
    if not points:
        page.add("equity", "Equity and drawdown", note("There was no candle to trade."))
        return
    drawn = _drawn(result)
    chart = equity_figure(result, drawn, start_equity(result))
    left_out = f"{len(drawn):,} of {points:,} points are drawn, highs and lows among them."
    page.add(
        "equity",
        "Equity and drawdown",
        note("Buy and hold: all symbols bought in equal parts at the start and held."),
        page.chart("equity", "Equity against buy and hold, and the drawdown of both, over time", chart),
        note(left_out) if len(drawn) < points else "",
    )


def _prices(page: Sections, result: BacktestResult) -> None:
    page.prices = price_charts(result.candles, result.trades)
    if not page.prices:
        page.add("prices", "Trades on candles", note(NO_TRADES))
        return
    options = "".join(
        f"<option>{name(price.symbol)} ({price.trades:,} trades)</option>" for price in page.prices
    )
    others = len(set(result.trades.symbol)) - len(page.prices)
    left_out = f"The {len(page.prices)} symbols with most trades are shown, {others:,} others are left out."
    page.add(
        "prices",
        "Trades on candles",
        f'<label>Symbol <select id="symbol" autocomplete="off">{options}</select></label>',
        note(left_out) if others else "",
        place("prices", "Candles of the chosen symbol with the entries and exits of its trades"),
        '<p class="note" id="left-out"></p>',
    )


def price_note(price: PriceChart, result: BacktestResult) -> str:
    """Return what was merged or left out of the chart of a symbol, as plain text; empty for nothing."""
    candles = result.candles
    grid = coarser(candles.timeframe, candles.bars)
    said = []
    if grid != candles.timeframe:
        said.append(f"Candles of {duration(candles.timeframe)} are merged to {duration(grid)}.")
    if price.left_out:
        said.append(
            f"The latest {price.trades - price.left_out:,} of {price.trades:,} trades have markers; "
            f"{price.left_out:,} older ones are left out."
        )
    return " ".join(said)


def _months(page: Sections, result: BacktestResult) -> None:
    points = len(result.curve.time)
    years = monthly_returns(result.curve, start_equity(result)) if points else ()
    content = monthly_table(years) if years else note("There was no candle to trade.")
    page.add("months", "Monthly returns", content)


def _breakdowns(page: Sections, result: BacktestResult) -> None:
    found = breakdowns(result.trades)
    for key, heading, words in (
        ("symbol", "Symbol", False),
        ("strategy", "Strategy", False),
        ("exit_reason", "Exit reason", True),
    ):
        _breakdown(page, found[key], f"by-{key}".replace("_", "-"), heading, words)


def _breakdown(page: Sections, groups: tuple[Group, ...], key: str, heading: str, words: bool) -> None:
    title = f"By {heading.lower()}"
    if not groups:
        page.add(key, title, note(NO_TRADES))
        return
    left_out = f"The chart shows the {MAX_BARS} with the largest profit or loss of {len(groups):,}."
    page.add(
        key,
        title,
        note(left_out) if len(groups) > MAX_BARS else "",
        '<div class="pair">',
        page.chart(key, f"Net profit by {heading.lower()}", profit_figure(groups, words)),
        f"<div>{groups_table(groups, heading, words)}</div></div>",
    )


def _distribution(page: Sections, result: BacktestResult) -> None:
    returns = result.trades.net_return
    if not len(returns):
        page.add("returns", "Distribution of trade returns", note(NO_TRADES))
        return
    chart = page.chart("returns", "Number of trades by net return", returns_figure(returns))
    said = f"Median {np.median(returns):+.2%}, from {returns.min():+.2%} to {returns.max():+.2%}."
    page.add("returns", "Distribution of trade returns", note(said), chart)


def _exposure(page: Sections, result: BacktestResult) -> None:
    if not len(result.curve.time):
        page.add("exposure", "Exposure", note("There was no candle to trade."))
        return
    chart = page.chart("exposure", "Exposure over time", exposure_figure(result, _drawn(result)))
    page.add("exposure", "Exposure", note("Notional of open positions as a share of equity."), chart)


def _ladder(page: Sections, result: BacktestResult) -> None:
    if result.ladder is None:
        page.add("ladder", "Ladder", note("The ladder was off in this backtest."))
        return
    if not len(result.ladder.time):
        page.add("ladder", "Ladder", note("The ladder was on; there was no candle to step over."))
        return
    chart = page.chart("ladder", "Configuration sets on base, main, real", ladder_figure(result.ladder))
    page.add("ladder", "Ladder", note("Configuration sets on each level over time."), chart)


def _refused(page: Sections, result: BacktestResult) -> None:
    refused = {reason: signals for reason, signals in result.refused.items() if signals}
    if not refused:
        page.add("refused", "Refused signals", note("No signal was refused."))
        return
    page.add(
        "refused",
        "Refused signals",
        '<div class="pair">',
        page.chart("refused", "Refused signals by reason", refused_figure(refused)),
        f"<div>{refused_table(refused)}</div></div>",
    )
