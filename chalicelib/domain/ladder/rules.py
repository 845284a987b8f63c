"""What one ladder goes by: its sets, trading terms and bars of the levels, with the fingerprint of it all."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.connection import LadderProfile, PaperTerms
from chalicelib.domain.ladder.sets import SHORT, ConfigurationSets, Rows, profile_name
from chalicelib.errors import UsageError

Floats = NDArray[np.float64]

NO_LIMIT = 1 << 40
"""Bars of a position without a time limit: more than any market has had."""

BREAK_FACTOR = 5.0
"""A candle that opens more than so many times above or below the last close of its symbol breaks the series:
it is a redenomination or a fault of the data, since no market falls or rises so far between two candles."""

RULE_VERSION = 3
"""Grows with every change that lets the same candles and signals lead to another state."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a paper trade costs on each of its two sides, as ratios of the price."""

    fee_rate: float
    slippage: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The bar of one level; None switches a further demand off.

    `positions` is the least number of positions ever closed. The rest is asked of the last `window` positions
    (of all, while there are fewer), `edge` of all kept: the least probability that the returns are better
    than those of the luckiest of as many sets without skill (see `luck`).
    """

    positions: int
    profit_factor: float
    window: int = 50
    win_rate: float | None = None
    drawdown_hours: float | None = None
    edge: float | None = None


@dataclass(frozen=True, slots=True)
class LevelRules:
    """Bars to reach main and real, and to be mirrored from real; `kept` positions are kept per set.

    A set falls when it misses the bar of its level by more than `hysteresis` (a ratio of the bar).
    """

    main: Threshold
    real: Threshold
    mirror: Threshold
    kept: int = 250
    hysteresis: float = 0.10

    @property
    def windows(self) -> tuple[int, ...]:
        """The windows of the levels, whose sums are carried from trade to trade."""
        return tuple(sorted({self.main.window, self.real.window}))


LEVEL_RULES: dict[LadderProfile, LevelRules] = {
    "source": LevelRules(
        main=Threshold(positions=10, profit_factor=0.5),
        real=Threshold(positions=50, profit_factor=0.6, drawdown_hours=12.0),
        mirror=Threshold(positions=30, profit_factor=0.6, window=30, drawdown_hours=12.0),
    ),
    "prudent": LevelRules(
        main=Threshold(positions=30, profit_factor=1.0),
        real=Threshold(positions=100, profit_factor=1.2, window=100, drawdown_hours=12.0, edge=0.95),
        mirror=Threshold(positions=30, profit_factor=1.3, window=30, drawdown_hours=12.0),
    ),
}


DRAWDOWN_CANDLES = 144
"""How many candles an average drawdown may last under `prudent` where that is longer than its hours.

A loss is made good by a later position, and those are as far apart as candles allow: 12 hours are 144 candles
of five minutes but 12 of an hour, which no skill keeps to (docs/ladder.md).
"""


def level_rules(profile: LadderProfile, timeframe: int) -> LevelRules:
    """Return the bars of a profile for candles of `timeframe` seconds."""
    rules = LEVEL_RULES[profile]
    if profile == "source":
        return rules
    hours = DRAWDOWN_CANDLES * timeframe / 3600

    def eased(bar: Threshold) -> Threshold:
        return replace(bar, drawdown_hours=max(bar.drawdown_hours or 0.0, hours))

    return replace(rules, real=eased(rules.real), mirror=eased(rules.mirror))


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """One ladder and its rules as columns `[sets]`, ready for the kernel.

    Factors multiply the entry price. What is off can never be reached: an infinite factor or distance.
    `market` is the row in prices of which the first half is as seen by long positions, the second by short
    ones; `signal` and `opposite` are rows in signals flattened from `[directions, sources, symbols]`.
    `trails` says which sets have a trailing stop; `limited` if any set has a time limit.
    """

    sets: ConfigurationSets
    terms: Terms
    rules: LevelRules
    fingerprint: str
    market: Rows
    signal: Rows
    opposite: Rows
    direction: Floats
    target_factor: Floats
    stop_factor: Floats
    trailing_distance: Floats
    activation_factor: Floats
    limit_bars: Rows
    limited: bool
    trails: NDArray[np.bool_]


def build_ladder(
    sets: ConfigurationSets, terms: Terms, rules: LevelRules, signals_version: str = ""
) -> Ladder:
    """Prepare a ladder. `signals_version` names whatever else decides the signals (strategy parameters).

    Raises UsageError if a window is longer than what is kept.
    """
    _check_windows(rules)
    direction = sets.direction.astype(np.float64)
    take_profit, stop_loss, distance = (
        _ratios([getattr(profile, name) for profile in sets.profiles], off=np.inf)[sets.profile]
        for name in ("take_profit", "stop_loss", "trailing_distance")
    )
    activation = _ratios([profile.trailing_activation for profile in sets.profiles], off=0.0)[sets.profile]
    limits = [(profile.time_limit or 0) // sets.timeframe or NO_LIMIT for profile in sets.profiles]
    short = (sets.direction == SHORT).astype(np.int64)
    source = sets.strategy * len(sets.symbols) + sets.symbol
    directions = len(sets.strategies) * len(sets.symbols)
    return Ladder(
        sets=sets,
        terms=terms,
        rules=rules,
        fingerprint=fingerprint(sets, terms, rules, signals_version),
        market=sets.symbol + len(sets.symbols) * short,
        signal=source + directions * short,
        opposite=source + directions * (1 - short),
        direction=direction,
        target_factor=1.0 + direction * take_profit,
        stop_factor=1.0 - direction * stop_loss,
        trailing_distance=distance,
        activation_factor=1.0 + direction * activation,
        limit_bars=np.array(limits, dtype=np.int64)[sets.profile],
        limited=min(limits, default=NO_LIMIT) < NO_LIMIT,
        trails=np.isfinite(distance),
    )


def fingerprint(sets: ConfigurationSets, terms: Terms, rules: LevelRules, signals_version: str = "") -> str:
    """Return a digest of everything besides candles that a ladder's state depends on."""
    described = {
        "rule_version": RULE_VERSION,
        "signals_version": signals_version,
        "symbols": sets.symbols,
        "strategies": sets.strategies,
        "profiles": [profile_name(profile) for profile in sets.profiles],
        "timeframe": sets.timeframe,
        "terms": asdict(terms),
        "rules": asdict(rules),
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for column in (sets.symbol, sets.strategy, sets.direction, sets.profile):
        digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
    return digest.hexdigest()[:32]


def terms_of(paper: PaperTerms) -> Terms:
    """Return the terms that match the paper venue's: half the spread is paid as slippage on each side."""
    return Terms(float(paper.fee_rate), float(paper.slippage + paper.spread / 2))


def _check_windows(rules: LevelRules) -> None:
    for bar in (rules.main, rules.real, rules.mirror):
        if not 1 <= bar.window <= rules.kept:
            raise UsageError(
                f"a window of {bar.window} positions does not fit into the {rules.kept} that are kept"
            )


def _ratios(values: list[Decimal | None], off: float) -> Floats:
    return np.array([off if value is None else float(value) for value in values], dtype=np.float64)
