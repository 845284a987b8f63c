"""The ladder's rules once more, slow and obvious: plain loops, one set at a time; tests compare the kernel.

Nothing of the kernel is imported: prices are not mirrored, lists are not rings, statistics start from the
list of closed positions every time.
"""

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

UNITS = 10**7


class Exit(NamedTuple):
    """A closed position; `bar` is the index of the candle it left in, `units` the return as it is kept."""

    bar: int
    entered: int
    entry: float
    price: float
    net_return: float
    reason: str
    units: int


class Numbers(NamedTuple):
    """Statistics over the last positions at one moment."""

    closed: int
    profit_factor: float
    win_rate: float
    expectancy: float
    drawdown_hours: float
    edge: float = math.nan


class Wish(NamedTuple):
    """An entry wanted at the close of `bar`: the level then, and the numbers over the mirror's window."""

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
    dropped: int = 0

    def numbers(self, now: int, last: int) -> Numbers:
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
    trials: int,
) -> History:
    """Trade one set over candles (open time, open, high, low, close, volume), missing ones NaN.

    `trials` is the number of sets that compete.
    """
    history, last_close = History(), math.nan
    for bar, (time, opened, high, low, close, volume) in enumerate(candles):
        exists = not math.isnan(close)
        closed_at = time + timeframe
        closed_before = len(history.exits)
        if exists:
            if opened > 5.0 * last_close or 5.0 * opened < last_close:
                # A redenomination or a fault of the data: what was held across it counts nowhere.
                history.dropped += history.position is not None
                history.position = None
            last_close = close
            if history.pending:
                history.pending = False
                history.position = {"entry": opened, "best": opened, "time": time, "reversed": False}
                history.entries.append((bar, opened))
            if history.position is not None:
                left = exit_of(history.position, time, opened, high, low, long, profile)
                if left is None:
                    best = history.position["best"]
                    history.position["best"] = max(best, high) if long else min(best, low)
                else:
                    price, reason = left
                    entry = history.position["entry"]
                    gain = gain_of(entry, price, long, fee, slippage)
                    units = round(max(-10.0, min(10.0, gain)) * UNITS)
                    since = history.position["time"]
                    if not history.exits:
                        history.first_entry = since
                    history.exits.append(Exit(bar, since, entry, price, gain, reason, units))
                    history.closes.append(closed_at)
                    history.position = None
        judge(history, bar, closed_at, len(history.exits) > closed_before, rules, trials)
        if exists and volume > 0:
            agrees = signals[bar] == (1 if long else -1)
            opposes = signals[bar] == (-1 if long else 1)
            if history.position is None and not history.pending and agrees:
                history.pending = True
                history.wishes.append(
                    Wish(bar, history.level, history.numbers(closed_at, rules.mirror.window))
                )
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
    returns = [left.units for left in history.exits][-last:]
    times = history.closes[-last:]
    if not returns:
        return Numbers(0, math.nan, math.nan, math.nan, 0.0)
    profit, loss, wins = 0, 0, 0
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
    equity = peak = 0
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
    mean = sum(returns) / len(returns) / UNITS
    return Numbers(len(history.exits), factor, wins / len(returns), mean, hours)


def edge_of(history: History, kept: int, trials: int) -> float:
    """Return the deflated Sharpe ratio of the returns kept, by textbook moments."""
    returns = [left.units / UNITS for left in history.exits][-kept:]
    count = len(returns)
    if count < 2 or min(returns) == max(returns):
        return math.nan
    mean = math.fsum(returns) / count
    second, third, fourth = (
        math.fsum((value - mean) ** power for value in returns) / count for power in (2, 3, 4)
    )
    sharpe = mean / math.sqrt(second * count / (count - 1))
    skew, kurtosis = third / second**1.5, fourth / second**2
    normal, gamma = NormalDist(), 0.5772156649015329
    luckiest = (1 - gamma) * normal.inv_cdf(1 - 1 / trials) + gamma * normal.inv_cdf(
        1 - 1 / (trials * math.e)
    )
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return normal.cdf((sharpe * math.sqrt(count - 1) - luckiest) / math.sqrt(spread))


def judge(history: History, bar: int, now: int, closed: bool, rules: Any, trials: int) -> None:
    """Move the set one level up or down: after each closed position, on real also as time passes."""
    if not closed and history.level != "real":
        return
    held = {"base": None, "main": rules.main, "real": rules.real}[history.level]
    if held is not None:
        numbers = evidence(history, now, held, rules.kept, trials)
        cause = missed(numbers, held, rules.hysteresis)
        if cause:
            below = "base" if history.level == "main" else "main"
            history.changes.append(Change(bar, history.level, below, cause, numbers))
            history.level = below
            return
    above = {"base": ("main", rules.main), "main": ("real", rules.real)}.get(history.level)
    if above:
        numbers = evidence(history, now, above[1], rules.kept, trials)
        if reaches(numbers, above[1]):
            history.changes.append(Change(bar, history.level, above[0], "bar met", numbers))
            history.level = above[0]


def evidence(history: History, now: int, bar: Any, kept: int, trials: int) -> Numbers:
    """Return the numbers that a bar asks for."""
    numbers = history.numbers(now, bar.window)
    return numbers if bar.edge is None else numbers._replace(edge=edge_of(history, kept, trials))


def missed(numbers: Numbers, bar: Any, wider: float) -> str:
    """Return the first cause by which the numbers miss a widened bar, or an empty text."""
    if numbers.profit_factor < bar.profit_factor * (1 - wider):
        return "profit factor"
    if bar.win_rate is not None and numbers.win_rate < bar.win_rate * (1 - wider):
        return "win rate"
    # The limit is in whole seconds; hours of candles are exact enough to be told apart from it.
    if bar.drawdown_hours is not None and numbers.drawdown_hours > bar.drawdown_hours * (1 + wider) + 1e-9:
        return "drawdown time"
    return "luck" if bar.edge is not None and numbers.edge < bar.edge * (1 - wider) else ""


def reaches(numbers: Numbers, bar: Any) -> bool:
    """Tell whether the numbers reach a bar."""
    if numbers.closed < bar.positions or not numbers.profit_factor >= bar.profit_factor:
        return False
    if bar.win_rate is not None and not numbers.win_rate >= bar.win_rate:
        return False
    if bar.drawdown_hours is not None and not numbers.drawdown_hours <= bar.drawdown_hours:
        return False
    return bar.edge is None or numbers.edge >= bar.edge


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
