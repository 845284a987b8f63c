"""Prints a ladder on the terminal, a few lines for each set; `cts ladder` uses it."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

COLUMNS = (
    ("level", 5),
    ("closed", 8),
    ("factor", 9),
    ("wins", 7),
    ("per trade", 11),
    ("drawdown", 10),
    ("edge", 7),
)
"""Heads and widths of the numbers: together they fit into 80 characters, whatever the set is called."""

LEGEND = (
    "factor: gross profit / gross loss. per trade: mean net return. drawdown: from a peak to its recovery, on"
    " average. edge: how sure it is that the set is better than the luckiest of as many without skill."
    " All but closed and edge are of the last positions only. See docs/ladder.md."
)
_INDENT = 2
_NONE = "-"
_DEMANDS = {
    "positions": "{has:.0f} of {needed:.0f} positions",
    "profit_factor": "factor {has:.2f} of {needed:.2f}",
    "win_rate": "wins {has:.0%} of {needed:.0%}",
    "drawdown_hours": "drawdown {has:.1f} h, at most {needed:.0f} h",
    "edge": "edge {has:.0%} of {needed:.0%}",
}
_UNPROVEN = {
    "profit_factor": "factor not proven",
    "win_rate": "no positions",
    "edge": "edge not proven",
}
_NUMBERS = re.compile(
    r"(?P<cause>.+) n=(?P<closed>\d+) pf=(?P<factor>\S+) wr=(?P<wins>\S+) ex=(?P<mean>\S+)"
    r" dd=(?P<drawdown>\S+)h edge=(?P<edge>\S+)"
)
"""How a change's evidence stands in the audit log."""


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Print one page of `GET /ladder`."""
    out = console or Console(highlight=False)
    counts = ", ".join(f"{level} {count}" for level, count in found["counts"].items())
    age = f"as of {_moment(found['candle_time'])} UTC, {found['age'] / 60:.0f} min ago"
    out.print(Text(f"{found['connection_id']}: profile {found['profile']}; sets on {counts}; {age}"))
    for warning in found["warnings"]:
        out.print(Text(f"warning: {warning}", style="bold yellow"))
    if not found["items"]:
        out.print("no sets here")
        return
    out.print()
    _put(out, Text("".join(f"{head:>{width}}" for head, width in COLUMNS), style="dim"))
    for item in found["items"]:
        # As Text: a set's name holds no markup, whatever its characters.
        out.print(Text(item["set_id"], style="bold"), soft_wrap=True)
        for line in lines(item):
            _put(out, Text(line))
    out.print(Text(f"\n{LEGEND}", style="dim"))
    if found["cursor"] is not None:
        out.print("there are more: --limit N shows them")


def lines(item: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about one set: its numbers, why it is where it is, its position, what it lacks."""
    yield "".join(f"{cell:>{width}}" for cell, (_, width) in zip(_cells(item), COLUMNS, strict=True))
    if item["level_since"]:
        yield f"since {_moment(item['level_since'])}: {_why(item['change'])}"
    if item["position"]:
        position = item["position"]
        yield f"holds a position since {_moment(position['entered'])}, entered at {position['entry']:g}"
    missing = "; ".join(_lack(lack) for lack in item["lacks"])
    yield f"lacks for {item['goal']}: {missing or 'nothing'}"


def _put(out: Console, text: Text) -> None:
    out.print(Padding(text, (0, 0, 0, _INDENT), expand=False))


def _cells(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        item["level"],
        str(item["closed"]),
        "no loss" if item["lossless"] else _number(item["profit_factor"], "{:.2f}"),
        _number(item["win_rate"], "{:.0%}"),
        _number(item["expectancy"], "{:+.2%}"),
        _number(item["drawdown_hours"], "{:.1f} h"),
        _number(item["edge"], "{:.0%}"),
    )


def _why(change: Mapping[str, Any] | None) -> str:
    """Return a change in words; numbers that the bar did not ask about are left out."""
    if change is None:
        return "why is no longer among the newest of the audit log"
    moved = f"{change['before']} > {change['after']}"
    numbers = _NUMBERS.fullmatch(change["why"])
    if numbers is None:
        return f"{moved}, {change['why']}"
    told = [
        f"{numbers['closed']} closed",
        _known(numbers["factor"], "factor {:.2f}"),
        _known(numbers["wins"], "wins {:.0%}"),
        _known(numbers["mean"], "{:+.2%} per trade"),
        _known(numbers["drawdown"], "drawdown {:.1f} h"),
        _known(numbers["edge"], "edge {:.0%}"),
    ]
    return f"{moved}, {numbers['cause']} ({', '.join(part for part in told if part)})"


def _lack(lack: Mapping[str, Any]) -> str:
    if lack["has"] is None:
        return _UNPROVEN.get(lack["demand"], f"no {lack['demand']}")
    return _DEMANDS[lack["demand"]].format(**lack)


def _known(text: str, form: str) -> str:
    return "" if text == "nan" else form.format(float(text))


def _number(value: float | None, form: str) -> str:
    return _NONE if value is None else form.format(value)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
