"""Writes a backtest's result as one HTML page that needs no other file and no network; for `cts backtest`."""

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from chalicelib.backtest.page.sections import NO_TRADES, Sections, note, price_note, sections_of
from chalicelib.backtest.page.statistics import cards
from chalicelib.backtest.page.text import count, duration, label, moment
from chalicelib.backtest.result import BacktestResult

HEADING = "Backtest report"
TEMPLATE = Path(__file__).with_name("template.html")


def write_page(result: BacktestResult, path: Path) -> None:
    """Write the report page of `result` to `path`, replacing what is there."""
    path.write_text(page_of(result), encoding="utf-8")


def page_of(result: BacktestResult) -> str:
    """Return the report page of `result`."""
    # Reading 5 MB of JavaScript is for those alone who write a page.
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    sections = sections_of(result)
    return filled(
        TEMPLATE.read_text(encoding="utf-8"),
        {
            "heading": HEADING,
            "period": _period(result),
            "title": _title(result.title),
            "notice": _notice(result),
            "navigation": "".join(f'<a href="#{key}">{heading}</a>' for key, heading in sections.links),
            "cards": cards(result.summary),
            "sections": "\n".join(sections.html),
            "figures": _figures(sections, result),
            "plotly": get_plotlyjs(),
        },
    )


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the template with each `{{name}}` replaced, in one pass: a value is never read as template."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], template)


def _figures(sections: Sections, result: BacktestResult) -> str:
    prices = [{"chart": price.chart, "note": price_note(price, result)} for price in sections.prices]
    text = json.dumps(
        {"charts": sections.charts, "prices": prices},
        allow_nan=False,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    # Inside a script only `<` can end it early or open a comment.
    return text.replace("<", "\\u003c")


def _title(title: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{label(option)}</dt><dd>{escape(text)}</dd></div>" for option, text in title.items()
    )


def _period(result: BacktestResult) -> str:
    candles = result.candles
    symbols = f"{count(len(candles.symbols))} symbol{'' if len(candles.symbols) == 1 else 's'}"
    if not candles.bars:
        return f"{symbols}, no candles"
    begin, end = moment(float(candles.open_time[0])), moment(candles.closed_until)
    bars = f"{count(candles.bars)} candles of {duration(candles.timeframe)}"
    return f"{begin} to {end} UTC, {symbols}, {bars}"


def _notice(result: BacktestResult) -> str:
    if len(result.trades.symbol):
        return ""
    return f'<div class="notice" role="status">{note(NO_TRADES + " What needs trades is empty.")}</div>'
