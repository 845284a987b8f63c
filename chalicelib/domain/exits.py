"""When an exchange position must leave: stop loss, take profit, trailing stop, time limit."""

from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.market import Ticker
from chalicelib.domain.position import Position


class ExitReason(StrEnum):
    """Why a position was closed; stored with it."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    TIME_LIMIT = "time_limit"
    SIGNAL_REVERSAL = "signal_reversal"
    PARTIAL_PROFIT = "partial_profit"
    KILL_SWITCH = "kill_switch"
    MANUAL = "manual"


STOP_STEP = Decimal("0.001")
"""Ratio of the entry price by which a trailing stop must move before the order at the venue is replaced:
each replacement costs two requests."""


def best_price(position: Position, known: Decimal | None, price: Decimal) -> Decimal:
    """Return the best price seen since entry: highest for a long position, lowest for a short one."""
    reference = position.entry_price if known is None else known
    return max(reference, price) if position.direction == "long" else min(reference, price)


def exit_price(position: Position, ticker: Ticker) -> Decimal:
    """Return the price at which a position can be left: the bid for a long one, the ask for a short one."""
    return ticker.bid if position.direction == "long" else ticker.ask


def due_exit(position: Position, best: Decimal, price: Decimal, now: float) -> ExitReason | None:
    """Return why the position must leave at `price`, the worst reason first; None to stay.

    Ratios are of the entry price. `best` is the best price up to the look before this one. The trailing stop
    is armed once the best price has gained `trailing_activation` (at once without one).
    """
    exits, entry, sign = position.exits, position.entry_price, position.sign
    gain = sign * (price - entry)
    best_gain = sign * (best - entry)
    if exits.stop_loss is not None and gain <= -exits.stop_loss * entry:
        return ExitReason.STOP_LOSS
    armed = best_gain >= (exits.trailing_activation or Decimal(0)) * entry
    if exits.trailing_distance is not None and armed and best_gain - gain >= exits.trailing_distance * entry:
        return ExitReason.TRAILING_STOP
    if exits.take_profit is not None and gain >= exits.take_profit * entry:
        return ExitReason.TAKE_PROFIT
    if exits.time_limit is not None and now - position.opened_at >= exits.time_limit:
        return ExitReason.TIME_LIMIT
    return None


def stop_level(position: Position, best: Decimal) -> tuple[Decimal, ExitReason] | None:
    """Return the price at which a stop must rest at the venue and which exit it is; None without a stop.

    The nearer one of stop loss and trailing stop, once that is armed; `best` as for `due_exit`.
    """
    exits, entry, sign = position.exits, position.entry_price, position.sign
    levels: list[tuple[Decimal, ExitReason]] = []
    if exits.stop_loss is not None:
        levels.append((entry - sign * exits.stop_loss * entry, ExitReason.STOP_LOSS))
    armed = sign * (best - entry) >= (exits.trailing_activation or Decimal(0)) * entry
    if exits.trailing_distance is not None and armed:
        levels.append((best - sign * exits.trailing_distance * entry, ExitReason.TRAILING_STOP))
    return max(levels, key=lambda level: sign * level[0], default=None)


def due_partial(position: Position, price: Decimal) -> Decimal | None:
    """Return the share to take off at `price` by the next step of the exit profile; None if none is due."""
    steps = position.exits.partial[position.taken :]
    if not steps:
        return None
    gain = position.sign * (price - position.entry_price)
    return steps[0].share if gain >= steps[0].gain * position.entry_price else None
