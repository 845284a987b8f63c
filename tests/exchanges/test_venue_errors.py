"""What replies and failures mean, for create, cancel and fetch: by the body's code first, then the class."""

import pytest
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, ReadTimeout
from urllib3.exceptions import MaxRetryError, NewConnectionError

from chalicelib.errors import (
    DuplicateClientOrderId,
    VenueNotSent,
    VenueRejected,
    VenueUnauthorized,
    VenueUnknown,
)
from tests.exchanges.venue_world import NOW, SPOT, SWAP, approved, body, order, raised, reset, venue_of

SERVER_TIME = {"serverTime": 1_790_000_000_000}


def failure(exchange, *answers, market_type="swap", intent=None):
    symbol = SWAP if market_type == "swap" else SPOT
    memory = {}
    if exchange == "orangex":
        answers = (TOKEN, *answers)
    venue, session, gate = venue_of(exchange, *answers, market_type=market_type, memory=memory)
    sent = intent or order(symbol, "sell", "market", "0.01", reduce_only=True, leg="exit")
    error = raised(lambda: venue.create_order(approved(sent), NOW))
    return error, session, gate


TOKEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "usOut": 1_790_000_000_000,
    "result": {"access_token": "t", "refresh_token": "r", "expires_in": 40_000, "scope": "trade:read_write"},
}


def refused_connection():
    reason = NewConnectionError(None, "refused")
    return RequestsConnectionError(MaxRetryError(None, "/", reason))


ALL = ("binance", "bybit", "bingx", "pionex", "orangex")


@pytest.mark.parametrize("exchange", ALL)
@pytest.mark.parametrize(
    "answer",
    [
        ReadTimeout("read timed out"),
        reset(),
        (503, "Service Unavailable", {}),
        (502, "<html>bad gateway</html>", {"Content-Type": "text/html"}),
        (504, "", {}),
        (200, "null", {}),
        (200, "<html>hello</html>", {"Content-Type": "text/html"}),
        (200, "{}", {}),
        (200, '{"code": 7654321, "msg": "who knows"}', {}),
        (400, '{"oops": 1}', {}),
        (404, "", {}),
    ],
    ids=["timeout", "reset", "503", "502 html", "504", "null", "html", "{}", "unmapped", "400", "404"],
)
def test_what_proves_nothing_is_unknown(exchange, answer):
    error, session, _ = failure(exchange, answer)
    assert type(error) is VenueUnknown, repr(error)
    assert len(session.sent) == 1 + (exchange == "orangex")


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx"])
@pytest.mark.parametrize("text", ['{"orderId": null}', '{"code":0,"retCode":0,"data":{},"result":{}}'])
def test_an_order_without_an_id_is_unknown(exchange, text):
    error, _, _ = failure(exchange, (200, text, {}))
    assert type(error) is VenueUnknown, repr(error)


def test_a_number_that_is_none_is_unknown():
    placed = (
        '{"orderId": 7, "status": "FILLED", "positionSide": "BOTH", "executedQty": NaN, "origQty": "0.01"}'
    )
    error, _, _ = failure("binance", (200, placed, {}))
    assert type(error) is VenueUnknown, repr(error)


@pytest.mark.parametrize("exchange", ["binance", "bybit", "bingx", "pionex"])
@pytest.mark.parametrize("answer", [refused_connection(), ConnectTimeout("no")], ids=["refused", "no answer"])
def test_without_a_connection_nothing_was_sent(exchange, answer):
    error, _, gate = failure(exchange, answer)
    assert isinstance(error, VenueNotSent)
    assert error.reason == "NOT_CONNECTED"
    assert gate.told == ["failed"]


def test_without_a_token_nothing_was_sent():
    venue, session, _ = venue_of("orangex", (503, "down", {}))
    error = raised(lambda: venue.create_order(approved(order(SWAP, "buy", "market", "0.01")), NOW))
    assert isinstance(error, VenueNotSent)
    assert error.reason == "NOT_CONNECTED"
    assert "buy" not in session.sent[-1].url


