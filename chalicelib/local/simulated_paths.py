"""Price paths of the built-in market: a pure function of (seed, base currency, day), called by the simulator.

A day is 8,640 steps of ten seconds, tied to log prices at its two midnights that are pure functions of the
day's number. So any day can be had without the ones before it, and neighbours meet without a gap.
A path is the market's own path times the currency's beta plus a path of its own. Either has Markov regimes
(calm or volatile, trending or ranging), stochastic volatility (a first-order autoregression of its logarithm,
after Taylor 1986, which clusters as GARCH does) and jumps.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from chalicelib.domain.candles import Floats

DAY = 86400
STEP = 10
STEPS = DAY // STEP
STEPS_PER_MINUTE = 60 // STEP
MINUTES = DAY // 60
MARKET = "market"
"""Name of the path that all currencies share."""

_MARKET_VOLATILITY = 0.03
"""Standard deviation of a day's log return; `_OWN_VOLATILITY` is that of what a currency does alone."""
_OWN_VOLATILITY = 0.025
_MEMORY = 0.985
"""How much of its distance from the start price a path keeps per day: it wanders but never runs away."""
_MEMORY_DAYS = 512
_BLOCK_DAYS = 1024

# Regimes: volatility and drift per day in units of the day's volatility, mean length in minutes.
_REGIME_VOLATILITY = np.array([0.5, 0.8, 0.8, 1.2, 2.6])
_REGIME_DRIFT = np.array([0.0, 2.5, -2.5, 0.0, 0.0])
_REGIME_MINUTES = np.array([180.0, 120.0, 120.0, 150.0, 45.0])

_VOLATILITY_MEMORY = 0.995
"""Per minute; half of a cluster is gone after 138 minutes."""
_VOLATILITY_OF_VOLATILITY = 0.05
_JUMPS_PER_DAY = 2.0
_JUMP_SIZE = 0.25
"""Standard deviation of a jump in units of the day's volatility."""


@dataclass(frozen=True, slots=True)
class DayPath:
    """One day: log prices at the 8,641 bounds of its steps, relative activity per minute (mean about 1)."""

    log_price: Floats
    activity: Floats


def day_path(seed: int, base: str, beta: float, day: int) -> DayPath:
    """Return the path of a currency on a day (days since 1970), relative to its start price (log 0)."""
    market, own = _market_day(seed, day), _component(seed, base, day)
    noise = _generator(seed, f"{base} volume", day).normal(0.0, 0.5, MINUTES)
    # More is traded when prices move; the afternoon in UTC is busier than the night.
    hour = 1.0 + 0.35 * np.sin(2 * np.pi * (np.arange(MINUTES) / MINUTES - 0.35))
    activity = (0.5 * market.activity + 0.5 * own.activity) * hour * np.exp(noise - 0.125)
    return DayPath(beta * market.log_price + own.log_price, activity)


@lru_cache(maxsize=4)
def _market_day(seed: int, day: int) -> DayPath:
    """Return the path that all currencies share, made once per day."""
    return _component(seed, MARKET, day)


def _component(seed: int, name: str, day: int) -> DayPath:
    """Return one component's day: random steps, then bent so that both midnights are hit."""
    random = _generator(seed, name, day)
    scale, drift = _regimes(random)
    volatility = np.repeat(scale * _clusters(random), STEPS_PER_MINUTE)
    daily = _daily_volatility(name)
    moves = random.normal(0.0, 1.0, STEPS) * volatility * (daily / np.sqrt(STEPS))
    moves += np.repeat(drift, STEPS_PER_MINUTE) * (daily / STEPS)
    jumps = random.poisson(_JUMPS_PER_DAY)
    moves[random.integers(0, STEPS, jumps)] += random.normal(0.0, _JUMP_SIZE * daily, jumps)
    start, end = _midnight(seed, name, day), _midnight(seed, name, day + 1)
    variance = volatility**2
    # A Brownian bridge in business time: the correction goes where the path moves anyway.
    moves += (end - start - moves.sum()) * variance / variance.sum()
    log_price = np.concatenate(([0.0], np.cumsum(moves))) + start
    log_price[-1] = end
    return DayPath(log_price, volatility[::STEPS_PER_MINUTE] ** 1.2)


def _regimes(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Return volatility factor and drift per minute of a Markov chain over the regimes."""
    regime = np.empty(MINUTES, dtype=np.int64)
    states = len(_REGIME_MINUTES)
    state, minute = int(random.integers(states)), 0
    while minute < MINUTES:
        length = int(random.geometric(1.0 / _REGIME_MINUTES[state]))
        regime[minute : minute + length] = state
        minute += length
        state = (state + 1 + int(random.integers(states - 1))) % states
    return _REGIME_VOLATILITY[regime], _REGIME_DRIFT[regime]


def _clusters(random: np.random.Generator) -> Floats:
    """Return a volatility factor per minute whose logarithm is a stationary first-order autoregression."""
    stationary = _VOLATILITY_OF_VOLATILITY / np.sqrt(1 - _VOLATILITY_MEMORY**2)
    shocks = random.normal(0.0, _VOLATILITY_OF_VOLATILITY, MINUTES)
    shocks[0] = random.normal(0.0, stationary)
    # x[t] = m x[t-1] + e[t] in closed form; m**1440 is 0.0007, far from underflow.
    powers = _VOLATILITY_MEMORY ** np.arange(MINUTES)
    logarithm = powers * np.cumsum(shocks / powers)
    factors: Floats = np.exp(logarithm - stationary**2)
    return factors


def _midnight(seed: int, name: str, day: int) -> float:
    """Return a mean-reverting sum of the daily shocks before a midnight."""
    block, place = divmod(day, _BLOCK_DAYS)
    shocks = np.concatenate((_shocks(seed, name, block - 1), _shocks(seed, name, block)))
    recent = shocks[place + _BLOCK_DAYS - _MEMORY_DAYS : place + _BLOCK_DAYS]
    weights = _MEMORY ** np.arange(_MEMORY_DAYS - 1, -1, -1)
    return float(_daily_volatility(name) * (recent * weights).sum())


@lru_cache(maxsize=1024)
def _shocks(seed: int, name: str, block: int) -> Floats:
    return _generator(seed, f"{name} days", block).normal(0.0, 1.0, _BLOCK_DAYS)


def _daily_volatility(name: str) -> float:
    return _MARKET_VOLATILITY if name == MARKET else _OWN_VOLATILITY


def _generator(seed: int, name: str, number: int) -> np.random.Generator:
    """Return the random numbers that belong to one name and number, whatever was drawn before."""
    raw = hashlib.sha256(f"{seed}/{name}/{number}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(raw[:16])))
