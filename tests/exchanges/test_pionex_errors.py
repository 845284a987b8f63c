"""Pionex: what every kind of bad answer becomes, and what it may not become."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.pionex_wire import SPOT_ORDER, client_on, failure, success

ORDER = "GET /api/v1/trade/order"
CODES = {
    "AuthenticationError": (
        "APIKEY_LOST SIGNATURE_LOST INVALID_APIKEY INVALIE_APIKEY INVALID_SIGNATURE APIKEY_EXPIRED"
    ),
    "PermissionDenied": "IP_NOT_WHITELISTED PERMISSION_DENIED",
    "InvalidNonce": "INVALID_TIMESTAMP",
    "BadSymbol": "TRADE_INVALID_SYMBOL TRADE_INVAILD_SYMBOL MARKET_INVALID_SYMBOL",
    "BadRequest": "TRADE_PARAMETER_ERROR MARKET_PARAMETER_ERROR MARKET_INVALID_TIME",
    "InsufficientFunds": "TRADE_NOT_ENOUGH_MONEY",
    "InvalidOrder": ("TRADE_PRICE_FILTER_DENIED TRADE_SIZE_FILTER_DENIED TRADE_AMOUNT_FILTER_DENIED"),
    "DuplicateOrderId": "TRADE_REPEAT_CLIENT_ORDER_ID",
    "OperationRejected": "TRADE_OPEN_ORDER_EXCEED_LIMIT TRADE_OPERATION_DENIED",
    "OrderNotFound": "TRADE_ORDER_NOT_FOUND",
    "ExchangeError": "SOMETHING_NEW",
}
CASES = [(code, name) for name, codes in CODES.items() for code in codes.split()]


def raised(answer, status=200, headers=None):
    client, wire = client_on({ORDER: answer})
    client.load_markets()
    wire.status = status
    wire.headers.update(headers or {})
    with pytest.raises(ccxt_errors().BaseError) as caught:
        client.fetch_order("1", "BTC/USDT")
    return caught.value


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(("code", "expected"), CASES)
def test_the_code_decides_whatever_the_status(code, expected, status):
    assert type(raised(failure(code), status)).__name__ == expected


def test_an_unknown_code_names_itself():
    assert "SOMETHING_NEW" in str(raised(failure("SOMETHING_NEW")))


def test_a_failure_without_a_code_is_a_bare_exchange_error():
    assert type(raised({"result": False, "timestamp": 1})) is ccxt_errors().ExchangeError


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 60.0), ({"Retry-After": "5"}, 60.0), ({"Retry-After": "90"}, 90.0)]
)
def test_a_429_says_for_how_long_nobody_may_call(headers, seconds):
    error = raised({"result": False, "code": "TRADE_NOT_ENOUGH_MONEY"}, 429, headers)
    assert type(error) is ccxt_errors().RateLimitExceeded
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("status", "expected"),
    [(500, "ExchangeNotAvailable"), (503, "ExchangeNotAvailable"), (504, "RequestTimeout")],
)
def test_a_5xx_proves_nothing_whatever_its_body_says(status, expected):
    for body in (failure("TRADE_NOT_ENOUGH_MONEY"), success(**SPOT_ORDER), "<html>502</html>"):
        assert type(raised(body, status)).__name__ == expected


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "NaN",
        "",
        "<html>maintenance</html>",
        "[]",
        "{}",
        '{"result": "true", "data": {}}',
        '{"result": true, "data": {"orderId": NaN}}',
        '{"result": true, "data": {"orderId": 1, "filledSize": Infinity}}',
        '{"result": true, "data"',
    ],
)
def test_a_body_that_is_no_reply_is_a_bad_response(body):
    assert type(raised(body)) is ccxt_errors().BadResponse


@pytest.mark.parametrize("body", [{"result": True}, success(), {"result": True, "data": None}])
def test_a_success_without_an_order_is_no_order_and_no_absence(body):
    assert type(raised(body)) is ccxt_errors().BadResponse


@pytest.mark.parametrize(
    "data", [None, {}, {"orderId": None}, {"orderId": 0}, {"orderId": "x"}, {"clientOrderId": "a"}]
)
def test_an_order_taken_without_an_id_is_not_placed(data):
    client, _ = client_on({"POST /api/v1/trade/order": {"result": True, "data": data, "timestamp": 1}})
    with pytest.raises(ccxt_errors().BadResponse):
        client.create_order("BTC/USDT", "limit", "buy", 1, 100)


def test_a_list_written_as_null_is_empty_and_a_missing_one_is_not():
    client, _ = client_on({"GET /uapi/v1/account/positions": success(positions=None)})
    assert client.fetch_positions() == []
    client, _ = client_on({"GET /uapi/v1/account/positions": success()})
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_positions()


@pytest.mark.parametrize("figure", ["NaN", "nan", "Infinity", "-Infinity", "+Inf", "inf"])
def test_what_an_account_is_told_with_a_figure_that_is_none_is_a_bad_response(figure):
    assert type(raised(success(**{**SPOT_ORDER, "filledSize": figure}))) is ccxt_errors().BadResponse
    rows = [{"coin": "USDT", "free": figure, "frozen": "0"}]
    client, _ = client_on({"GET /api/v1/account/balances": success(balances=rows)})
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_balance()


def test_coins_may_be_called_nan_and_inf():
    rows = [{"coin": coin, "free": "1", "frozen": "0"} for coin in ("NAN", "INF")]
    client, _ = client_on({"GET /api/v1/account/balances": success(balances=rows)})
    assert client.fetch_balance()["total"] == {"NAN": 1.0, "INF": 1.0}
