"""When an exchange position must leave: stop loss, take profit, trailing stop, time limit."""

from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.position import Position


class ExitReason(StrEnum):
    """Why a position was closed; stored with it."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    TIME_LIMIT = "time_limit"
    SIGNAL_REVERSAL = "signal_reversal"


def best_price(position: Position, known: Decimal | None, price: Decimal) -> Decimal:
    """Return the best price seen since entry: highest for a long position, lowest for a short one."""
    reference = position.entry_price if known is None else known
    return max(reference, price) if position.direction == "long" else min(reference, price)


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
