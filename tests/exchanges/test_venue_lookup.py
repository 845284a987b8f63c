"""The ladder of look-ups on a stubbed class: which answers count, and what trades alone can tell."""

from dataclasses import replace

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import OrderNotFound, VenueUnknown
from chalicelib.exchanges.lookup import MOST_STRANGERS
from tests.exchanges.venue_world import NOW, SWAP, order, raised, venue_of

INTENT = order(SWAP, "buy", "market", "0.01", client_order_id="cts-looked-for", state=OrderState.UNKNOWN)


def raw(order_id, client_order_id="", status="closed", filled="0.01"):
    return {
        "id": order_id,
        "clientOrderId": client_order_id,
        "symbol": SWAP,
        "side": "buy",
        "type": "market",
        "status": status,
        "amount": "0.01",
        "filled": filled,
        "info": {},
        "timestamp": int(NOW * 1000),
    }


def trade(order_id, number=1, side="buy"):
    return {
        "id": f"t{number}",
        "order": order_id,
        "side": side,
        "amount": "0.01",
        "price": "50000",
        "timestamp": int(NOW * 1000),
        "info": {},
    }


class Orders:
    """The lists of a class like OrangeX's, by hand."""

    def __init__(self, open_orders=(), closed=(), trades=(), by_id=None):
        self.lists = {"open": list(open_orders), "closed": list(closed), "trades": list(trades)}
        self.by_id = by_id or {}
        self.asked = []

    def install(self, venue):
        ccxt = venue._client().ccxt
        ccxt.fetch_open_orders = lambda *_: self.lists["open"]
        ccxt.fetch_closed_orders = lambda *_: self.lists["closed"]
        ccxt.fetch_my_trades = lambda *_: self.lists["trades"]
        ccxt.fetch_order_trades = lambda order_id, *_: [
            one for one in self.lists["trades"] if one["order"] == order_id
        ]
        ccxt.fetch_order = self.one

    def one(self, order_id, symbol, params):
        self.asked.append(order_id)
        return self.by_id[order_id]


def looked(orders, intent=INTENT):
    venue, _, _ = venue_of("orangex")
    orders.install(venue)
    return venue.fetch_order(intent, NOW)


@pytest.mark.parametrize("where", ["open_orders", "closed"])
def test_found_in_a_list_by_our_id_only(where):
    rows = [raw("1"), raw("2", "cts-another"), raw("3", "cts-looked-for")]
    assert looked(Orders(**{where: rows}, trades=[trade("3")])).venue_order_id == "3"


def test_rows_of_others_are_not_ours():
    with pytest.raises(OrderNotFound):
        looked(Orders(open_orders=[raw("1")], closed=[raw("2", "cts-another")]))


def test_trades_lead_to_an_order_that_no_list_shows():
    orders = Orders(
        trades=[trade("9"), trade("8", 2)], by_id={"9": raw("9", "cts-looked-for"), "8": raw("8", "x")}
    )
    seen = looked(orders)
    assert (seen.venue_order_id, seen.state, len(seen.fills)) == ("9", OrderState.FILLED, 1)


def test_trades_of_listed_orders_and_of_the_other_side_lead_nowhere():
    orders = Orders(closed=[raw("1", "x")], trades=[trade("1"), trade("2", 2, side="sell")])
    with pytest.raises(OrderNotFound):
        looked(orders)
    assert orders.asked == []


def test_too_many_orders_that_no_list_shows_leave_the_question_open():
    trades = [trade(str(number), number) for number in range(MOST_STRANGERS + 1)]
    assert type(raised(lambda: looked(Orders(trades=trades)))) is VenueUnknown


def test_trades_alone_prove_what_was_filled():
    booked = replace(INTENT, venue_order_id="9", state=OrderState.ACCEPTED)
    seen = looked(Orders(trades=[trade("9")], by_id={"9": raw("9", "cts-another")}), booked)
    assert (seen.state, seen.filled) == (OrderState.FILLED, booked.quantity)


def test_an_answer_about_another_order_is_no_answer():
    booked = replace(INTENT, venue_order_id="9")
    with pytest.raises(OrderNotFound):
        looked(Orders(by_id={"9": raw("9", "cts-another")}), booked)
