"""The lives that the sweep goes through: entry, exit, cancel and reconcile, with stops where they rest."""

from decimal import Decimal

from chalicelib.domain.signal import ExitProfile, Signal
from tests.faults.killsweep import Event, Life, Street

D = Decimal
BITCOIN, ETHER = D(50_000), D(2_500)
TRAILING = ExitProfile(take_profit=D("0.02"), stop_loss=D("0.01"), trailing_distance=D("0.01"))


def _ticks(*moments: float) -> tuple[Event, ...]:
    return tuple(Event(moment, "tick") for moment in moments)


def _prices(street: Street, bitcoin: str, ether: str = "1") -> None:
    for symbol, first, share in zip(street.symbols, (BITCOIN, ETHER), (bitcoin, ether), strict=True):
        street.price(symbol, first * D(share))


def _two_entries(street: Street) -> tuple[Signal, ...]:
    bitcoin, ether = street.symbols
    return street.signal(bitcoin, exits=TRAILING), street.signal(ether, price=ETHER)


def _one_entry(street: Street) -> tuple[Signal, ...]:
    return (street.signal(street.symbols[0]),)


def _fill_a_part(street: Street) -> None:
    """Let others trade with a part of what rests, if it ever came."""
    for order in street.theirs():
        if order.is_open and order.ticket.type == "limit":
            step = street.fake.exchange.markets[order.symbol].amount_step
            street.fake.exchange.force_fill(order, order.quantity * D("0.4") // step * step)


TRADE = Life(
    "entry and exit",
    _two_entries,
    (
        Event(0, "execute"),
        *_ticks(30),
        # The stop follows the price: another one is placed, the first one cancelled.
        Event(60, "tick", lambda street: _prices(street, "1.008")),
        # Bitcoin takes its profit, then ether falls through its stop.
        Event(90, "tick", lambda street: _prices(street, "1.03")),
        Event(120, "tick", lambda street: _prices(street, "1.03", "0.98")),
    ),
)

STOP = Life(
    "cancel and reconcile",
    _one_entry,
    (
        Event(0, "execute"),
        Event(30, "tick", _fill_a_part),
        Event(60, "stop"),
        Event(150, "start"),
        *_ticks(180),
    ),
    rests=True,
)

RECOVERY = Life(
    "recovery",
    _one_entry,
    (
        Event(0, "execute"),
        *_ticks(30, 60, 90),
    ),
)

LIVES = (TRADE, STOP, RECOVERY)
