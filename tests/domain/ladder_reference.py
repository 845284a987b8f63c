"""The ladder's rules once more, slow and obvious: plain loops, one set at a time; tests compare the kernel.

Nothing of the kernel is imported: prices are not mirrored, lists are not rings, statistics start from the
list of closed positions every time.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KEPT = 50


class Exit(NamedTuple):
    """A closed position; `bar` is the index of the candle it left in."""

    bar: int
    entered: int
    entry: float
    price: float
    net_return: float
    reason: str


class Numbers(NamedTuple):
    """Statistics over the last positions at one moment."""

    closed: int
    profit_factor: float
    win_rate: float
    drawdown_hours: float


class Wish(NamedTuple):
    """An entry wanted at the close of `bar`: the level then, and the statistics of the last 30 positions."""

    bar: int
    level: str
    recent: Numbers


class Change(NamedTuple):
    """A level change and its evidence."""

    bar: int
    before: str
    after: str
    cause: str
    numbers: Numbers


@dataclass
class Profile:
    """Exits as ratios of the entry price and seconds; None is off."""

    take_profit: float | None
    stop_loss: float | None
    trailing_distance: float | None
    trailing_activation: float | None
    time_limit: int | None


@dataclass
class History:
    """Everything one set did."""

    entries: list[tuple[int, float]] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    level: str = "base"
    closes: list[int] = field(default_factory=list)
    first_entry: int = 0
    position: dict[str, Any] | None = None
    pending: bool = False

    def numbers(self, now: int, last: int = KEPT) -> Numbers:
        return numbers_of(self, now, last)


def run_set(
    candles: list[tuple[int, float, float, float, float, float]],
    timeframe: int,
    signals: list[int],
    long: bool,
    profile: Profile,
    fee: float,
    slippage: float,
    rules: Any,
) -> History:
    """Trade one set over candles (open time, open, high, low, close, volume), missing ones NaN."""
    history = History()
    for bar, (time, opened, high, low, close, volume) in enumerate(candles):
        exists = not math.isnan(close)
        closed_at = time + timeframe
        closed_before = len(history.exits)
        if exists:
            if history.pending:
                history.pending = False
                history.position = {"entry": opened, "best": opened, "time": time, "reversed": False}
                history.entries.append((bar, opened))
                if not history.exits and not history.first_entry:
                    history.first_entry = time
            if history.position is not None:
                left = exit_of(history.position, time, opened, high, low, long, profile)
                if left is None:
                    best = history.position["best"]
                    history.position["best"] = max(best, high) if long else min(best, low)
                else:
                    price, reason = left
                    entry = history.position["entry"]
                    gain = gain_of(entry, price, long, fee, slippage)
                    history.exits.append(Exit(bar, history.position["time"], entry, price, gain, reason))
                    history.closes.append(closed_at)
                    history.position = None
        judge(history, bar, closed_at, len(history.exits) > closed_before, rules)
        if exists and volume > 0:
            agrees = signals[bar] == (1 if long else -1)
            opposes = signals[bar] == (-1 if long else 1)
            if history.position is None and not history.pending and agrees:
                history.pending = True
                history.wishes.append(Wish(bar, history.level, history.numbers(closed_at, 30)))
            elif history.position is not None and opposes:
                history.position["reversed"] = True
    return history


def exit_of(
    position: dict[str, Any], time: int, opened: float, high: float, low: float, long: bool, profile: Profile
) -> tuple[float, str] | None:
    """Return price and reason if the candle ends the position."""
    entry, best = position["entry"], position["best"]
    if profile.time_limit and time - position["time"] >= profile.time_limit:
        return opened, "time_limit"
    if position["reversed"]:
        return opened, "signal_reversal"
    stop, stop_reason = None, "stop_loss"
    target = None
    if long:
        if profile.stop_loss is not None:
            stop = entry * (1 - profile.stop_loss)
        if profile.take_profit is not None:
            target = entry * (1 + profile.take_profit)
        if profile.trailing_distance is not None:
            armed = best >= entry * (1 + (profile.trailing_activation or 0.0))
            trail = best - profile.trailing_distance * entry
            if armed and (stop is None or trail > stop):
                stop, stop_reason = trail, "trailing_stop"
        if stop is not None and opened <= stop:
            return opened, stop_reason
        if target is not None and opened >= target:
            return opened, "take_profit"
        if stop is not None and low <= stop:
            return stop, stop_reason
        if target is not None and high >= target:
            return target, "take_profit"
        return None
    if profile.stop_loss is not None:
        stop = entry * (1 + profile.stop_loss)
    if profile.take_profit is not None:
        target = entry * (1 - profile.take_profit)
    if profile.trailing_distance is not None:
        armed = best <= entry * (1 - (profile.trailing_activation or 0.0))
        trail = best + profile.trailing_distance * entry
        if armed and (stop is None or trail < stop):
            stop, stop_reason = trail, "trailing_stop"
    if stop is not None and opened >= stop:
        return opened, stop_reason
    if target is not None and opened <= target:
        return opened, "take_profit"
    if stop is not None and high >= stop:
        return stop, stop_reason
    if target is not None and low <= target:
        return target, "take_profit"
    return None


def gain_of(entry: float, price: float, long: bool, fee: float, slippage: float) -> float:
    """Return profit net of costs per unit of entry notional: money out, money in, both fees."""
    if long:
        bought, sold = entry * (1 + slippage), price * (1 - slippage)
        return sold / bought - 1.0 - fee * (1.0 + sold / bought)
    sold, bought = entry * (1 - slippage), price * (1 + slippage)
    return 1.0 - bought / sold - fee * (1.0 + bought / sold)


def numbers_of(history: History, now: int, last: int) -> Numbers:
    """Work the statistics out from the list of closed positions."""
    returns = [left.net_return for left in history.exits][-last:]
    times = history.closes[-last:]
    if not returns:
        return Numbers(0, math.nan, math.nan, 0.0)
    profit, loss, wins = 0.0, 0.0, 0
    for value in returns:
        if value > 0:
            profit += value
            wins += 1
        else:
            loss += -value
    without_loss = math.inf if wins >= 10 else math.nan
    factor = profit / loss if loss > 0 else without_loss
    older = len(history.exits) - len(returns)
    peak_time = history.closes[older - 1] if older else history.first_entry
    durations = []
    equity = peak = 0.0
    under = False
    for value, time in zip(returns, times, strict=True):
        equity += value
        if equity >= peak:
            if under:
                durations.append(time - peak_time)
            peak, peak_time, under = equity, time, False
        else:
            under = True
    if under:
        durations.append(now - peak_time)
    hours = sum(durations) / 3600.0 / len(durations) if durations else 0.0
    return Numbers(len(history.exits), factor, wins / len(returns), hours)


def judge(history: History, bar: int, now: int, closed: bool, rules: Any) -> None:
    """Move the set one level up or down: after each closed position, on real also as time passes."""
    if not closed and history.level != "real":
        return
    numbers = history.numbers(now)
    held = {"base": None, "main": rules.main, "real": rules.real}[history.level]
    wider = rules.hysteresis
    if held is not None:
        cause = None
        if numbers.profit_factor < held.profit_factor * (1 - wider):
            cause = "profit factor"
        elif held.win_rate is not None and numbers.win_rate < held.win_rate * (1 - wider):
            cause = "win rate"
        elif held.drawdown_hours is not None and numbers.drawdown_hours > held.drawdown_hours * (1 + wider):
            cause = "drawdown time"
        if cause:
            below = "base" if history.level == "main" else "main"
            history.changes.append(Change(bar, history.level, below, cause, numbers))
            history.level = below
            return
    above = {"base": ("main", rules.main), "main": ("real", rules.real)}.get(history.level)
    if above and reaches(numbers, above[1]):
        history.changes.append(Change(bar, history.level, above[0], "bar met", numbers))
        history.level = above[0]


def reaches(numbers: Numbers, bar: Any) -> bool:
    """Tell whether the numbers reach a bar."""
    if numbers.closed < bar.positions or not numbers.profit_factor >= bar.profit_factor:
        return False
    if bar.win_rate is not None and not numbers.win_rate >= bar.win_rate:
        return False
    return bar.drawdown_hours is None or numbers.drawdown_hours <= bar.drawdown_hours


def mirrored_sets(
    histories: list[History], symbols: list[int], bars: int, mirror: Any
) -> list[dict[int, int]]:
    """Return per candle and symbol the set that is mirrored: best last-30 profit factor, then the first."""
    chosen: list[dict[int, int]] = [{} for _ in range(bars)]
    factors: list[dict[int, float]] = [{} for _ in range(bars)]
    for index, history in enumerate(histories):
        symbol = symbols[index]
        for wish in history.wishes:
            if wish.level != "real" or not reaches(wish.recent, mirror):
                continue
            best = factors[wish.bar].get(symbol)
            if best is None or wish.recent.profit_factor > best:
                chosen[wish.bar][symbol] = index
                factors[wish.bar][symbol] = wish.recent.profit_factor
    return chosen
