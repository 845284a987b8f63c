"""From an order to what is sent: every parameter the exchange knows, none that it would ignore."""

import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.errors import VenueRejected
from chalicelib.exchanges.order_parameters import text_of, wish_of
from chalicelib.exchanges.quirks import QUIRKS
from tests.exchanges.venue_world import MARKETS, NOW, SPOT, SWAP, approved, order, raised, stop, venue_of

D = Decimal
EXIT = {"reduce_only": True, "leg": "exit"}
PLACED = {
    "binance": {"orderId": 7, "symbol": "BTCUSDT", "status": "NEW", "positionSide": "BOTH"},
    "bybit": {"retCode": 0, "result": {"orderId": "7", "orderLinkId": "x"}},
    "bingx": {"code": 0, "data": {"order": {"orderId": 7, "symbol": "BTC-USDT", "positionSide": "BOTH"}}},
}
STOP_PLACED = PLACED | {"binance": {"algoId": 7, "symbol": "BTCUSDT", "algoStatus": "NEW"}}
HEDGE_SENT = {
    "binance": ("positionSide", {"long": "LONG", "short": "SHORT"}),
    "bybit": ("positionIdx", {"long": "1", "short": "2"}),
    "bingx": ("positionSide", {"long": "LONG", "short": "SHORT"}),
}


def sent(session):
    """Return the parameters of the request that placed the order, as texts, wherever they stand."""
    request = session.sent[-1]
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
    if request.body.startswith("{"):
        loaded = json.loads(request.body)
        return query | {name: json.dumps(v) if isinstance(v, bool) else str(v) for name, v in loaded.items()}
    return query | {name: values[0] for name, values in parse_qs(request.body).items()}


def place(exchange, intent, placed=PLACED, market_type="swap"):
    venue, session, _ = venue_of(exchange, placed[exchange], market_type=market_type)
    # Not every stubbed answer is one the venue can read; what was sent is looked at here.
    raised_or_none = None
    try:
        venue.create_order(approved(intent), NOW)
    except Exception as error:
        raised_or_none = error
    assert raised_or_none is None or session.sent, raised_or_none
    return sent(session)


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
def test_exits_and_stops_are_reduce_only(exchange):
    for intent, placed in (
        (order(SWAP, "sell", "market", "0.01", **EXIT), PLACED),
        (order(SWAP, "sell", "limit", "0.01", "60000", **EXIT), PLACED),
        (stop("sell", "0.01", "45000"), STOP_PLACED),
    ):
        assert place(exchange, intent, placed)["reduceOnly"].lower() == "true", intent.type


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
def test_entries_are_not_reduce_only(exchange):
    assert place(exchange, order(SWAP, "buy", "market", "0.01")).get("reduceOnly") is None


@pytest.mark.parametrize(
    ("exchange", "trigger", "last_price"),
    [
        ("binance", "triggerPrice", ("workingType", "CONTRACT_PRICE")),
        ("bybit", "triggerPrice", ("triggerBy", "LastPrice")),
        ("bingx", "stopPrice", ("workingType", "CONTRACT_PRICE")),
    ],
)
def test_stops_trigger_on_the_last_price(exchange, trigger, last_price):
    parameters = place(exchange, stop("sell", "0.01", "45000.1"), STOP_PLACED)
    assert parameters[trigger] == "45000.1"
    assert parameters[last_price[0]] == last_price[1]


@pytest.mark.parametrize(("side", "direction"), [("sell", "2"), ("buy", "1")])
def test_bybit_is_told_from_which_side_the_trigger_is_reached(side, direction):
    assert place("bybit", stop(side, "0.01", "45000"))["triggerDirection"] == direction


@pytest.mark.parametrize("exchange", list(HEDGE_SENT))
@pytest.mark.parametrize(
    ("held", "side", "other"),
    [("long", "buy", {}), ("short", "sell", {}), ("long", "sell", EXIT), ("short", "buy", EXIT)],
)
def test_hedge_mode_names_the_side_that_is_meant(exchange, held, side, other):
    name, words = HEDGE_SENT[exchange]
    intent = order(SWAP, side, "market", "0.01", position_side=held, **other)
    assert place(exchange, intent)[name] == words[held]


@pytest.mark.parametrize(
    ("exchange", "name", "word"),
    [
        ("binance", "timeInForce", "GTX"),
        ("bybit", "timeInForce", "PostOnly"),
        ("bingx", "timeInForce", "PostOnly"),
    ],
)
def test_post_only(exchange, name, word):
    assert place(exchange, order(SWAP, "buy", "limit", "0.01", "40000", post_only=True))[name] == word


@pytest.mark.parametrize(
    ("exchange", "names"),
    [("binance", ("quantity", "price")), ("bybit", ("qty", "price")), ("bingx", ("quantity", "price"))],
)
def test_numbers_are_sent_as_they_are_written(exchange, names):
    parameters = place(exchange, order(SWAP, "buy", "limit", "0.003", "40000.1"))
    assert [parameters[name] for name in names] == ["0.003", "40000.1"]


