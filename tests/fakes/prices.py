"""Where a fake exchange's prices come from: set by hand in a test, or recorded candles at its clock."""

import bisect
import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle; `opened` in epoch seconds."""

    opened: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class PriceSource(Protocol):
    """What the exchange asks for prices that nobody sets by hand."""

    def path(self, symbol: str, since: float, until: float) -> Iterable[Decimal]:
        """Return the prices after `since` up to `until`, in order."""

    def last(self, symbol: str, now: float) -> Decimal | None:
        """Return the price at a time, None before the first one."""

    def candles(self, symbol: str, step: int, start: int, end: float) -> list[Candle]:
        """Return the candles that open from `start` up to `end`; the last one may not be closed yet."""


class PriceBoard(dict[str, Decimal]):
    """The last price of each symbol; setting one tells the exchange, which matches its orders."""

    def __init__(self, changed: Callable[[str, Decimal], None]) -> None:
        super().__init__()
        self._changed = changed

    def __setitem__(self, symbol: str, price: Decimal) -> None:
        super().__setitem__(symbol, Decimal(price))
        self._changed(symbol, Decimal(price))


class HandPrices:
    """Remembers prices set by hand, and makes candles of them: flat where nothing was set."""

    def __init__(self) -> None:
        self._history: dict[str, list[tuple[float, Decimal]]] = {}
        self.missing: set[tuple[str, int]] = set()
        """Candles (symbol, open time) to leave out, for tests of gaps."""

    def note(self, symbol: str, price: Decimal, now: float) -> None:
        """Remember a price at a time; times that run backwards are kept in order."""
        bisect.insort(self._history.setdefault(symbol, []), (now, price))

    def path(self, symbol: str, since: float, until: float) -> Iterable[Decimal]:
        return ()

    def last(self, symbol: str, now: float) -> Decimal | None:
        before = [price for moment, price in self._history.get(symbol, []) if moment <= now]
        return before[-1] if before else None

    def candles(self, symbol: str, step: int, start: int, end: float) -> list[Candle]:
        history = self._history.get(symbol, [])
        if not history:
            return []
        rows, times = [], [moment for moment, _ in history]
        for opened in range(-(-start // step) * step, int(end) + 1, step):
            first = max(0, bisect.bisect_right(times, opened) - 1)
            last = bisect.bisect_left(times, opened + step)
            prices = [price for _, price in history[first : max(last, first + 1)]]
            if (symbol, opened) not in self.missing:
                rows.append(
                    Candle(opened, prices[0], max(prices), min(prices), prices[-1], Decimal(len(prices)))
                )
        return rows


class RecordedPrices:
    """Plays recorded candles, files `BASEQUOTE-timeframe.csv[.gz]`, with times moved by `shift` seconds."""

    def __init__(self, folder: Path, timeframe: str, step: int, shift: int = 0, parts: int = 3) -> None:
        """Take a candle's length in seconds, and in how many parts (a multiple of 3) prices go through it."""
        self._folder, self._timeframe, self._step, self._shift = folder, timeframe, step, shift
        self._parts = parts
        self._loaded: dict[str, list[Candle]] = {}

    def symbols(self) -> list[str]:
        """Return the names (`BTCUSDT`) that have a file."""
        return sorted(path.name.partition("-")[0] for path in self._folder.glob(f"*-{self._timeframe}.csv*"))

    def span(self, symbol: str) -> tuple[int, int]:
        """Return when the symbol's recording starts and ends on the exchange's clock."""
        rows = self._rows(symbol)
        return rows[0].opened, rows[-1].opened + self._step

    def path(self, symbol: str, since: float, until: float) -> Iterator[Decimal]:
        rows = self._rows(symbol)
        first = max(0, bisect.bisect_right(rows, since, key=lambda row: row.opened) - 1)
        for row in rows[first:]:
            if row.opened > until:
                return
            for moment, price in self._moments(row):
                if since < moment <= until:
                    yield price

    def last(self, symbol: str, now: float) -> Decimal | None:
        rows = self._rows(symbol)
        index = bisect.bisect_right(rows, now, key=lambda row: row.opened) - 1
        return self._until(rows[index], now).close if index >= 0 else None

    def candles(self, symbol: str, step: int, start: int, end: float) -> list[Candle]:
        if step % self._step:
            return []
        rows = self._rows(symbol)
        first = bisect.bisect_left(rows, start, key=lambda row: row.opened)
        last = bisect.bisect_right(rows, end, key=lambda row: row.opened)
        known = [self._until(row, end) for row in rows[first:last]]
        return known if step == self._step else _joined(known, step)

    def _rows(self, symbol: str) -> list[Candle]:
        if symbol not in self._loaded:
            name = symbol.partition(":")[0].replace("/", "")
            paths = sorted(self._folder.glob(f"{name}-{self._timeframe}.csv*"))
            self._loaded[symbol] = list(_read(paths[0], self._shift)) if paths else []
        return self._loaded[symbol]

    def _moments(self, row: Candle) -> list[tuple[float, Decimal]]:
        """Return the way through a candle: straight from open to the nearer extreme, the other one, close."""
        extremes = (row.low, row.high) if row.close >= row.open else (row.high, row.low)
        anchors = (row.open, *extremes, row.close, row.close)
        finest = min(anchors, key=lambda price: price.as_tuple().exponent)
        leg = self._parts // 3
        moments = []
        for part in range(self._parts + 1):
            begun, inside = divmod(part, leg)
            way = anchors[begun + 1] - anchors[begun]
            price = (anchors[begun] + way * inside / leg).quantize(finest)
            moments.append((row.opened + (self._step - 1) * part / self._parts, price))
        return moments

    def _until(self, row: Candle, end: float) -> Candle:
        """Return the candle as it is known at `end`."""
        if row.opened + self._step <= end:
            return row
        seen = [price for moment, price in self._moments(row) if moment <= end]
        volume = (row.volume * len(seen) / (self._parts + 1)).quantize(row.volume)
        return Candle(row.opened, seen[0], max(seen), min(seen), seen[-1], volume)


def _read(path: Path, shift: int) -> Iterator[Candle]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            values = (Decimal(row[name]) for name in ("open", "high", "low", "close", "volume"))
            yield Candle(int(row["timestamp_ms"]) // 1000 + shift, *values)


def _joined(rows: list[Candle], step: int) -> list[Candle]:
    groups: dict[int, list[Candle]] = {}
    for row in rows:
        groups.setdefault(row.opened // step * step, []).append(row)
    return [
        Candle(
            opened,
            group[0].open,
            max(row.high for row in group),
            min(row.low for row in group),
            group[-1].close,
            sum((row.volume for row in group), Decimal(0)),
        )
        for opened, group in groups.items()
    ]
