"""Writes a new strategy with its test: a small one that works, to be changed; `cts new-strategy` calls it."""

from dataclasses import dataclass
from pathlib import Path

from chalicelib import user_strategies
from chalicelib.domain.strategies.users import name_problem
from chalicelib.errors import UsageError

TESTS = Path("tests") / "strategies"

STRATEGY = '''"""{title}: buys dips of a rising market and sells rallies of a falling one.

An example that works: keep its shape, change what it says. docs/strategies.md explains the rules.
"""

from dataclasses import dataclass

import numpy as np

from chalicelib.domain.strategies.base import Votes, Window, check_range, votes_where


@dataclass(frozen=True, slots=True)
class Parameters:
    """Periods in bars. What has a default here can be set for each connection and in presets."""

    trend_period: int = 50
    rsi_period: int = 7
    rsi_distance: float = 10.0

    def __post_init__(self) -> None:
        # A value out of its range is refused before it can trade.
        check_range("trend_period", self.trend_period, 5, 70)
        check_range("rsi_period", self.rsi_period, 2, 35)
        check_range("rsi_distance", self.rsi_distance, 2, 45)

    @property
    def warm_up(self) -> int:
        """Bars until the first vote, 256 at most."""
        return max(self.trend_period, self.rsi_period + 1)


def vote(window: Window, parameters: Parameters) -> Votes:
    """Vote with the trend where the RSI is far against it; confidence grows with that distance.

    All arrays are [symbols, bars], oldest bar first. The value at a bar may use that bar and those before
    it, never a later one: `cts check-strategy {name}` proves it.
    """
    # Indicators of the window are computed once and shared with the other strategies. Bars before an
    # indicator has enough candles are NaN, and comparisons with NaN are false: there is no vote there.
    trend = window.close - window.ema(parameters.trend_period)
    dip = 50.0 - window.rsi(parameters.rsi_period)  # above 0 after a fall, below 0 after a rise

    # +1 where the market rises and has dipped, -1 where it falls and has rallied.
    direction = np.sign(trend)
    depth = dip * direction
    speaks = depth >= parameters.rsi_distance

    # Score: -1 (short) to 1 (long). Confidence: 0 to 1; connections act from their min_confidence on.
    confidence = 0.5 * depth / parameters.rsi_distance
    # votes_where abstains wherever `speaks` is false, and keeps both in their ranges.
    return votes_where(speaks, direction, confidence)
'''

TEST = '''"""{title} votes as it says, knows no future, and forgets where its candles begin."""

import numpy as np
import pytest

from chalicelib.domain.strategies import parameters_of, strategy_named
from chalicelib.domain.strategies.base import window_of
from chalicelib.errors import Rejected
from chalicelib.operations.strategies.check import check
from chalicelib.operations.strategies.check_candles import walked


def test_it_keeps_the_rules_of_the_engine() -> None:
    found = check(strategy_named("{name}"), walked("1h", symbols=3, seed=1))
    assert found.faults == ()
    assert found.votes > 0


def test_it_votes_with_the_trend() -> None:
    window = window_of(walked("1h", symbols=3, seed=2)[0])
    votes = strategy_named("{name}").vote(window, parameters_of("{name}", {{"trend_period": 30}}))
    speaks = ~np.isnan(votes.score)
    trend = window.close - window.ema(30)
    assert speaks.any()
    assert (votes.score[speaks] == np.sign(trend[speaks])).all()


def test_a_parameter_out_of_its_range_is_refused() -> None:
    with pytest.raises(Rejected, match="rsi_period must be between 2 and 35"):
        parameters_of("{name}", {{"rsi_period": 1}})
'''


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a new strategy; `found` tells whether the engine finds it where it is."""

    strategy: Path
    test: Path
    found: bool


def package_directory() -> Path:
    """Return the directory in which the engine finds strategies."""
    return Path(next(iter(user_strategies.__path__)))


def write(name: str, directory: Path | None) -> Written:
    """Write a strategy and its test; UsageError for a bad name, an existing file or no place to write.

    Elsewhere than in the project's own directory the test is written beside the strategy.
    """
    if problem := name_problem(name):
        raise UsageError(problem)
    own = package_directory()
    place = own if directory is None else directory
    found = place.resolve() == own.resolve()
    root = own.parents[1]
    if found and not (root / "pyproject.toml").is_file():
        raise UsageError(f"{root} is no project that you can edit: name a --directory, or work in a clone")
    tests = root / TESTS if found else place
    written = Written(place / f"{name}.py", tests / f"test_{name}.py", found)
    for path in (written.strategy, written.test):
        if path.exists():
            raise UsageError(f"{path} exists: choose another name, or remove it")
    title = name.replace("_", " ").capitalize()
    for path, text in ((written.strategy, STRATEGY), (written.test, TEST)):
        _write(path, text.format(name=name, title=title))
    return written


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another --directory") from error