def test_a_small_amount_has_no_exponent(monkeypatch):
    # As a float it would be 1e-05, which BingX gets in the address.
    monkeypatch.setitem(
        MARKETS, SWAP, replace(MARKETS[SWAP], amount_step=D("0.00001"), min_amount=D("0.00001"))
    )
    parameters = place("bingx", order(SWAP, "sell", "market", "0.00001", **EXIT))
    assert parameters["quantity"] == "0.00001"


def test_decimals_as_texts():
    assert [text_of(D(text)) for text in ("1E-7", "100", "1E+3", "0.500")] == [
        "0.0000001",
        "100",
        "1000",
        "0.5",
    ]


@pytest.mark.parametrize(
    ("intent", "reason"),
    [
        (order(SWAP, "buy", "market", "0.0105"), "INVALID_ORDER"),
        (order(SWAP, "buy", "market", "0.0001"), "INVALID_ORDER"),
        (order(SWAP, "buy", "market", "1001"), "INVALID_ORDER"),
        (order(SWAP, "buy", "market", "0"), "INVALID_ORDER"),
        (order(SWAP, "buy", "market", "NaN"), "INVALID_ORDER"),
        (order(SWAP, "buy", "limit", "0.01", "40000.05"), "INVALID_ORDER"),
        (order(SWAP, "buy", "limit", "0.001", "40000"), "INVALID_ORDER"),
        (order(SWAP, "buy", "limit", "0.01"), "INVALID_ORDER"),
        (order(SWAP, "sell", "stop", "0.01", **EXIT), "INVALID_ORDER"),
        (order(SWAP, "sell", "stop", "0.01", trigger_price=D(45000)), "NOT_SUPPORTED"),
        (order(SWAP, "buy", "market", "0.01", client_order_id="cts/1"), "NOT_SUPPORTED"),
        (order(SWAP, "buy", "market", "0.01", client_order_id="c" * 41), "NOT_SUPPORTED"),
        (order(SWAP, "buy", "market", "0.01", position_side="long", **EXIT), "INVALID_ORDER"),
        (order(SWAP, "sell", "market", "0.01", position_side="long"), "INVALID_ORDER"),
        (order(SWAP, "buy", "market", "0.01", post_only=True), "NOT_SUPPORTED"),
    ],
)
def test_what_must_not_be_sent_is_refused_without_a_call(intent, reason):
    venue, session, gate = venue_of("bybit")
    error = raised(lambda: venue.create_order(approved(intent), NOW))
    assert isinstance(error, VenueRejected)
    assert error.reason == reason
    assert not session.sent
    assert not gate.weights


def test_an_exit_may_be_below_the_minimum_notional():
    exits = order(SWAP, "sell", "limit", "0.001", "60000", **EXIT)
    assert wish_of(exits, MARKETS[SWAP], QUIRKS["binance"]).params["reduceOnly"] is True


@pytest.mark.parametrize("exchange", list(QUIRKS))
def test_no_spot_stops_anywhere(exchange):
    intent = order(SPOT, "sell", "stop", "0.01", trigger_price=D(45000), **EXIT)
    error = raised(lambda: wish_of(intent, MARKETS[SPOT], QUIRKS[exchange]))
    assert isinstance(error, VenueRejected)
    assert error.reason == "NOT_SUPPORTED"


@pytest.mark.parametrize("exchange", list(QUIRKS))
def test_nothing_but_what_is_allowed_is_ever_sent(exchange):
    quirks = QUIRKS[exchange]
    for (market_type, order_type), allowed in quirks.order_parameters.items():
        assert not {name for name in allowed if name.startswith("trailing")}
        assert not allowed & {"stopLoss", "takeProfit", "triggerPrice", "stopPrice"}
        symbol = SPOT if market_type == "spot" else SWAP
        intent = order(symbol, "sell", order_type, "0.01", "60000" if order_type == "limit" else None, **EXIT)
        if order_type == "stop":
            intent = stop("sell", "0.01", "45000")
        params = set(wish_of(intent, MARKETS[symbol], quirks).params)
        assert params <= allowed
        narrower = replace(quirks, order_parameters={(market_type, order_type): allowed - {"clientOrderId"}})
        error = raised(lambda n=narrower, i=intent, s=symbol: wish_of(i, MARKETS[s], n))
        assert isinstance(error, VenueRejected)
        assert error.reason == "NOT_SUPPORTED"


def test_spot_exits_carry_no_reduce_only():
    wish = wish_of(order(SPOT, "sell", "market", "0.01", **EXIT), MARKETS[SPOT], QUIRKS["binance"])
    assert set(wish.params) == {"clientOrderId"}


@pytest.mark.parametrize(("price", "cost"), [(None, "123.45"), ("40000", "100")])
def test_a_market_buy_at_pionex_spends_quote_currency(price, cost):
    intent = order(SPOT, "buy", "market", "0.0025", price)
    wish = wish_of(intent, MARKETS[SPOT], QUIRKS["pionex"], last=D("49381.9"))
    assert wish.params["cost"] == cost


def test_a_market_buy_at_pionex_without_any_price_is_refused():
    error = raised(lambda: wish_of(order(SPOT, "buy", "market", "0.01"), MARKETS[SPOT], QUIRKS["pionex"]))
    assert isinstance(error, VenueRejected)
