"""Draws the ladder's study as one SVG file that needs nothing else; called by `cts ladder study`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log10

from chalicelib.backtest.study import Study
from chalicelib.backtest.study_report import GROUPS, comparisons, described, factor, powers, tells
from chalicelib.backtest.study_statistics import Estimate
from chalicelib.domain.ladder import LEVELS, REAL

_WIDTH, _LABELS, _RIGHT = 1020, 360, 130
_ROW, _BAR, _TOP = 26, 14, 104
_COLOURS = {"real": "#1f6f8b", "placebo": "#c0682a", "skilled": "#4c7a34"}
_Scale = Callable[[float], float]
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:17px;font-weight:600}"
    ".axis{stroke:#bbb}.zero{stroke:#444;stroke-dasharray:4 3}.interval{stroke-width:2}"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a panel: what it is about, whose sets, and the figure in percent."""

    label: str
    group: str
    estimate: Estimate
    shown: str


@dataclass(slots=True)
class _Sheet:
    """Pieces of the picture, from top to bottom; `height` is where the next goes."""

    height: float = 0.0
    pieces: list[str] = field(default_factory=list)

    def text(self, x: float, words: str, kind: str = "", anchor: str = "start") -> None:
        self.pieces.append(
            f'<text x="{x:.1f}" y="{self.height:.1f}" class="{kind}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str, colour: str = "") -> None:
        style = f' stroke="{colour}"' if colour else ""
        self.pieces.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"{style}/>'
        )


def picture(study: Study) -> str:
    """Return an SVG: who reached each level, planted skill on real, and differences after promotion."""
    sheet = _Sheet(28.0)
    sheet.text(16, "The ladder on recorded candles", "title")
    for line in (described(study), "lines are 95 % confidence intervals"):
        sheet.height += 20
        sheet.text(16, line)
    sheet.height = _TOP
    _panel(sheet, "Sets that ever reached a level, % of all", _shares(study), from_zero=True)
    if study.power:
        sheet.height += 34
        title = "Sets with planted skill that ever reached real, % of those with enough positions"
        _panel(sheet, title, _skilled(study), from_zero=True)
    sheet.height += 34
    title = "Mean net return per trade after promotion minus that of sets not promoted, % of the entry"
    _panel(sheet, title, _differences(study), from_zero=False)
    height = sheet.height + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {_WIDTH} {height:.0f}" role="img"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(sheet.pieces)}</svg>\n'
    )


def _shares(study: Study) -> list[_Row]:
    return [
        _Row(
            f"{found.profile}, {row.level}: {GROUPS[found.group]}",
            found.group,
            row.of_all,
            f"{row.reached} of {row.sets}",
        )
        for level in range(2)
        for found in study.findings
        for row in (found.reached[level],)
        if tells(found.profile, row.level)
    ]


def _skilled(study: Study) -> list[_Row]:
    return [
        _Row(
            f"{profile}: profit factor {factor(skill)}" if skill.avoided else f"{profile}: no skill",
            "skilled" if skill.avoided else "placebo",
            row.of_judged,
            f"{row.reached} of {row.judged}",
        )
        for profile, skill, row in powers(study, LEVELS[REAL])
    ]


def _differences(study: Study) -> list[_Row]:
    return [
        _Row(
            f"{found.profile}, {row.level}: {GROUPS[found.group]}",
            found.group,
            row.comparison.difference,
            f"{row.comparison.promoted.trades} trades",
        )
        for found, row in comparisons(study)
    ]


def _panel(sheet: _Sheet, title: str, rows: Sequence[_Row], from_zero: bool) -> None:
    sheet.text(16, title, "title")
    sheet.height += 14
    low, high = _range(rows, from_zero)

    def across(value: float) -> float:
        return _LABELS + (value - low) / (high - low) * (_WIDTH - _LABELS - _RIGHT)

    top, bottom = sheet.height, sheet.height + _ROW * len(rows)
    marks = _marks(low, high)
    for mark in marks:
        sheet.line(across(mark), top, across(mark), bottom, "axis")
    sheet.line(across(0), top, across(0), bottom, "zero")
    for row in rows:
        _draw(sheet, row, across, from_zero)
    sheet.height += 16
    for mark in marks:
        sheet.text(across(mark), f"{mark:.4g}", anchor="middle")


def _draw(sheet: _Sheet, row: _Row, across: _Scale, bars: bool) -> None:
    middle, colour = sheet.height + _ROW / 2, _COLOURS[row.group]
    sheet.height += _ROW - 8
    sheet.text(_LABELS - 10, row.label, anchor="end")
    value = row.estimate.value
    if value is None:
        sheet.text(across(0) + 10, row.estimate.reason)
    else:
        sheet.text(_WIDTH - _RIGHT + 12, row.shown)
    sheet.height += 8
    if value is None:
        return
    if bars:
        sheet.pieces.append(
            f'<rect x="{across(0):.1f}" y="{middle - _BAR / 2:.1f}" height="{_BAR}" '
            f'width="{across(100 * value) - across(0):.1f}" fill="{colour}" fill-opacity="0.6">'
            f"<title>{escape(row.label)}: {100 * value:.4g} %</title></rect>"
        )
    else:
        sheet.pieces.append(
            f'<circle cx="{across(100 * value):.1f}" cy="{middle:.1f}" r="5" fill="{colour}">'
            f"<title>{escape(row.label)}: {100 * value:.4g} %</title></circle>"
        )
    if row.estimate.low is not None and row.estimate.high is not None:
        ends = across(100 * row.estimate.low), across(100 * row.estimate.high)
        sheet.line(ends[0], middle, ends[1], middle, "interval", colour)


def _range(rows: Sequence[_Row], from_zero: bool) -> tuple[float, float]:
    """Return the ends of the axis in percent: all figures and intervals, and zero."""
    figures = [0.0]
    for row in rows:
        numbers = (row.estimate.value, row.estimate.low, row.estimate.high)
        figures += [100 * number for number in numbers if number is not None]
    low, high = min(figures), max(figures)
    room = 0.05 * (high - low) or 1.0
    return (0.0 if from_zero else low - room), min(high + room, 100.0) if from_zero else high + room


def _marks(low: float, high: float) -> list[float]:
    """Return round numbers between two: multiples of 1, 2 or 5 times a power of ten, at most seven."""
    power = 10.0 ** floor(log10((high - low) / 6))
    step = next(power * part for part in (1, 2, 5, 10) if (high - low) / (power * part) <= 6)
    return [step * number for number in range(ceil(low / step), floor(high / step + 1e-9) + 1)]
