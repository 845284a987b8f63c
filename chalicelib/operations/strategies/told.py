"""Says in words what a check of a strategy found; `cts check-strategy` prints it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.domain.candles import ANCHOR_BLOCK, Candles
from chalicelib.operations.strategies.check import Checked, Fault
from chalicelib.operations.strategies.evaluated import VOTES

_OWN_VALUES = (
    "no remembered indicator is wrong there, so it is the function's own arithmetic: wrap its steps in "
    "window.remember(name, ...) to have the step named"
)


def told(name: str, checked: Checked, stretches: Sequence[Candles]) -> list[str]:
    """Return the lines for one strategy: a line if it is sound, else three for each fault."""
    if not checked.faults:
        first, last = int(stretches[0].open_time[0]), stretches[-1].closed_until
        seen = f"{checked.prefixes} windows of {len(stretches[0].symbols)} symbols, {checked.votes} votes"
        return [
            f"{name}: sound ({seen}, {_moment(first)} to {_moment(last)}): it knows no future, and what "
            f"a window begins with changes no vote from bar {checked.agree_from} on (limit {ANCHOR_BLOCK})"
        ]
    lines = []
    for fault in checked.faults:
        lines.append(f"{name}: {fault.kind}{_where(fault)}")
        lines.extend(f"    {line}" for line in _why(fault))
    return lines


def _where(fault: Fault) -> str:
    if not fault.symbol:
        return ""
    return f": {fault.indicator} of {fault.symbol} at the bar of {_moment(fault.time)}"


def _why(fault: Fault) -> list[str]:
    if fault.kind == "NEVER VOTES":
        return ["it abstained everywhere, so nothing is proven: check it with other --data or --timeframe"]
    named = [other for other in fault.suspects if other not in VOTES]
    others = f"also wrong there: {', '.join(fault.suspects[1:])}" if fault.suspects[1:] else ""
    return [line for line in (*_reason(fault), others, "" if named else _OWN_VALUES) if line]


def _reason(fault: Fault) -> tuple[str, str]:
    values = f"{fault.one!r}", f"{fault.other!r}"
    if fault.kind == "LOOKS AHEAD":
        return (
            f"{_shown(fault)} {values[0]} when no later bar was known and {values[1]} with later ones",
            "use the bar itself and bars before it only: no [i + 1], no roll to the left, no centred window, "
            "nothing divided by the maximum or mean of all bars",
        )
    if fault.kind == "IS NOT REPEATABLE":
        return (
            f"{_shown(fault)} {values[0]} and {values[1]} in two evaluations of the same candles",
            "use no random numbers, no clock, and keep nothing between calls",
        )
    return (
        f"{_shown(fault)} {values[0]} with candles that begin {fault.missing_bars} bars later and "
        f"{values[1]} with all, {ANCHOR_BLOCK} bars or more after either beginning",
        f"let values depend on the last {ANCHOR_BLOCK} bars only: shorter periods of recursive averages, "
        "rolling sums and not those from the first bar on",
    )


def _shown(fault: Fault) -> str:
    """Return of what the values are: one without bars has none of its own, the vote that it changes has."""
    return "it was" if fault.shown == fault.indicator else f"the vote's {fault.shown} was"


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%MZ")
