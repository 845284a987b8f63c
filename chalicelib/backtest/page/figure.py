"""The building blocks of the page's charts: plain dictionaries in plotly's figure format.

Dictionaries, as importing plotly.graph_objects takes longer than writing the page.
A colour is a name of the page's palette, such as `@gain`: the page has one for light and one for dark.
"""

from base64 import b64encode
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figure = dict[str, Any]
Trace = dict[str, Any]

MILLISECONDS = 1000


def series(values: NDArray[Any]) -> dict[str, str]:
    """Return numbers in plotly's binary form: every bit of a float64, a third shorter than as text."""
    return {"dtype": "f8", "bdata": b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()}


def times(seconds: NDArray[Any]) -> dict[str, str]:
    """Return epoch seconds as a date axis wants them: milliseconds, shown in UTC."""
    return series(np.asarray(seconds, dtype=np.float64) * MILLISECONDS)


def time_axis(**more: Any) -> dict[str, Any]:
    """Return a date axis."""
    return {"type": "date", **more}


def gain_or_loss(gained: list[bool]) -> dict[str, Any]:
    """Return the look of bars: losses are hatched, as colour alone doesn't tell everybody."""
    colours = ["@gain" if gain else "@loss" for gain in gained]
    shapes = ["" if gain else "/" for gain in gained]
    return {"color": colours, "pattern": {"shape": shapes, "bgcolor": colours, "fgcolor": "@page"}}


def figure(traces: list[Trace], height: int, **layout: Any) -> Figure:
    """Return a chart, `height` in CSS pixels."""
    return {"data": traces, "layout": {"height": height, **layout}}
