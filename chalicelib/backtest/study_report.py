"""What the ladder's study found, as lines for a terminal and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from chalicelib.backtest.study import Study, StudyOptions
from chalicelib.backtest.study_findings import AfterPromotion, Findings, Reached
from chalicelib.backtest.study_promotion import Figures
from chalicelib.backtest.study_skill import PACES, Skill
from chalicelib.backtest.study_statistics import BLOCK_DAYS, CONFIDENCE, RESAMPLES, Estimate
from chalicelib.domain.ladder import LEVEL_RULES, LEVELS, MAIN, REAL

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The heads of the columns, and the rows."""

REACHED_HEAD = ("profile", "sets", "level", "number", "judged", "reached", "of all, %", "of the judged, %")
AFTER_HEAD = ("profile", "sets", "level", "trades", "after promotion, %", "not promoted, %", "difference, %")
QUALITY_HEAD = ("profile", "sets", "level", "win rate, %", "of others, %", "profit factor", "of others")
SKILL_HEAD = (
    "losers left out",
    "sets",
    "trades per set",
    "per trade",
    "win rate",
    "profit factor",
    "Sharpe ratio",
)
POWER_HEAD = (
    "profile",
    "level",
    "profit factor",
    "judged",
    "reached",
    "of the judged, %",
    "positions",
    "day",
)
GROUPS = {"real": "of the sources", "placebo": "placebo"}


def as_json(study: Study, options: StudyOptions) -> dict[str, Any]:
    """Return the study as JSON-able values, with what it takes to repeat it; the data's place is left out."""
    asked = asdict(options)
    del asked["data"]
    method = {"confidence": CONFIDENCE, "block_days": BLOCK_DAYS, "resamples": RESAMPLES}
    return {"options": asked, "method": method, **asdict(study)}


def described(study: Study) -> str:
    """Return one line that says what was studied."""
    begins, ends = (datetime.fromtimestamp(at, UTC).date() for at in (study.begins, study.ends - 1))
    cut = f"; redenominated, one life counts: {', '.join(study.cut)}" if study.cut else ""
    return f"{study.symbols} symbols, {study.bars} candles each, {begins} to {ends}{cut}"


def reached(study: Study) -> Table:
    """Return how many sets ever reached main and real."""
    return REACHED_HEAD, list(_reached_rows(study))


def after(study: Study) -> Table:
    """Return the mean net returns per trade of promoted sets and of others, in percent, with intervals."""
    return AFTER_HEAD, list(_after_rows(study))


def quality(study: Study) -> Table:
    """Return win rate and profit factor of promoted sets and of others."""
    return QUALITY_HEAD, list(_quality_rows(study))


def skills(study: Study) -> Table:
    """Return the sizes of planted skill, as all trades of their sets show them."""
    return SKILL_HEAD, [
        (
            f"{skill.avoided:.0%}",
            f"{skill.sets}",
            f"{skill.median_closed:.0f}",
            f"{100 * skill.mean_return:+.3f} %",
            f"{100 * skill.win_rate:.1f} %",
            factor(skill),
            f"{skill.sharpe:+.2f}",
        )
        for skill in study.skills
    ]


def power(study: Study) -> Table:
    """Return how many sets with planted skill reached main and real, and after how long (medians)."""
    return POWER_HEAD, list(_power_rows(study))


def paces(study: Study) -> Table:
    """Return how many sets with planted skill reached real, by positions a day and profit factor."""
    heads = ("profile", "positions a day", *(f"profit factor {factor(skill)}" for skill in study.skills))
    return heads, [
        (
            profile,
            f"{least} to {PACES[row + 1]}" if row + 1 < len(PACES) else f"{least} and more",
            *(f"{pace.reached} of {pace.judged}" for pace in (found.paces[row] for found in sizes)),
        )
        for profile in LEVEL_RULES
        for sizes in ([found for found in study.power if found.profile == profile],)
        for row, least in enumerate(PACES)
        if any(found.paces[row].judged for found in sizes)
    ]


