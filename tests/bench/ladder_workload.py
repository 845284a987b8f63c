"""What the bench of the ladder trades: simulated candles, sets of crossing averages, and signals."""

from decimal import Decimal

import numpy as np

from chalicelib.domain.candles import Candles
from chalicelib.domain.exits import ExitReason
from chalicelib.domain.ladder import (
    EXIT_REASONS,
    LEVEL_RULES,
    Ladder,
    Terms,
    Trades,
    advance,
    build_ladder,
    empty_state,
    grid_sets,
)
from chalicelib.domain.signal import ExitProfile
from tests.domain.ladder_candles import cross_signals

SYMBOLS, BARS, HOUR = 100, 1000, 3600
FEE = 0.0004
_SPANS = ((3, 8), (5, 13), (8, 21), (13, 34), (21, 55), (5, 34), (3, 21), (8, 55), (3, 13), (5, 55))
_THINNINGS = 40


def simulated_candles() -> Candles:
    """Return 100 symbols x 1,000 hourly candles of a random walk with small gaps at the open."""
    random = np.random.default_rng(1)
    close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.006, (SYMBOLS, BARS)), axis=1))
    opens = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    opens = opens * (1.0 + random.normal(0.0, 0.0005, close.shape))
    high = np.maximum(opens, close) * (1.0 + np.abs(random.normal(0.0, 0.002, close.shape)))
    low = np.minimum(opens, close) * (1.0 - np.abs(random.normal(0.0, 0.002, close.shape)))
    names = tuple(f"S{number:03d}/USDT" for number in range(SYMBOLS))
    return Candles(names, HOUR, HOUR * (1 + np.arange(BARS)), opens, high, low, close, np.ones_like(close))


def profiles(count: int) -> tuple[ExitProfile, ...]:
    """Return profiles with a target each, half of them with a stop, the others with one that trails."""

    def share(number: int) -> Decimal:
        return Decimal(number) / 1000

    return tuple(
        ExitProfile(share(10 + 3 * n), None if n % 2 else share(5 + 2 * n), share(8 + n) if n % 2 else None)
        for n in range(count)
    )


def workload(candles: Candles, sources: int, exits: int) -> tuple[Ladder, np.ndarray]:
    """Return a ladder of 2 x `sources` x `exits` sets per symbol, and the signals of its sources."""
    names = tuple(f"cross({fast},{slow})" for fast, slow in _SPANS[:sources])
    sets = grid_sets(candles.symbols, names, profiles(exits), candles.timeframe)
    signals = np.stack([cross_signals(candles, fast, slow) for fast, slow in _SPANS[:sources]])
    return build_ladder(sets, Terms(FEE, 0.0), LEVEL_RULES["source"]), signals


def thinned(ladder: Ladder, candles: Candles, signals: np.ndarray) -> np.ndarray:
    """Take away the signals that lead to what vectorbt's rules have otherwise; no other rule of it differs.

    It has one order per candle, so it cannot take a signal at the close of a candle in which the set leaves;
    it fills at the last close what is told there; and where a candle opens beyond the target but comes back
    to the stop, it takes the stop.
    """
    signals = signals.copy()
    signals[:, :, -1] = 0
    for _ in range(_THINNINGS):
        trades = advance(ladder, empty_state(ladder), candles, signals).trades
        left, came = ((times - HOUR) // HOUR for times in (trades.exited - HOUR, trades.entered - HOUR))
        back = _comes_back(ladder, candles, trades, left)
        before = signals.copy()
        for bars, chosen in ((left, np.ones_like(back)), (came, back)):
            rows = trades.sets[chosen]
            place = (ladder.sets.strategy[rows], ladder.sets.symbol[rows], bars[chosen])
            told = signals[place] == ladder.sets.direction[rows]
            signals[tuple(axis[told] for axis in place)] = 0
        if (signals == before).all():
            return signals
    raise ValueError("signals to take away are found without end")


def _comes_back(ladder: Ladder, candles: Candles, trades: Trades, left: np.ndarray) -> np.ndarray:
    """Tell which trades left at an open beyond the target, before their candle came back by the stop."""
    exits = [ladder.sets.profiles[profile] for profile in ladder.sets.profile]
    stop = np.array([float(one.stop_loss or one.trailing_distance or 0) for one in exits])[trades.sets]
    symbol, long = ladder.sets.symbol[trades.sets], ladder.sets.direction[trades.sets] > 0
    opened = candles.open[symbol, left]
    way = np.where(long, opened - candles.low[symbol, left], candles.high[symbol, left] - opened)
    at_target = np.array([reason == ExitReason.TAKE_PROFIT for reason in EXIT_REASONS])[trades.reason]
    return at_target & (trades.exit == opened) & (way > stop * trades.entry)