REJECTED = [
    ("binance", "-2019", "no", "INSUFFICIENT_FUNDS"),
    ("binance", "-2010", "Account has insufficient balance for requested action.", "INSUFFICIENT_FUNDS"),
    ("binance", "-2010", "Stop price would trigger immediately.", "REJECTED"),
    ("binance", "-1121", "no", "BAD_SYMBOL"),
    ("binance", "-1013", "Filter failure: NOTIONAL", "INVALID_ORDER"),
    ("binance", "-4164", "no", "INVALID_ORDER"),
    ("binance", "-2022", "no", "REDUCE_ONLY"),
    ("bybit", "110007", "no", "INSUFFICIENT_FUNDS"),
    ("bybit", "110017", "no", "REDUCE_ONLY"),
    ("bybit", "170136", "no", "INVALID_ORDER"),
    ("bybit", "10001", "Qty invalid", "INVALID_ORDER"),
    ("bybit", "10001", "params error", "REJECTED"),
    ("bingx", "101204", "no", "INSUFFICIENT_FUNDS"),
    ("bingx", "101290", "no", "REDUCE_ONLY"),
    ("bingx", "100421", "This pair is currently restricted from API trading", "BAD_SYMBOL"),
    ("pionex", "TRADE_NOT_ENOUGH_MONEY", "no", "INSUFFICIENT_FUNDS"),
    ("pionex", "TRADE_SIZE_FILTER_DENIED", "no", "INVALID_ORDER"),
    ("orangex", "5001", "no", "BAD_SYMBOL"),
    ("orangex", "8000", "no", "REJECTED"),
]


@pytest.mark.parametrize(("exchange", "code", "message", "reason"), REJECTED)
def test_what_the_exchange_proves_not_to_have_taken(exchange, code, message, reason):
    error, _, gate = failure(
        exchange, (400 if exchange == "binance" else 200, body(exchange, code, message), {})
    )
    assert type(error) is VenueRejected, repr(error)
    assert error.reason == reason
    assert gate.told[-1] == "succeeded"


DUPLICATES = [
    ("binance", "-4116", "no"),
    ("binance", "-2010", "Duplicate order sent."),
    ("bybit", "110072", "no"),
    ("bybit", "170141", "no"),
    ("bingx", "109201", "no"),
    ("bingx", "101481", "no"),
    ("pionex", "TRADE_REPEAT_CLIENT_ORDER_ID", "no"),
]


@pytest.mark.parametrize(("exchange", "code", "message"), DUPLICATES)
def test_a_duplicate_means_that_an_earlier_attempt_was_taken(exchange, code, message):
    error, _, _ = failure(exchange, (200, body(exchange, code, message), {}))
    assert type(error) is DuplicateClientOrderId, repr(error)


UNKNOWN = [
    ("binance", "-1006"),
    ("binance", "-1007"),
    ("bybit", "10016"),
    ("bybit", "10000"),
    ("bybit", "170146"),
    ("bingx", "100500"),
    ("bingx", "109500"),
    ("orangex", "9999"),
    ("orangex", "1234"),
]


@pytest.mark.parametrize(("exchange", "code"), UNKNOWN)
def test_codes_by_which_the_exchange_says_that_it_does_not_know(exchange, code):
    error, _, _ = failure(exchange, (200, body(exchange, code), {}))
    assert type(error) is VenueUnknown, repr(error)


UNAUTHORIZED = [
    ("binance", "-2015"),
    ("binance", "-2014"),
    ("bybit", "10003"),
    ("bybit", "33004"),
    ("bingx", "100413"),
    ("bingx", "100419"),
    ("pionex", "INVALID_APIKEY"),
    ("pionex", "PERMISSION_DENIED"),
    ("orangex", "2033"),
]


@pytest.mark.parametrize(("exchange", "code"), UNAUTHORIZED)
def test_a_key_that_is_not_taken(exchange, code):
    error, _, _ = failure(exchange, (200, body(exchange, code), {}))
    assert type(error) is VenueUnauthorized, repr(error)