def powers(study: Study, level: str) -> Iterator[tuple[str, Skill, Reached]]:
    """Yield profile, size of skill and who reached a level, by profile; those that say something new."""
    for found in study.power:
        for row in found.reached:
            if row.level == level and tells(found.profile, level):
                skill = next(skill for skill in study.skills if skill.avoided == found.avoided)
                yield found.profile, skill, row


def factor(skill: Skill) -> str:
    """Return the profit factor of a size of skill."""
    return "no loss" if skill.profit_factor is None else f"{skill.profit_factor:.2f}"


def _power_rows(study: Study) -> Iterator[tuple[str, ...]]:
    for level in (LEVELS[MAIN], LEVELS[REAL]):
        for profile, skill, row in powers(study, level):
            yield (
                profile,
                level,
                factor(skill),
                f"{row.judged}",
                f"{row.reached}",
                percent(row.of_judged, 1),
                "-" if row.positions is None else f"{row.positions:.0f}",
                "-" if row.days is None else f"{row.days:.0f}",
            )


def _reached_rows(study: Study) -> Iterator[tuple[str, ...]]:
    for found in study.findings:
        for row in found.reached:
            if not tells(found.profile, row.level):
                continue
            yield (
                found.profile,
                GROUPS[found.group],
                row.level,
                f"{row.sets}",
                f"{row.judged}",
                f"{row.reached}",
                percent(row.of_all, 2),
                percent(row.of_judged, 2),
            )


def _after_rows(study: Study) -> Iterator[tuple[str, ...]]:
    for found, row in comparisons(study):
        compared = row.comparison
        yield (
            found.profile,
            GROUPS[found.group],
            row.level,
            f"{compared.promoted.trades}",
            percent(compared.promoted.mean_return, 3),
            percent(compared.others.mean_return, 3),
            percent(compared.difference, 3),
        )


def _quality_rows(study: Study) -> Iterator[tuple[str, ...]]:
    for found, row in comparisons(study):
        if row.comparison.promoted.trades:
            sides = (row.comparison.promoted, row.comparison.others)
            yield (found.profile, GROUPS[found.group], row.level, *_quality(*sides))


def comparisons(study: Study) -> Iterator[tuple[Findings, AfterPromotion]]:
    """Yield the comparisons of all trades after promotion; those of a part of them are in the JSON alone."""
    for found in study.findings:
        for row in found.afterwards:
            if tells(found.profile, row.level) and not row.while_on_level and not row.same_direction:
                yield found, row


def tells(profile: str, level: str) -> bool:
    """Tell whether a row says something new: profiles with fewer demands differ in who reaches real."""
    return profile in LEVEL_RULES or level == LEVELS[REAL]


def overall(study: Study) -> Iterator[str]:
    """Yield a line about all trades of each group, the same under every profile, and one about luck."""
    for group, name in GROUPS.items():
        found = study.of(study.findings[0].profile, group)
        yield (
            f"{name}: {found.sets} sets, {found.trades} trades, median {found.median_closed:.0f} per set,"
            f" mean {100 * found.mean_return:+.3f} % per trade"
        )
    lucky = (study.of(profile, "placebo").reached[-1] for profile in LEVEL_RULES)
    told = (
        f"{profile} {row.reached} of {row.sets} ({percent(row.of_all, 2)} %)"
        for profile, row in zip(LEVEL_RULES, lucky, strict=True)
    )
    yield f"placebo sets that ever reached real: {', '.join(told)}"


def percent(estimate: Estimate, decimals: int) -> str:
    """Return an estimate in percent with its interval, or why there is none."""
    return _shown(estimate, 100.0, decimals)


def _quality(promoted: Figures, others: Figures) -> tuple[str, ...]:
    return (
        percent(promoted.win_rate, 1),
        percent(others.win_rate, 1),
        _shown(promoted.profit_factor, 1.0, 2),
        _shown(others.profit_factor, 1.0, 2),
    )


def _shown(estimate: Estimate, scale: float, decimals: int) -> str:
    if estimate.value is None:
        return f"- ({estimate.reason})"
    value = f"{scale * estimate.value:.{decimals}f}"
    if estimate.low is None or estimate.high is None:
        return f"{value} ({estimate.reason})"
    return f"{value} [{scale * estimate.low:.{decimals}f}, {scale * estimate.high:.{decimals}f}]"
