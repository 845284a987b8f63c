"""Scenarios 1 to 5, 13 to 17 and 25 to 29: what happens to one order on its way and at the exchange."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.order import Order, OrderState
from chalicelib.errors import Retryable, VenueRejected
from chalicelib.flows.cancel_orders import cancel_open_orders
from tests.exchanges.paper_world import an_order, approved
from tests.fakes import faults
from tests.fakes.core_values import Order as Theirs
from tests.faults.checks import four_checks, held
from tests.faults.floor import Floor
from tests.faults.routes import Words
from tests.faults.scenario import scenario

D = Decimal
ADOPTED, SENT_ONCE, DEAD = (
    "adopted, 1 order",
    "sent again under the same id, 1 order",
    "dead letter, 0 orders",
)

TOO_SMALL = ("BELOW_MIN_NOTIONAL", "BELOW_MIN_AMOUNT", "NO_SIZE")


def settle(floor: Floor, ticks: int = 4) -> None:
    """Let realtime ticks pass: a minute for an order to be looked up, proved absent and sent."""
    for _ in range(ticks):
        floor.realtime()


def created(floor: Floor, words: Words) -> int:
    """Return how many requests to create an entry came."""
    ids = [order.client_order_id for order in floor.orders() if order.leg != "protection"]
    requests = (seen.request for seen in floor.fake.asked(words.create))
    texts = [f"{request.query} {request.body.decode()}".lower() for request in requests]
    return sum(any(name in text for name in ids) or not ids for text in texts)


def entered(floor: Floor) -> Order:
    """Return the entry, filled, with nothing sent twice."""
    order = floor.order("entry")
    assert order.state == OrderState.FILLED, order
    return order


def ambiguous(floor: Floor, words: Words, fault: faults.Fault) -> None:
    """Send an entry into a fault and let it be found out what became of it."""
    signal = floor.signal()
    floor.fake.faults.on(words.create, fault)
    floor.execute(signal)
    assert floor.order("entry").state != OrderState.REJECTED
    settle(floor)
    assert floor.fake.faults.pending == 0, "the fault never happened"
    entered(floor)
    entries = [order for order in floor.theirs() if order.ticket.type == "market"]
    assert len(entries) == 1
    four_checks(floor, lambda: floor.execute(signal))


@scenario(1, "create times out, the order was placed")
def timed_out_and_placed(floor: Floor, words: Words, _: str) -> str:
    ambiguous(floor, words, faults.lost())
    assert created(floor, words) == 1
    return ADOPTED


@scenario(2, "create times out, the order was not placed", ("timeout", "reset"))
def timed_out_and_not_placed(floor: Floor, words: Words, how: str) -> str:
    fault = faults.swallowed() if how == "timeout" else faults.reset_before()
    if words.finds_absence:
        ambiguous(floor, words, fault)
        return SENT_ONCE
    signal = floor.signal()
    floor.fake.faults.on(words.create, fault)
    floor.execute(signal)
    settle(floor)
    assert floor.order("entry").reason.startswith("dead letter")
    assert floor.theirs() == []
    four_checks(floor, lambda: floor.execute(signal))
    return DEAD


@scenario(3, "as 1, filled and gone from open orders when it is looked up, seen late", ("a read", "40 s"))
def filled_and_gone(floor: Floor, words: Words, late: str) -> str:
    if late == "40 s":
        # One round of look-ups finds nothing: that proves no absence yet.
        floor.fake.exchange.visibility_delay = 40
    else:
        floor.fake.exchange.hidden_reads = 1
    ambiguous(floor, words, faults.reset_after())
    assert created(floor, words) == 1
    return "found among what has ended, " + ADOPTED


@scenario(4, "503 and the exchange's own words for unknown", ("0", "1", "2", "3", "4"))
def unclear_answer(floor: Floor, words: Words, which: str) -> str:
    if int(which) >= len(words.unclear):
        return ""
    status, body = words.unclear[int(which)]
    ambiguous(floor, words, faults.answered(status, body, executed=True))
    assert created(floor, words) == 1
    return ADOPTED


def _no_duplicates(exchange: str, _: str) -> str:
    return "has no duplicate rejection" if exchange == "orangex" else ""


@scenario(5, "reply: duplicate client id", elsewhere=_no_duplicates)
def duplicate_reply(floor: Floor, words: Words, _: str) -> str:
    assert words.duplicate is not None
    status, body = words.duplicate
    ambiguous(floor, words, faults.answered(status, body, executed=True))
    assert created(floor, words) == 1
    return ADOPTED


def resting(floor: Floor, share: str = "0.4") -> tuple[Order, Theirs]:
    """Place an entry that rests at the exchange after a share of it has filled."""
    signal = floor.signal()
    real = floor.accounts.venue(floor.connection)

    class Limited:
        """The venue, with a limit far below the market in the place of the market order."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def create_order(self, wish: Any, now: float) -> Any:
            limit = replace(wish.order, type="limit", price=D(49_800))
            return real.create_order(approved(limit), now)

    before = floor.wrap
    floor.wrap = lambda name, part: Limited() if name == "venue" else part
    floor.execute(signal)
    floor.wrap = before
    order = floor.order("entry")
    assert order.state == OrderState.ACCEPTED, order
    (theirs,) = floor.theirs()
    step = floor.fake.exchange.markets[floor.symbol].amount_step
    if D(share):
        floor.fake.exchange.force_fill(theirs, order.quantity * D(share) // step * step)
        floor.realtime()
    return floor.order("entry"), theirs


@scenario(13, "a fill told twice; the same trade id with another price", ("same", "other price"))
def fill_told_twice(floor: Floor, words: Words, how: str) -> str:
    order, theirs = resting(floor)
    trade = theirs.trades[0]
    floor.fake.exchange.repeat_trade(trade, trade.price + 7 if how == "other price" else None)
    settle(floor)
    assert floor.order("entry").filled == order.filled == floor.position().quantity + _fee(floor)
    _end(floor, theirs)
    four_checks(floor)
    return "counted once"


def _fee(floor: Floor) -> Decimal:
    """Return what spot fees took from the quantity."""
    trades = [t for o in floor.theirs() for t in o.trades if not t.echo and t.fee_currency == "BTC"]
    return sum((trade.fee for trade in trades), D(0))


def _end(floor: Floor, theirs: Theirs) -> None:
    """End an order at the exchange and let the books hear of it."""
    floor.fake.exchange.cancel(floor.fake.exchange.main, theirs.id)
    settle(floor, 5)


@scenario(14, "40 % filled, cancelled, 20 % more come late")
def late_fill(floor: Floor, words: Words, _: str) -> str:
    order, theirs = resting(floor, "0.4")
    cancel_open_orders(floor.world(), floor.connection, floor.now)
    settle(floor, 1)
    step = floor.fake.exchange.markets[floor.symbol].amount_step
    floor.fake.exchange.force_fill(theirs, order.quantity * D("0.2") // step * step)
    theirs.status = "canceled"
    settle(floor, 5)
    after = floor.order("entry")
    assert after.state == OrderState.CANCELED
    assert after.filled == theirs.filled > order.filled
    four_checks(floor)
    return "position 60 %, order CANCELED keeps its fills"


@scenario(15, "cancel times out", ("done", "not done"))
def cancel_timed_out(floor: Floor, words: Words, how: str) -> str:
    _, theirs = resting(floor, "0")
    fault = faults.lost() if how == "done" else faults.swallowed()
    floor.fake.faults.on(words.cancel, fault)
    for lookup in words.lookups:
        floor.fake.faults.on(lookup, faults.reset_before(), times=None)
    cancel_open_orders(floor.world(), floor.connection, floor.now)
    assert floor.order("entry").state == OrderState.PENDING_CANCEL
    floor.fake.faults.clear()
    settle(floor, 1)
    if how == "not done":
        assert floor.order("entry").state != OrderState.CANCELED
        cancel_open_orders(floor.world(), floor.connection, floor.now)
    settle(floor, 5)
    assert floor.order("entry").state == OrderState.CANCELED
    assert theirs.status == "canceled"
    assert floor.position().state == "abandoned"
    four_checks(floor)
    return "PENDING_CANCEL until proved"


@scenario(16, "a cancel loses the race to a fill")
def cancel_lost_race(floor: Floor, words: Words, _: str) -> str:
    order, theirs = resting(floor, "0")
    floor.fake.exchange.force_fill(theirs, order.quantity)
    cancel_open_orders(floor.world(), floor.connection, floor.now)
    settle(floor, 2)
    assert floor.order("entry").state == OrderState.FILLED
    assert floor.position().state == "open"
    four_checks(floor)
    return "FILLED, the position goes on"


@scenario(17, "overfill: 110 of 100")
def overfill(floor: Floor, words: Words, _: str) -> str:
    order, theirs = resting(floor, "0")
    step = floor.fake.exchange.markets[floor.symbol].amount_step
    floor.fake.exchange.force_fill(theirs, order.quantity + max(step, order.quantity // 10 // step * step))
    settle(floor, 2)
    assert floor.order("entry").state == OrderState.FILLED
    assert floor.order("entry").filled == theirs.filled > order.quantity
    assert floor.metrics["overfills"] == 1
    four_checks(floor)
    return "alarm, the exchange's figure wins"


@scenario(25, "below step, below minimum notional, too precise", ("precise", "notional", "amount"))
def refused_here(floor: Floor, words: Words, what: str) -> str:
    if what == "notional":
        return _too_small(floor, words)
    venue = floor.accounts.venue(floor.connection)
    market = floor.feed.markets((floor.symbol,))[floor.symbol]
    quantity = D("0.0123456789") if what == "precise" else market.amount_step / 2
    order = replace(_an_order(floor), quantity=quantity)
    with pytest.raises(VenueRejected):
        venue.create_order(approved(order), floor.now)
    assert created(floor, words) == 0
    four_checks(floor)
    return "refused here, no call"


def _too_small(floor: Floor, words: Words) -> str:
    """Let the account afford less than the least order: its size is refused before an intent exists."""
    floor.set(position_cost=D("0.0001"))
    (outcome,) = floor.execute(floor.signal()).values()
    assert outcome in TOO_SMALL, outcome
    assert created(floor, words) == 0
    assert floor.orders() == ()
    four_checks(floor)
    return "refused here, no call"


def _an_order(floor: Floor) -> Order:
    return replace(an_order(), symbol=floor.symbol, connection_id=floor.connection.connection_id)


@scenario(26, "the market's filters change at noon")
def filters_change(floor: Floor, words: Words, _: str) -> str:
    floor.feed.markets((floor.symbol,))
    listing = floor.fake.exchange.markets[floor.symbol]
    if floor.connection.exchange == "pionex" and floor.connection.market_type == "spot":
        # A market order there names its cost, of which the step of amounts says nothing.
        changed = replace(listing, min_notional=listing.min_notional * 1000)
    else:
        step = listing.amount_step * 1000
        changed = replace(listing, amount_step=step, min_amount=step)
    floor.fake.exchange.markets[floor.symbol] = changed
    floor.execute(floor.signal())
    settle(floor)
    assert floor.order("entry").state == OrderState.REJECTED
    assert created(floor, words) == 1
    floor.wait(120)
    (outcome,) = floor.execute(floor.signal(number=1)).values()
    assert outcome in ("APPROVED", *TOO_SMALL), outcome
    settle(floor)
    assert created(floor, words) == 1 + (outcome == "APPROVED")
    assert sum(order.state == OrderState.REJECTED for order in floor.orders()) == 1
    four_checks(floor)
    return "rejected once, rules read again"


@scenario(27, "not enough funds")
def not_enough_funds(floor: Floor, words: Words, _: str) -> str:
    status, body = words.insufficient
    floor.fake.faults.on(words.create, faults.answered(status, body, executed=False))
    signal = floor.signal()
    floor.execute(signal)
    settle(floor, 6)
    order = floor.order("entry")
    if order.state == OrderState.REJECTED:
        assert created(floor, words) == 1
        assert floor.position().state == "abandoned"
        four_checks(floor, lambda: floor.execute(signal))
        return "final, never sent again"
    # A code that nobody documents proves nothing.
    assert order.reason.startswith("dead letter")
    assert created(floor, words) == 1
    four_checks(floor, lambda: floor.execute(signal))
    return "undocumented code: dead letter, never sent again"


@scenario(28, "DynamoDB refuses the write after the POST")
def store_fails_after_post(floor: Floor, words: Words, _: str) -> str:
    signal = floor.signal()
    refused = {"count": 0}

    class Throttled:
        def __getattr__(self, name: str) -> Any:
            method = getattr(floor.records, name)
            if name != "commit" or not created(floor, words) or refused["count"]:
                return method
            refused["count"] += 1
            raise Retryable("throttled")

    floor.wrap = lambda name, part: Throttled() if name == "records" else part
    with pytest.raises(Retryable):
        floor.execute(signal)
    floor.wrap = lambda _, part: part
    floor.execute(signal)
    settle(floor)
    entered(floor)
    assert created(floor, words) == 1
    four_checks(floor, lambda: floor.execute(signal))
    return ADOPTED


@scenario(29, "null, NaN, HTML, nothing, an error inside a 200", ("null", "HTML", "nothing", "inside", "NaN"))
def unreadable(floor: Floor, words: Words, what: str) -> str:
    if what == "inside":
        if words.inside_200 is None:
            return ""
        status, body = words.inside_200
        fault = faults.answered(status, body, executed=True)
    else:
        fault = {
            "null": faults.null_body(),
            "HTML": faults.html_body(),
            "nothing": faults.empty_body(),
            "NaN": faults.answered(200, "NaN", executed=True),
        }[what]
    ambiguous(floor, words, fault)
    assert created(floor, words) == 1
    floor.fake.faults.on(words.positions, faults.html_body())
    quantity = held(floor, floor.symbol)
    floor.realtime()
    assert held(floor, floor.symbol) == quantity
    assert floor.position().state == "open"
    return "ambiguous, " + ADOPTED
