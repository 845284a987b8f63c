"""Charts over time: equity with drawdown, exposure, the ladder; and the distribution of trade returns."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chalicelib.backtest.page.figure import Figure, Trace, figure, gain_or_loss, series, time_axis, times
from chalicelib.backtest.result import BacktestResult, LadderHistory
from chalicelib.domain.performance.drawdowns import underwater
from chalicelib.domain.performance.inputs import Floats, Integers

MAX_POINTS = 10_000
"""Points of a curve that are drawn: more than a screen has pixels, few enough for a phone."""

MIN_BINS, MAX_BINS = 8, 60
LEVELS = ("base", "main", "real")


def drawdown(equity: Floats, start: float) -> Floats:
    """Return equity / highest equity so far - 1 `[points]`: 0 at a high, negative below.

    `start` is the equity before the first point.
    """
    return -underwater(np.concatenate(([start], equity)))[1:]


def drawn_points(equity: Floats, below: Floats, limit: int = MAX_POINTS) -> Integers:
    """Return the points of a curve to draw: all, or the highest equity and the deepest drawdown of each part.

    `below` is the drawdown of `equity`. The first and the last point are always drawn.
    """
    points = len(equity)
    if points <= limit:
        return np.arange(points)
    bounds = np.linspace(0, points, (limit - 2) // 2 + 1).astype(np.int64)
    parts = list(pairwise(bounds))
    highs = [begin + int(np.argmax(equity[begin:end])) for begin, end in parts]
    lows = [begin + int(np.argmin(below[begin:end])) for begin, end in parts]
    return np.unique(np.array([0, points - 1, *highs, *lows], dtype=np.int64))


def equity_figure(result: BacktestResult, drawn: Integers, start: float) -> Figure:
    """Return equity against buy and hold, and both drawdowns below on the same time axis.

    `drawn` are rows of the curve, `start` is the equity before its first point.
    """
    time = times(result.curve.time[drawn])
    traces = []
    for title, equity, colour, width in (
        ("Buy and hold", result.benchmark, "@muted", 1.5),
        ("Equity", result.curve.equity, "@accent", 2),
    ):
        line = {"color": colour, "width": width}
        common: Trace = {"type": "scatter", "mode": "lines", "x": time, "line": line, "legendgroup": title}
        traces.append({**common, "name": title, "y": series(equity[drawn])})
        below: Trace = {"name": f"Drawdown, {title.lower()}", "yaxis": "y2", "showlegend": False}
        if equity is result.curve.equity:
            below |= {"fill": "tozeroy", "fillcolor": "@lossfill", "line": {**line, "color": "@loss"}}
        traces.append({**common, **below, "y": series(drawdown(equity, start)[drawn])})
    return figure(
        traces,
        height=480,
        hovermode="x unified",
        legend={"traceorder": "reversed"},
        xaxis=time_axis(anchor="y2"),
        yaxis={"title": {"text": "Quote currency"}, "domain": [0.36, 1]},
        yaxis2={"title": {"text": "Drawdown"}, "domain": [0, 0.3], "tickformat": ".1%"},
    )


def exposure_figure(result: BacktestResult, drawn: Integers) -> Figure:
    """Return the notional of open positions as a share of equity over time."""
    trace: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "Exposure",
        "x": times(result.curve.time[drawn]),
        "y": series(result.curve.exposure[drawn]),
        "line": {"color": "@accent", "width": 1, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": "@accentfill",
        "showlegend": False,
    }
    axis = {"tickformat": ".0%", "rangemode": "tozero"}
    return figure([trace], height=260, xaxis=time_axis(), yaxis=axis, hovermode="x unified")


def ladder_figure(history: LadderHistory) -> Figure:
    """Return how many configuration sets stood on each level over time, stacked."""
    points = len(history.time)
    drawn = np.unique(np.linspace(0, points - 1, min(points, MAX_POINTS)).astype(np.int64))
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": level.capitalize(),
            "x": times(history.time[drawn]),
            "y": series(history.counts[drawn, column]),
            "stackgroup": "levels",
            "line": {"width": 0.5, "color": f"@{level}", "shape": "hv"},
            "fillcolor": f"@{level}",
        }
        for column, level in enumerate(LEVELS)
    ]
    axis = {"title": {"text": "Configuration sets"}, "rangemode": "tozero"}
    return figure(traces, height=340, xaxis=time_axis(), yaxis=axis, hovermode="x unified")


def return_bins(returns: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return counts `[bins]` and edges `[bins + 1]` of trade returns; 0 is an edge if it lies inside.

    Bin width: Freedman and Diaconis (1981), between 8 and 60 bins.
    """
    low, high = float(returns.min()), float(returns.max())
    span = max(high - low, 1e-9 * max(1.0, abs(low), abs(high)))
    quartile = float(np.subtract(*np.percentile(returns, [75, 25])))
    wanted = 2 * quartile / len(returns) ** (1 / 3)
    width = min(max(wanted, span / MAX_BINS), span / MIN_BINS)
    steps = np.floor(returns / width).astype(np.int64)
    first = int(steps.min())
    return np.bincount(steps - first), (first + np.arange(int(steps.max()) - first + 2)) * width


def returns_figure(returns: Floats) -> Figure:
    """Return the distribution of the trades' net returns."""
    counts, edges = return_bins(returns)
    middle = (edges[:-1] + edges[1:]) / 2
    bars: Trace = {
        "type": "bar",
        "x": series(middle),
        "y": series(counts),
        "width": float(edges[1] - edges[0]),
        "marker": gain_or_loss([value > 0 for value in middle]),
        "hovertemplate": "%{x:.2%}: %{y} trades<extra></extra>",
    }
    return figure(
        [bars],
        height=320,
        showlegend=False,
        xaxis={"title": {"text": "Net return of a trade"}, "tickformat": ".1%"},
        yaxis={"title": {"text": "Trades"}},
    )
