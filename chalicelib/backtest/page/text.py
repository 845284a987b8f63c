"""Numbers, times and names as the report page shows them; used by every module of the page."""

import math
from datetime import UTC, datetime
from html import escape

from chalicelib.domain.performance.measure import Measure

DASH = "–"
MINUS = "−"
SPACE = "\N{NO-BREAK SPACE}"
LONGEST_NAME = 60


def name(text: str) -> str:
    """Return a name of the data for charts and HTML: shortened where it is very long, and escaped.

    Charts read a few HTML tags in their labels, so a label is escaped like everything else.
    """
    return escape(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…")


def label(text: str) -> str:
    """Return an identifier such as `stop_loss` in words, escaped: `Stop loss`."""
    words = text.replace("_", " ").strip()
    return name(words[:1].upper() + words[1:])


def amount(value: float) -> str:
    """Return a number with as many decimals as its size needs: 12,345.68; 0.000123."""
    if not math.isfinite(value):
        return DASH
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-6:
        return f"{value:.3e}".replace("-", MINUS)
    decimals = 2 if size >= 1 or size == 0 else min(8, 3 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def count(value: float) -> str:
    """Return a whole number with thousands separated."""
    return f"{value:,.0f}".replace("-", MINUS)


def percent(ratio: float, signed: bool = False) -> str:
    """Return a ratio in percent; with its sign where a gain is meant: +1.50 %."""
    if not math.isfinite(ratio):
        return DASH
    plus = "+" if signed and ratio > 0 else ""
    return f"{plus}{ratio * 100:,.2f}{SPACE}%".replace("-", MINUS)


def moment(seconds: float) -> str:
    """Return an epoch second as UTC: 2021-04-30 13:00."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that fills it: 90 s, 45 min, 5.5 h, 12.0 d."""
    size = abs(seconds)
    if size < 120:
        return f"{seconds:,.0f} s"
    if size < 7200:
        return f"{seconds / 60:,.0f} min"
    if size < 172800:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 86400:,.1f} d"


def undefined(measure: Measure) -> str:
    """Return the dash of an undefined measure as HTML, with the reason as its tooltip."""
    reason = escape(measure.reason or "undefined")
    return f'<abbr class="none" tabindex="0" title="{reason}" aria-label="undefined: {reason}">{DASH}</abbr>'
