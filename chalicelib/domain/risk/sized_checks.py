"""The checks of a quantity: that the account can pay it, and that the market takes it."""

from chalicelib.domain.market import floor_to_step
from chalicelib.domain.risk.checks import UNKNOWN, above
from chalicelib.domain.risk.context import EntryContext
from chalicelib.domain.sizing import tied


def affordable(c: EntryContext) -> str | None:
    """Margin and costs of the entry must be free."""
    notional = c.notional
    if notional is None or c.free is None:
        return UNKNOWN
    return above(notional * tied(c.connection), c.free)


def above_zero(c: EntryContext) -> str | None:
    return None if c.quantity > 0 else f"{c.quantity:.6g}"


def precise(c: EntryContext) -> str | None:
    if c.market is None:
        return UNKNOWN
    step = c.market.amount_step
    return None if floor_to_step(c.quantity, step) == c.quantity else f"{c.quantity:f} step {step:f}"


def not_too_large(c: EntryContext) -> str | None:
    if c.market is None:
        return UNKNOWN
    return None if c.market.max_amount is None else above(c.quantity, c.market.max_amount)


def amount_enough(c: EntryContext) -> str | None:
    if c.market is None:
        return UNKNOWN
    least = c.market.min_amount
    return None if c.quantity >= least else f"{c.quantity:.6g}<{least:.6g}"


def notional_enough(c: EntryContext) -> str | None:
    notional = c.notional
    if c.market is None or notional is None:
        return UNKNOWN
    least = c.market.min_notional
    return None if notional >= least else f"{notional:.6g}<{least:.6g}"
