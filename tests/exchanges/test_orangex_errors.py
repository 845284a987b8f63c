"""Errors of OrangeX: codes inside a status of 200, statuses, and bodies that are no reply."""

import pytest
import requests

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import failed, ok, orangex_with

errors = ccxt_errors()


def tickers(answer):
    exchange, _ = orangex_with({"public/tickers": answer})
    return exchange.fetch_tickers(["BTC/USDT:USDT"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, "NotSupported"),
        (1001, "BadRequest"),
        (2033, "PermissionDenied"),
        (3401, "BadRequest"),
        (5001, "BadSymbol"),
        (8000, "BadRequest"),
        (9999, "ExchangeNotAvailable"),
        (10000, "AuthenticationError"),
        (5998, "ExchangeError"),
        (4711, "ExchangeError"),
    ],
)
def test_codes_inside_a_200(code, expected):
    with pytest.raises(errors.BaseError, match=str(code)) as caught:
        tickers(failed(code))
    assert type(caught.value).__name__ == expected


def test_too_many_candles_is_a_bad_request():
    with pytest.raises(errors.BadRequest, match="5221"):
        tickers(failed(5221))


@pytest.mark.parametrize(
    "body",
    [
        {"jsonrpc": "2.0", "usIn": 1, "usOut": 2},
        {"jsonrpc": "2.0", "result": None},
        "null",
        "NaN",
        "",
        "[]",
        "<html>bad gateway</html>",
        '{"result": [{"last_price": NaN}]}',
        '{"result": [{"last_pri',
        '{"result": [{"instrument_name": "BTC-USDT-PERPETUAL", "last_price": "NaN"}]}',
    ],
)
def test_a_body_that_is_no_reply(body):
    with pytest.raises(errors.BadResponse):
        tickers(body)


@pytest.mark.parametrize("result", [{}, "ok", 5, {"tickers": None}])
def test_a_result_that_is_no_list_is_not_an_empty_one(result):
    with pytest.raises(errors.BadResponse):
        tickers(ok(result))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, "RateLimitExceeded"),
        (418, "DDoSProtection"),
        (401, "AuthenticationError"),
        (403, "ExchangeNotAvailable"),
        (500, "ExchangeNotAvailable"),
        (502, "ExchangeNotAvailable"),
        (503, "ExchangeNotAvailable"),
        (504, "RequestTimeout"),
    ],
)
def test_statuses(status, expected):
    with pytest.raises(errors.BaseError) as caught:
        tickers((status, "<html>"))
    assert type(caught.value).__name__ == expected


def test_a_code_in_a_5xx_proves_nothing():
    with pytest.raises(errors.ExchangeNotAvailable):
        tickers((502, failed(8000)))


def test_a_code_in_a_4xx_counts():
    with pytest.raises(errors.BadSymbol):
        tickers((400, failed(5001)))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (requests.exceptions.ReadTimeout("slow"), "RequestTimeout"),
        (requests.exceptions.ConnectionError("reset"), "NetworkError"),
    ],
)
def test_the_line(raised, expected):
    with pytest.raises(errors.BaseError) as caught:
        tickers(raised)
    assert type(caught.value).__name__ == expected


def test_an_error_that_is_only_a_word():
    with pytest.raises(errors.ExchangeError):
        tickers({"error": "broken"})
