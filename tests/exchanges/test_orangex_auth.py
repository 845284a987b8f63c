"""Sign-in at OrangeX: the signature, and the life of an access token."""

import hashlib
import hmac
import logging
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from chalicelib.exchanges.ccxt_loader import ccxt_errors, load_exchange_class
from tests.exchanges.orangex_replies import NOW, WALLET, failed, ok, orangex_with, token

load_exchange_class("orangex")  # ccxt must be entered before a module of ours imports its base classes

from chalicelib.exchanges.orangex_auth import NotSent, client_signature  # noqa: E402

errors = ccxt_errors()
VECTOR = ("e429d4d1", "testclientSecret", "1648544509453", "401000476306309121")
SIGNED = (
    "6463653532336665323733316335356666333064373735626463623262316233"
    "6363343239356164363966393063626136383666616532323462626262303332"
)
BALANCE = {"private/get_assets_info": ok(WALLET)}


def stored(expires_in: float, name: str = "kept") -> dict:
    return {"accessToken": {"token": name, "refresh": f"{name}-refresh", "expires": NOW / 1000 + expires_in}}


def balance(exchange):
    return exchange.fetch_balance({"type": "swap"})


def bearers(session):
    return [call.headers["Authorization"] for call in session.calls if call.name.startswith("private/")]


def grants(session):
    return [call.params["grant_type"] for call in session.of("public/auth")]


def test_published_signature():
    assert client_signature(*VECTOR) == SIGNED


def test_one_encoding_is_another_signature():
    client_id, secret, timestamp, nonce = VECTOR
    text = f"{client_id}\n{timestamp}\n{nonce}\n"
    once = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert once == "dce523fe2731c55ff30d775bdcb2b1b3cc4295ad69f90cba686fae224bbbb032"
    assert client_signature(*VECTOR) != once
    assert bytes.fromhex(client_signature(*VECTOR)).decode() == once


def test_first_call_signs_in_with_the_secret():
    exchange, session = orangex_with(BALANCE)
    balance(exchange)
    auth = session.of("public/auth")[0]
    assert auth.verb == "POST"
    assert auth.params == {
        "grant_type": "client_credentials",
        "client_id": "e429d4d1",
        "client_secret": "testclientSecret",
    }
    assert "Authorization" not in auth.headers
    assert bearers(session) == ["bearer token-1"]
    call = session.of("private/get_assets_info")[0]
    assert call.url == "https://api.orangex.com/api/v1/private/get_assets_info"
    assert (call.body["jsonrpc"], call.body["method"]) == ("2.0", "/private/get_assets_info")
    assert "access_token" not in call.params


def test_sign_in_with_a_signature():
    exchange, session = orangex_with(BALANCE, {"grantType": "client_signature", "timeDifference": 1500})
    balance(exchange)
    sent = session.of("public/auth")[0].params
    assert sent["grant_type"] == "client_signature"
    assert sent["timestamp"] == str(NOW - 1500)
    assert sent["signature"] == client_signature(*VECTOR[:2], sent["timestamp"], sent["nonce"])
    assert "client_secret" not in sent


def test_the_token_is_kept():
    exchange, session = orangex_with(BALANCE)
    balance(exchange)
    balance(exchange)
    assert grants(session) == ["client_credentials"]
    assert exchange.options["accessToken"] == {
        "token": "token-1",
        "refresh": "refresh-1",
        "expires": NOW / 1000 + 43_199,
        "scope": "account:read trade:read_write wallet:none",
    }


def test_a_token_of_before_is_used():
    exchange, session = orangex_with(BALANCE, stored(61))
    balance(exchange)
    assert session.of("public/auth") == []
    assert bearers(session) == ["bearer kept"]


def test_a_token_of_another_instance_goes_on():
    first, _ = orangex_with(BALANCE)
    balance(first)
    second, session = orangex_with(BALANCE)
    second.options["accessToken"] = first.options["accessToken"]
    balance(second)
    assert session.of("public/auth") == []