def test_a_key_revoked_after_it_worked_is_no_rate_limit_at_binance():
    # ccxt makes a DDoSProtection of -2015 once a private call has succeeded.
    account = {"balances": [], "updateTime": 1}
    venue, _, gate = venue_of("binance", account, (401, body("binance", "-2015"), {}), market_type="spot")
    venue.fetch_balance(NOW)
    error = raised(lambda: venue.fetch_balance(NOW))
    assert type(error) is VenueUnauthorized
    assert gate.told == ["succeeded", "succeeded"]


LIMITS = [
    ("binance", 429, body("binance", "-1003"), {"Retry-After": "7"}, 7.0, False),
    ("binance", 418, body("binance", "-1003"), {"Retry-After": "120"}, 120.0, True),
    ("bybit", 200, body("bybit", "10006"), {}, None, False),
    ("bingx", 200, body("bingx", "100410", "rate limited"), {}, None, False),
    ("bingx", 429, "busy", {}, None, False),
    ("pionex", 429, "slow", {}, 60.0, False),
    ("pionex", 429, "slow", {"Retry-After": "90"}, 90.0, False),
    ("orangex", 429, "slow", {}, 10.0, False),
]


@pytest.mark.parametrize(("exchange", "status", "text", "headers", "pause", "banned"), LIMITS)
def test_a_rate_limit_stops_everybody_on_the_key(exchange, status, text, headers, pause, banned):
    error, _, gate = failure(exchange, (status, text, headers))
    assert isinstance(error, VenueNotSent)
    assert error.reason == "RATE_LIMIT"
    assert gate.told[-1] == ("limited", pause, banned)
    assert (error.until is None) == (pause is None)


def test_the_moment_at_which_a_limit_ends_may_stand_in_the_text():
    text = body("binance", "-1003", "Way too much; IP banned until 4102444800000.")
    _, _, gate = failure("binance", (418, text, {}))
    kind, pause, banned = gate.told[-1]
    assert (kind, banned) == ("limited", True)
    assert pause > 1e9


SKEWED = [
    ("binance", "-1021", "Timestamp for this request is outside of the recvWindow."),
    ("bybit", "10002", "invalid request, please check your server timestamp"),
    ("bingx", "100421", "timestamp is invalid"),
]
TIMES = {
    "binance": SERVER_TIME,
    "bybit": {"retCode": 0, "result": {"timeSecond": "1790000000"}, "time": 1_790_000_000_000},
    "bingx": {"code": 0, "data": {"serverTime": 1_790_000_000_000}},
}


@pytest.mark.parametrize(("exchange", "code", "message"), SKEWED)
def test_a_wrong_clock_is_set_right_once_and_the_same_order_sent_again(exchange, code, message):
    skewed = (400 if exchange == "binance" else 200, body(exchange, code, message), {})
    venue, session, _ = venue_of(exchange, skewed, TIMES[exchange], skewed)
    intent = order(SWAP, "buy", "market", "0.01")
    error = raised(lambda: venue.create_order(approved(intent), NOW))
    assert isinstance(error, VenueNotSent)
    assert error.reason == "CLOCK_SKEW"
    first, asked, again = (f"{sent.url} {sent.body} {sent.headers}" for sent in session.sent)
    assert "time" in asked
    assert intent.client_order_id in first
    assert intent.client_order_id in again
    # What is signed the second time is the exchange's time, weeks away from this machine's.
    assert "1790000000" not in first
    assert "1790000000" in again


def test_a_clock_that_cannot_be_set_leaves_the_order_unsent():
    skewed = (400, body("binance", "-1021"), {})
    venue, session, _ = venue_of("binance", skewed, ReadTimeout("no"))
    error = raised(lambda: venue.create_order(approved(order(SWAP, "buy", "market", "0.01")), NOW))
    assert isinstance(error, VenueNotSent)
    assert error.reason == "CLOCK_SKEW"
    assert len(session.sent) == 2
