"""What one ladder goes by: its sets, trading terms and bars of the levels, with the fingerprint of it all."""

import hashlib
import json
from dataclasses import asdict, dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.connection import LadderProfile, PaperTerms
from chalicelib.domain.ladder.sets import SHORT, ConfigurationSets, Rows, profile_name

Floats = NDArray[np.float64]

RULE_VERSION = 1
"""Grows with every change that lets the same candles and signals lead to another state."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a paper trade costs on each of its two sides, as ratios of the price."""

    fee_rate: float
    slippage: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The bar of one level: least closed positions and profit factor; None switches a further demand off."""

    positions: int
    profit_factor: float
    win_rate: float | None = None
    drawdown_hours: float | None = None


@dataclass(frozen=True, slots=True)
class LevelRules:
    """Bars to reach main and real, and to be mirrored from real; windows in closed positions.

    `kept` returns are kept per set and decide about levels; the last `recent` decide about mirroring.
    A set falls when it misses the bar of its level by more than `hysteresis` (a ratio of the bar).
    """

    main: Threshold
    real: Threshold
    mirror: Threshold
    kept: int = 50
    recent: int = 30
    hysteresis: float = 0.10


LEVEL_RULES: dict[LadderProfile, LevelRules] = {
    "source": LevelRules(
        main=Threshold(positions=10, profit_factor=0.5),
        real=Threshold(positions=50, profit_factor=0.6, drawdown_hours=12.0),
        mirror=Threshold(positions=30, profit_factor=0.6, drawdown_hours=12.0),
    ),
    "prudent": LevelRules(
        main=Threshold(positions=30, profit_factor=1.0),
        real=Threshold(positions=100, profit_factor=1.2, drawdown_hours=12.0),
        mirror=Threshold(positions=30, profit_factor=1.3, drawdown_hours=12.0),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """One ladder and its rules as columns `[sets]`, ready for the kernel.

    Factors multiply the entry price; NaN is off. `market` is the row in quotes of which the first half is as
    seen by long positions, the second by short ones; `signal` the row in flattened `[strategies, symbols]`.
    """

    sets: ConfigurationSets
    terms: Terms
    rules: LevelRules
    fingerprint: str
    market: Rows
    signal: Rows
    direction: Floats
    target_factor: Floats
    stop_factor: Floats
    trailing_distance: Floats
    activation_factor: Floats
    time_limit: Rows


def build_ladder(
    sets: ConfigurationSets, terms: Terms, rules: LevelRules, signals_version: str = ""
) -> Ladder:
    """Prepare a ladder. `signals_version` names whatever else decides the signals (strategy parameters)."""
    direction = sets.direction.astype(np.float64)
    take_profit, stop_loss, distance, activation = (
        _ratios([getattr(profile, name) for profile in sets.profiles])[sets.profile]
        for name in ("take_profit", "stop_loss", "trailing_distance", "trailing_activation")
    )
    limits = np.array([profile.time_limit or 0 for profile in sets.profiles], dtype=np.int64)
    return Ladder(
        sets=sets,
        terms=terms,
        rules=rules,
        fingerprint=fingerprint(sets, terms, rules, signals_version),
        market=sets.symbol + len(sets.symbols) * (sets.direction == SHORT),
        signal=sets.strategy * len(sets.symbols) + sets.symbol,
        direction=direction,
        target_factor=1.0 + direction * take_profit,
        stop_factor=1.0 - direction * stop_loss,
        trailing_distance=distance,
        activation_factor=1.0 + direction * np.nan_to_num(activation),
        time_limit=limits[sets.profile],
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


def _ratios(values: list[Decimal | None]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
