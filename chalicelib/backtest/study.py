"""The ladder's study: what luck and what skill reach on recorded candles, and how sets did after promotion.

Called by `cts ladder study`; the same options and seed give the same figures.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chalicelib.backtest.study_candles import in_one_unit
from chalicelib.backtest.study_findings import Findings, findings
from chalicelib.backtest.study_outcome import compete, together
from chalicelib.backtest.study_placebo import FIELD_SETS, Contest, placebo_contests
from chalicelib.backtest.study_skill import Power, Skill, power, skilled_contest
from chalicelib.domain.candles import Candles
from chalicelib.domain.ladder import LevelRules, Terms, level_rules, terms_of
from chalicelib.domain.ladder.preset import ladder_configuration
from chalicelib.domain.trading_settings import (
    DEFAULT_STRATEGIES,
    LadderChoice,
    PaperTerms,
    RiskLimits,
)
from chalicelib.domain.voting import evaluations
from chalicelib.errors import UsageError
from chalicelib.local.candle_files import read_candles

SOURCE_ANY_DRAWDOWN = "source, any drawdown"
ANY_DRAWDOWN, ANY_LUCK = "prudent, any drawdown", "prudent, any drawdown or luck"
"""Profiles without one or two of their demands: what the others hold back by themselves."""

LARGEST_PLACEBO = 1_000_000
LARGEST_RATE = 100.0
_PLANTING = 2
"""Mixed into the seed of the planted skill, so that it does not depend on how many placebos were drawn."""


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What is studied: `placebo` sets with `rate` times as many signals as the real sources give.

    `skilled` sets with planted skill of several sizes compete in a ladder of their own. All sets pay `costs`
    times the default fee and slippage; without costs luck is not held down by losses.
    """

    data: Path
    timeframe: str = "1h"
    symbols: int = 100
    placebo: int = 10_000
    skilled: int = FIELD_SETS
    rate: float = 1.0
    costs: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers out of range with UsageError."""
        if not 1 <= self.placebo <= LARGEST_PLACEBO:
            raise UsageError(f"--placebo must be between 1 and {LARGEST_PLACEBO}, not {self.placebo}")
        if not 0 <= self.skilled <= FIELD_SETS:
            raise UsageError(f"--skilled must be from 0 to {FIELD_SETS}, not {self.skilled}")
        if not 0 < self.rate <= LARGEST_RATE:
            raise UsageError(f"--rate must be above 0 and at most {LARGEST_RATE:g}, not {self.rate:g}")
        if not 0 <= self.costs <= LARGEST_RATE:
            raise UsageError(f"--costs must be from 0 to {LARGEST_RATE:g}, not {self.costs:g}")
        if self.seed < 0:
            raise UsageError(f"--seed must not be negative, not {self.seed}")


@dataclass(frozen=True, slots=True)
class Study:
    """All findings, and of which candles; symbols in `cut` were redenominated, one of their lives counts."""

    symbols: int
    cut: tuple[str, ...]
    bars: int
    begins: int
    ends: int
    sources: tuple[str, ...]
    findings: tuple[Findings, ...]
    skills: tuple[Skill, ...]
    power: tuple[Power, ...]

    def of(self, profile: str, group: str) -> Findings:
        """Return the findings of one profile and group."""
        return next(found for found in self.findings if (found.profile, found.group) == (profile, group))


def run_study(options: StudyOptions, preset: Mapping[str, Any] | None, told: Callable[[str], None]) -> Study:
    """Read the candles and study them; UsageError for data that does not serve."""
    told("reading candles")
    candles, cut = in_one_unit(read_candles(options.data, options.timeframe, options.symbols))
    told("signals of the sources")
    real = real_contest(candles, preset)
    usual = terms_of(PaperTerms())
    terms = Terms(usual.fee_rate * options.costs, usual.slippage * options.costs)
    return study(options, candles, cut, real, terms, told)


def studied_rules(timeframe: int) -> dict[str, LevelRules]:
    """Return the profiles, and each with demands for real taken away one after the other."""
    source, prudent = level_rules("source", timeframe), level_rules("prudent", timeframe)
    any_drawdown = replace(prudent, real=replace(prudent.real, drawdown_hours=None))
    any_luck = replace(prudent, real=replace(any_drawdown.real, edge=None))
    return {
        "source": source,
        SOURCE_ANY_DRAWDOWN: replace(source, real=replace(source.real, drawdown_hours=None)),
        "prudent": prudent,
        ANY_DRAWDOWN: any_drawdown,
        ANY_LUCK: any_luck,
    }


def real_contest(candles: Candles, preset: Mapping[str, Any] | None) -> Contest:
    """Return the sets of a preset (in its plain form; None: the default one) with their sources' signals.

    Signals are those that a connection with default settings gets, each judged on the window of its block.
    """
    choice = LadderChoice(preset=preset)
    sets, sources = ladder_configuration(choice, DEFAULT_STRATEGIES, candles.symbols, candles.timeframe)
    confidence = RiskLimits().min_confidence
    blocks = [signals for _, signals in evaluations(candles, sources, confidence, 0)]
    return Contest(sets, np.concatenate(blocks, axis=2))


def study(
    options: StudyOptions,
    candles: Candles,
    cut: tuple[str, ...],
    real: Contest,
    terms: Terms,
    told: Callable[[str], None],
) -> Study:
    """Let real, placebo and skilled sets compete under every profile, in ladders of their own, and compare.

    `told` hears what is being worked on.
    """
    found = []
    for profile, rules in studied_rules(candles.timeframe).items():
        told(f"{profile}: {len(real.sets)} sets of the sources")
        outcome = compete(real, candles, terms, rules)
        found.append(findings(profile, "real", rules, outcome, options.seed))
        random = np.random.default_rng(options.seed)
        outcomes = []
        for contest in placebo_contests(real, candles, options.placebo, options.rate, random):
            told(f"{profile}: {len(contest.sets)} placebo sets")
            outcomes.append(compete(contest, candles, terms, rules))
        found.append(findings(profile, "placebo", rules, together(outcomes), options.seed))
    skills, powers = _planted(options, candles, real, terms, found[1].losing, told)
    return Study(
        symbols=len(candles.symbols),
        cut=cut,
        bars=candles.bars,
        begins=int(candles.open_time[0]),
        ends=candles.closed_until,
        sources=real.sets.strategies,
        findings=tuple(found),
        skills=skills,
        power=powers,
    )


def _planted(
    options: StudyOptions,
    candles: Candles,
    real: Contest,
    terms: Terms,
    losing: float,
    told: Callable[[str], None],
) -> tuple[tuple[Skill, ...], tuple[Power, ...]]:
    """Return the sizes of planted skill and what each reached; `losing` is the share of random entries."""
    if not options.skilled:
        return (), ()
    told(f"{options.skilled} sets with planted skill")
    random = np.random.default_rng((options.seed, _PLANTING))
    planted = skilled_contest(real, candles, options.skilled, options.rate, losing, terms, random)
    skills: tuple[Skill, ...] = ()
    powers: list[Power] = []
    for profile, rules in studied_rules(candles.timeframe).items():
        told(f"{profile}: {options.skilled} sets with planted skill")
        skills, reached = power(planted, compete(planted.contest, candles, terms, rules), profile, rules)
        powers += reached
    return skills, tuple(powers)
