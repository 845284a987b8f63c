"""Trades on candles: one chart per symbol, candles merged until the page stays small."""

import math
from dataclasses import dataclass

import numpy as np

from chalicelib.backtest.page.figure import MILLISECONDS, Figure, Trace, figure, series, time_axis, times
from chalicelib.backtest.page.text import label, name, percent
from chalicelib.domain.candles import Candles, Floats
from chalicelib.domain.performance.inputs import ClosedTrades, Integers

MAX_SYMBOLS = 12
MAX_CANDLES = 2_000
MAX_TRADES = 1_000
"""Per page and per symbol. With all three used up the page stays below 15 MB."""

ROUND_GRIDS = (60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200, 604800)


@dataclass(frozen=True, slots=True, eq=False)
class PriceChart:
    """The chart of one symbol: `trades` closed, `left_out` of them (the oldest) without a marker."""

    symbol: str
    trades: int
    left_out: int
    chart: Figure


def coarser(timeframe: int, bars: int, limit: int = MAX_CANDLES) -> int:
    """Return the grid in seconds on which `bars` candles become at most `limit`: a customary one if any."""
    factor = math.ceil(bars / max(1, limit - 1)) if bars > limit else 1
    smallest = timeframe * factor
    if factor == 1:
        return timeframe
    fitting = (grid for grid in ROUND_GRIDS if grid >= smallest and grid % timeframe == 0)
    return next(fitting, smallest)


def merged(candles: Candles, row: int, grid: int) -> tuple[Integers, Floats]:
    """Return open times `[bars]` and open, high, low, close `[4, bars]` of one symbol on a coarser grid.

    Grid in seconds, aligned to the epoch. Candles that the exchange lacks are left out.
    """
    present = ~np.isnan(candles.close[row])
    time = candles.open_time[present]
    if not len(time):
        return time, np.zeros((4, 0))
    starts, first = np.unique(time // grid, return_index=True)
    last = np.append(first[1:], len(time)) - 1
    opened, high, low, close = (
        getattr(candles, field)[row][present] for field in ("open", "high", "low", "close")
    )
    prices = np.stack(
        (opened[first], np.maximum.reduceat(high, first), np.minimum.reduceat(low, first), close[last])
    )
    return starts * grid, prices


def price_charts(candles: Candles, trades: ClosedTrades) -> list[PriceChart]:
    """Return the charts of the symbols with most trades, most first."""
    symbols, per_symbol = np.unique(np.array(trades.symbol, dtype=str), return_counts=True)
    order = np.lexsort((symbols, -per_symbol))[:MAX_SYMBOLS]
    grid = coarser(candles.timeframe, candles.bars)
    return [_price_chart(candles, trades, str(symbols[place]), grid) for place in order]


def _price_chart(candles: Candles, trades: ClosedTrades, symbol: str, grid: int) -> PriceChart:
    rows = np.flatnonzero(np.array(trades.symbol, dtype=str) == symbol)
    marked = rows[-MAX_TRADES:]
    traces = [*_candles(candles, symbol, grid), _links(trades, marked), *_markers(trades, marked)]
    chart = figure(
        traces,
        height=520,
        hovermode="closest",
        xaxis=time_axis(rangeslider={"visible": False}),
        yaxis={"title": {"text": "Price"}},
    )
    return PriceChart(symbol, len(rows), len(rows) - len(marked), chart)


def _candles(candles: Candles, symbol: str, grid: int) -> list[Trace]:
    if symbol not in candles.symbols:
        return []
    time, prices = merged(candles, candles.symbols.index(symbol), grid)
    begin = float(time[0]) * MILLISECONDS if len(time) else 0.0
    fields = ("open", "high", "low", "close")
    return [
        {
            "type": "candlestick",
            "name": "Candles",
            "x": times(time),
            **{field: series(values) for field, values in zip(fields, prices, strict=True)},
            # A candle is drawn over the period it stands for, so a marker at an open stands at its left edge.
            "xperiod": grid * MILLISECONDS,
            "xperiod0": begin,
            "xperiodalignment": "middle",
            "increasing": {"line": {"color": "@rising", "width": 1}, "fillcolor": "@page"},
            "decreasing": {"line": {"color": "@falling", "width": 1}, "fillcolor": "@falling"},
            "showlegend": False,
        }
    ]


def _links(trades: ClosedTrades, rows: Integers) -> Trace:
    nothing = np.full(len(rows), np.nan)
    x = np.stack((trades.opened_at[rows], trades.closed_at[rows], nothing), axis=1).ravel()
    y = np.stack((trades.entry_price[rows], trades.exit_price[rows], nothing), axis=1).ravel()
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "From entry to exit",
        "x": times(x),
        "y": series(y),
        "line": {"color": "@ink", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _markers(trades: ClosedTrades, rows: Integers) -> list[Trace]:
    long = trades.direction[rows] > 0
    gained = trades.profit[rows] > 0
    opened, entry = trades.opened_at, trades.entry_price
    closed, leave = trades.closed_at, trades.exit_price
    kinds = (
        ("Long entry", rows[long], opened, entry, "triangle-up-open", 14, "@entry"),
        ("Short entry", rows[~long], opened, entry, "triangle-down-open", 14, "@entry"),
        ("Exit with gain", rows[gained], closed, leave, "circle", 8, "@gain"),
        ("Exit without gain", rows[~gained], closed, leave, "x", 8, "@loss"),
    )
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": title,
            "x": times(time[chosen]),
            "y": series(price[chosen]),
            "marker": {
                "symbol": shape,
                "size": size,
                "color": colour,
                "line": {"width": 2 if shape.endswith("open") else 0},
            },
            "customdata": [_hover(trades, row) for row in chosen],
            "hovertemplate": f"<b>{title}</b> at %{{y}}<br>%{{x|%Y-%m-%d %H:%M}}<br>"
            "return %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        }
        for title, chosen, time, price, shape, size, colour in kinds
        if len(chosen)
    ]


def _hover(trades: ClosedTrades, row: int) -> list[str]:
    returned = percent(float(trades.net_return[row]), signed=True)
    return [returned, label(trades.exit_reason[row]), name(trades.strategy[row])]
