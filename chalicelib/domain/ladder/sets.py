"""Configuration sets as columns: what competes on the ladder; built by the strategy tick and by backtests."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.signal import Direction, ExitProfile
from chalicelib.errors import UsageError

Rows = NDArray[np.int64]

LONG, SHORT = 1, -1
PRESET_TARGETS = (Decimal("0.01"), Decimal("0.02"), Decimal("0.04"))
PRESET_STOPS = (Decimal("0.01"), Decimal("0.02"))
PRESET_TRAILING = (Decimal("0.01"), Decimal("0.02"))
PRESET_TIME_LIMIT_BARS = 96


@dataclass(frozen=True, slots=True, eq=False)
class ConfigurationSets:
    """Columns `[sets]` of row numbers into `symbols`, `strategies` and `profiles`; direction is +1 or -1.

    Time limits of profiles are seconds and whole intervals of `timeframe` (seconds).
    """

    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    profiles: tuple[ExitProfile, ...]
    timeframe: int
    symbol: Rows
    strategy: Rows
    direction: NDArray[np.int8]
    profile: Rows

    def __len__(self) -> int:
        return len(self.symbol)

    def set_id(self, index: int) -> str:
        """Return the stable id of one set: `symbol|strategy|direction|profile`."""
        symbol, strategy = self.symbols[self.symbol[index]], self.strategies[self.strategy[index]]
        profile = profile_name(self.profiles[self.profile[index]])
        return f"{symbol}|{strategy}|{direction_name(int(self.direction[index]))}|{profile}"


def direction_name(direction: int) -> Direction:
    """Return `long` for +1 and `short` for -1."""
    return "long" if direction == LONG else "short"


def profile_name(profile: ExitProfile) -> str:
    """Return a text that says all of an exit profile, such as `tp0.02-sl0.01-td0.01-ta0.01-tl3600`."""
    named = {
        "tp": profile.take_profit,
        "sl": profile.stop_loss,
        "td": profile.trailing_distance,
        "ta": profile.trailing_activation,
    }
    parts = [f"{key}{ratio.normalize():f}" for key, ratio in named.items() if ratio is not None]
    if profile.time_limit:
        parts.append(f"tl{profile.time_limit}")
    return "-".join(parts) or "none"


def configuration_sets(
    symbols: Sequence[str],
    strategies: Sequence[str],
    profiles: Sequence[ExitProfile],
    timeframe: int,
    rows: Sequence[tuple[int, int, int, int]],
) -> ConfigurationSets:
    """Build sets from rows of (symbol row, strategy row, direction +1 or -1, profile row).

    Raises UsageError that names a row number outside its list, a repeated set or an impossible profile.
    """
    for profile in profiles:
        _check_profile(profile, timeframe)
    if len(set(rows)) != len(rows):
        raise UsageError("configuration sets must not repeat")
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    for name, column, size in (
        ("symbol", 0, len(symbols)),
        ("strategy", 1, len(strategies)),
        ("exit profile", 3, len(profiles)),
    ):
        if ((table[:, column] < 0) | (table[:, column] >= size)).any():
            raise UsageError(f"a configuration set names a {name} beyond the {size} given")
    if not np.isin(table[:, 2], (LONG, SHORT)).all():
        raise UsageError("the direction of a configuration set must be 1 or -1")
    symbol, strategy, direction, profile_row = (np.ascontiguousarray(column) for column in table.T)
    return ConfigurationSets(
        tuple(symbols),
        tuple(strategies),
        tuple(profiles),
        timeframe,
        symbol,
        strategy,
        direction.astype(np.int8),
        profile_row,
    )


def grid_sets(
    symbols: Sequence[str], strategies: Sequence[str], profiles: Sequence[ExitProfile], timeframe: int
) -> ConfigurationSets:
    """Build every combination of symbol, strategy, direction and profile, in that order."""
    rows = list(product(range(len(symbols)), range(len(strategies)), (LONG, SHORT), range(len(profiles))))
    return configuration_sets(symbols, strategies, profiles, timeframe, rows)


def preset_profiles(timeframe: int) -> tuple[ExitProfile, ...]:
    """Return the ten exit profiles of the preset, each with a time limit of 96 intervals.

    Six have a fixed target and stop (3 x 2). Four trail at 1 or 2 %, armed by a gain of the same size, behind
    a stop of that size: once without a target and once with the widest.
    """
    limit = PRESET_TIME_LIMIT_BARS * timeframe
    fixed = tuple(
        ExitProfile(target, stop, time_limit=limit) for target, stop in product(PRESET_TARGETS, PRESET_STOPS)
    )
    trailing = tuple(
        ExitProfile(target, distance, distance, distance, limit)
        for target, distance in product((None, PRESET_TARGETS[-1]), PRESET_TRAILING)
    )
    return fixed + trailing


def preset_sets(symbols: Sequence[str], strategies: Sequence[str], timeframe: int) -> ConfigurationSets:
    """Build the default preset: 20 sets per symbol and strategy, so 100 per symbol with five strategies."""
    return grid_sets(symbols, strategies, preset_profiles(timeframe), timeframe)


def _check_profile(profile: ExitProfile, timeframe: int) -> None:
    name = profile_name(profile)
    ratios = (profile.take_profit, profile.stop_loss, profile.trailing_distance)
    if any(ratio is not None and ratio <= 0 for ratio in ratios):
        raise UsageError(f"exit profile {name}: ratios must be above 0 or left out")
    if profile.trailing_activation is not None and profile.trailing_activation < 0:
        raise UsageError(f"exit profile {name}: trailing_activation must not be negative")
    if (profile.time_limit or 0) % timeframe or (profile.time_limit or 0) < 0:
        raise UsageError(f"exit profile {name}: time_limit must be a multiple of {timeframe} s")