def test_a_token_is_renewed_a_minute_before_its_end():
    exchange, session = orangex_with(BALANCE, stored(60))
    balance(exchange)
    assert session.of("public/auth")[0].params == {
        "grant_type": "refresh_token",
        "refresh_token": "kept-refresh",
    }
    assert bearers(session) == ["bearer token-1"]


def test_a_refused_refresh_token_leaves_the_secret():
    answers = {**BALANCE, "public/auth": [failed(10000), ok(token(7))]}
    exchange, session = orangex_with(answers, stored(0))
    balance(exchange)
    assert grants(session) == ["refresh_token", "client_credentials"]
    assert bearers(session) == ["bearer token-7"]


def test_a_refused_token_is_replaced_once():
    answers = {"private/get_assets_info": [failed(10000), ok(WALLET)]}
    exchange, session = orangex_with(answers, stored(1000))
    assert balance(exchange)["USDT"]["total"] == 1000.5
    assert grants(session) == ["client_credentials"]
    assert bearers(session) == ["bearer kept", "bearer token-1"]


def test_no_loop_of_sign_ins():
    exchange, session = orangex_with({"private/get_assets_info": failed(10000)})
    with pytest.raises(errors.AuthenticationError):
        balance(exchange)
    assert len(session.of("private/get_assets_info")) == 2
    assert len(grants(session)) == 2


def test_a_missing_permission_is_no_reason_to_sign_in():
    exchange, session = orangex_with({"private/get_assets_info": failed(2033)}, stored(1000))
    with pytest.raises(errors.PermissionDenied):
        balance(exchange)
    assert session.of("public/auth") == []


@pytest.mark.parametrize("reply", [failed(10000), failed(8000), failed(4711)])
def test_refused_credentials(reply):
    exchange, session = orangex_with({**BALANCE, "public/auth": reply})
    with pytest.raises(errors.AuthenticationError):
        balance(exchange)
    assert session.names() == []


@pytest.mark.parametrize(
    "answer",
    [
        requests.exceptions.ReadTimeout("slow"),
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.SSLError("certificate"),
        requests.exceptions.ChunkedEncodingError("cut off"),
        ssl.SSLError("certificate"),
        (503, "busy"),
        (504, "busy"),
        failed(9999),
        ok({}),
        "null",
        "<html>",
    ],
)
def test_an_order_without_a_token_was_not_sent(answer):
    exchange, session = orangex_with({"public/auth": answer, "private/buy": ok({})})
    with pytest.raises(NotSent):
        exchange.create_order("BTC/USDT:USDT", "market", "buy", 0.001)
    assert session.of("private/buy") == []


def test_a_limit_met_while_signing_in_is_told_as_one():
    exchange, _ = orangex_with({**BALANCE, "public/auth": (429, "slow down")})
    with pytest.raises(errors.RateLimitExceeded):
        balance(exchange)


def test_missing_credentials():
    exchange, session = orangex_with(BALANCE)
    exchange.secret = ""
    with pytest.raises(errors.AuthenticationError, match="secret"):
        balance(exchange)
    assert session.calls == []


def test_unknown_grant():
    exchange, _ = orangex_with(BALANCE, {"grantType": "password"})
    with pytest.raises(errors.BadRequest, match="password"):
        balance(exchange)


def test_threads_sign_in_once():
    def slowly(_):
        time.sleep(0.05)
        return ok(token(1))

    exchange, session = orangex_with({**BALANCE, "public/auth": slowly})
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _: balance(exchange), range(8)))) == 8
    assert len(session.of("public/auth")) == 1


def test_scopes_of_the_key():
    exchange, _ = orangex_with({})
    assert exchange.fetch_key_scopes() == {"account:read", "trade:read_write", "wallet:none"}


def test_sign_in_returns_what_a_store_keeps():
    exchange, session = orangex_with({})
    assert exchange.sign_in()["token"] == "token-1"
    assert exchange.sign_in()["token"] == "token-1"
    assert len(session.of("public/auth")) == 1


def test_secrets_are_not_logged(caplog):
    exchange, _ = orangex_with(BALANCE)
    with caplog.at_level(logging.DEBUG):
        balance(exchange)
    assert "testclientSecret" not in caplog.text
    assert "token-1" not in caplog.text
