"""The tables of the report page as HTML; used by write.py."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from chalicelib.backtest.page.text import amount, count, duration, label, name, percent, undefined
from chalicelib.domain.performance.groups import Group
from chalicelib.domain.performance.measure import Measure
from chalicelib.domain.performance.monthly import YearReturns

MAX_ROWS = 250
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return a table whose cells are HTML already: the first column names the row."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows[:MAX_ROWS]
    )
    left_out = len(rows) - MAX_ROWS
    more = f'<p class="note">{left_out:,} more rows are left out.</p>' if left_out > 0 else ""
    return _scrolling(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>", caption) + more


def _scrolling(content: str, caption: str) -> str:
    # A part that scrolls must be reachable by keyboard.
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">{content}</div>'


def groups_table(groups: Sequence[Group], what: str, words: bool = False) -> str:
    """Return the trades by symbol, strategy or exit reason; `words` where their names are identifiers."""
    columns = (what, "Trades", "Win rate", "Net profit", "Profit factor", "Mean return", "Mean time held")
    rows = [
        (
            (label if words else name)(group.name),
            count(group.trades),
            _measure(group.win_rate, percent),
            signed(group.profit, amount(group.profit)),
            _measure(group.profit_factor, amount),
            _measure(group.average_return, _signed_percent),
            _measure(group.average_seconds, duration),
        )
        for group in groups
    ]
    return table(columns, rows, f"Trades by {what.lower()}")


def refused_table(refused: Mapping[str, int]) -> str:
    """Return the number of refused signals by reason, most first."""
    ordered = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
    rows = [(label(reason), count(signals)) for reason, signals in ordered]
    return table(("Reason", "Signals"), rows, "Refused signals by reason")


def monthly_table(years: Sequence[YearReturns]) -> str:
    """Return a row per year with its months and the year's return, shaded by size."""
    months = [month.value for year in years for month in year.months if month is not None]
    largest = max((abs(value) for value in months if value is not None), default=0.0) or 1.0
    head = "".join(f'<th scope="col">{column}</th>' for column in ("Year", *MONTHS, "Total"))
    body = "".join(_year(year, largest) for year in years)
    content = f'<table class="months"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return _scrolling(content, "Monthly returns")


def _year(year: YearReturns, largest: float) -> str:
    cells = "".join(_month(month, largest) for month in year.months)
    total = _measure(year.total, _signed_percent)
    return f'<tr><th scope="row">{year.year}</th>{cells}<td class="total">{total}</td></tr>'


def _month(month: Measure | None, largest: float) -> str:
    if month is None:
        return "<td></td>"
    value = month.value
    if value is None:
        return f"<td>{undefined(month)}</td>"
    side = "gain" if value > 0 else "loss" if value < 0 else "even"
    shade = f"--shade:{10 + 50 * abs(value) / largest:.0f}%"
    return f'<td class="{side}" style="{shade}">{_signed_percent(value)}</td>'


def _signed_percent(value: float) -> str:
    return percent(value, signed=True)


def _measure(measure: Measure, shown: Callable[[float], str]) -> str:
    return undefined(measure) if measure.value is None else shown(measure.value)


def signed(value: float, text: str) -> str:
    """Return a gain or loss in its colour; the sign stays in the text, so colour is not all that tells."""
    if value > 0:
        return f'<span class="gain">+{text}</span>'
    return f'<span class="loss">{text}</span>' if value < 0 else text
