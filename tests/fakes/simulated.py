"""Prices of the built-in market simulator for a fake exchange that runs in a process of its own."""

from collections.abc import Iterator
from decimal import Decimal

from chalicelib.local.simulated_paths import STEP
from chalicelib.local.simulator import MarketSimulator
from tests.fakes.prices import Candle


class SimulatedPrices:
    """A price source that is a pure function of seed, symbol and time; swaps cost what spot costs."""

    def __init__(self, seed: int, volatility: float = 1.0) -> None:
        self._simulator = MarketSimulator(seed, Decimal(0), volatility)

    def last(self, symbol: str, now: float) -> Decimal:
        name = _spot(symbol)
        return self._simulator.tickers([name], now)[name].last

    def path(self, symbol: str, since: float, until: float) -> Iterator[Decimal]:
        """Return the prices at the simulator's steps (10 s)."""
        first, last = int(since) // STEP + 1, int(until) // STEP
        for step in range(first, last + 1):
            yield self.last(symbol, float(step * STEP))

    def candles(self, symbol: str, step: int, start: int, end: float) -> list[Candle]:
        """Return the closed candles, and the running one as far as it is known."""
        name = _spot(symbol)
        closed = self._simulator.closed_candles([name], step, start, end)
        fields = (closed.open[0], closed.high[0], closed.low[0], closed.close[0], closed.volume[0])
        rows = [
            Candle(int(opened), *(Decimal(repr(float(value))) for value in values))
            for opened, *values in zip(closed.open_time, *fields, strict=True)
        ]
        opened = int(end) // step * step
        return [*rows, self._running(symbol, opened, end)] if opened >= start else rows

    def _running(self, symbol: str, opened: int, end: float) -> Candle:
        first, last = self.last(symbol, float(opened)), self.last(symbol, end)
        seen = [first, *self.path(symbol, opened, end), last]
        return Candle(opened, first, max(seen), min(seen), last, Decimal(len(seen)))


def _spot(symbol: str) -> str:
    return symbol.partition(":")[0]
