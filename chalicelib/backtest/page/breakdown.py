"""Bar charts of profits by symbol, strategy or exit reason and of refused signals; used by write.py."""

from collections.abc import Mapping, Sequence

import numpy as np

from chalicelib.backtest.page.figure import Figure, Trace, figure, gain_or_loss, series
from chalicelib.backtest.page.text import label, name
from chalicelib.domain.performance.groups import Group

MAX_BARS = 25
BAR_HEIGHT, FRAME_HEIGHT = 24, 90


def profit_figure(groups: Sequence[Group], words: bool = False) -> Figure:
    """Return a bar per group with its net profit: the groups that earned or lost most, best on top.

    `words` where the groups' names are identifiers.
    """
    largest = sorted(groups, key=lambda group: -abs(group.profit))[:MAX_BARS]
    shown = sorted(largest, key=lambda group: (group.profit, group.name))
    profit = np.array([group.profit for group in shown])
    bars: Trace = {
        "x": series(profit),
        "y": [(label if words else name)(group.name) for group in shown],
        "marker": gain_or_loss([value > 0 for value in profit]),
        "hovertemplate": "%{y}: %{x:,.2f}<extra></extra>",
    }
    return _horizontal(bars, "Net profit, quote currency")


def refused_figure(refused: Mapping[str, int]) -> Figure:
    """Return a bar per reason with the number of signals refused for it, most on top."""
    shown = sorted(refused.items(), key=lambda item: (item[1], item[0]))[-MAX_BARS:]
    bars: Trace = {
        "x": series(np.array([signals for _, signals in shown])),
        "y": [label(reason) for reason, _ in shown],
        "marker": {"color": "@muted"},
        "hovertemplate": "%{y}: %{x:,} signals<extra></extra>",
    }
    return _horizontal(bars, "Refused signals")


def _horizontal(bars: Trace, title: str) -> Figure:
    return figure(
        [{"type": "bar", "orientation": "h", **bars}],
        height=FRAME_HEIGHT + BAR_HEIGHT * len(bars["y"]),
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        xaxis={"title": {"text": title}, "zeroline": True, "nticks": 5, "tickangle": 0},
        yaxis={"type": "category", "ticksuffix": " ", "showgrid": False},
        showlegend=False,
        bargap=0.25,
    )
