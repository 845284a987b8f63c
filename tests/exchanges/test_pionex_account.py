"""Pionex: balances, positions, settings and funding payments as ccxt's structures."""

import copy

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.pionex_wire import NOW, POSITION, client_on, success, validate

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
ALTERED = {"result": True, "timestamp": NOW}
FUNDING = {
    "symbol": "BTC_USDT_PERP",
    "isolatedMode": "CROSS",
    "fundingFee": "-0.01234567",
    "fundingCoin": "USDT",
    "timestamp": NOW,
    "fundingRate": "0.0001",
}


def test_the_spot_balance_is_free_and_frozen_without_dust():
    rows = [
        {"coin": "BTC", "free": "0.10000000", "frozen": "0.20000000"},
        {"coin": "USDT", "free": "100.00000000", "frozen": "900.00000000"},
    ]
    client, _ = client_on({"GET /api/v1/account/balances": success(balances=rows)})
    balance = client.fetch_balance()
    validate("balance", client, {}, "fetchBalance", balance)
    assert balance["BTC"] == {"free": 0.1, "used": 0.2, "total": 0.3}
    assert balance["total"] == {"BTC": 0.3, "USDT": 1000.0}


def swap_balance(*positions, **usdt):
    row = {"coin": "USDT", "assets": "1000", "free": "990", "frozen": "10", "available": "700", **usdt}
    client, _ = client_on({"GET /uapi/v1/account/detail": success(balances=[row], positions=list(positions))})
    balance = client.fetch_balance({"type": "swap"})
    validate("balance", client, {}, "fetchBalance", balance)
    return balance["USDT"]


def test_the_futures_balance_is_settled_money_and_the_margin_a_new_order_may_use():
    assert swap_balance() == {"total": 1000.0, "free": 700.0, "used": 300.0}


def test_unrealised_profit_is_no_free_money_and_loss_no_negative():
    assert swap_balance(available="1200")["free"] == 1000.0
    assert swap_balance(available="-5") == {"total": 1000.0, "free": 0.0, "used": 1000.0}


def test_margin_of_isolated_positions_belongs_to_the_total():
    isolated = {**POSITION, "balances": [{"coin": "USDT", "free": "40", "frozen": "10.5"}]}
    assert swap_balance(isolated) == {"total": 1050.5, "free": 700.0, "used": 350.5}


def test_a_balance_without_figures_is_no_balance_of_zero():
    client, _ = client_on({"GET /uapi/v1/account/detail": success(balances=[{"coin": "USDT"}])})
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_balance({"type": "swap"})


def test_there_are_two_balances():
    client, _ = client_on({})
    with pytest.raises(ccxt_errors().BadRequest, match="earn"):
        client.fetch_balance({"type": "earn"})


def positions_of(*rows, symbols=None):
    client, wire = client_on({"GET /uapi/v1/account/positions": success(positions=list(rows))})
    return client.fetch_positions(symbols), client, wire


def test_a_cross_position_satisfies_ccxt():
    [position], client, _ = positions_of(POSITION)
    # A cross position is backed by the whole account: it has no collateral of its own.
    validate("position", client, {"collateral": True}, "fetchPositions", copy.deepcopy(position), SWAP, NOW)
    assert (position["symbol"], position["side"], position["contracts"]) == (SWAP, "long", 0.5)
    assert (position["entryPrice"], position["markPrice"]) == (30000.0, 30100.0)
    assert (position["notional"], position["unrealizedPnl"]) == (15050.0, 50.0)
    assert (position["leverage"], position["liquidationPrice"]) == (10.0, 27150.5)
    assert (position["marginMode"], position["collateral"]) == ("cross", None)


def test_an_isolated_position_satisfies_ccxt():
    row = {**POSITION, "isolatedMode": "ISOLATED_LONG", "liquidationPrice": "27140.5"}
    [position], client, _ = positions_of(row)
    validate("position", client, {}, "fetchPositions", copy.deepcopy(position), SWAP, NOW)
    assert (position["marginMode"], position["collateral"]) == ("isolated", 1555.0)


@pytest.mark.parametrize(
    ("change", "side"),
    [
        ({"netSize": "-0.5", "positionSide": "BOTH"}, "short"),
        ({"netSize": "-0.5", "positionSide": "SHORT"}, "short"),
        ({"netSize": "0.5", "positionSide": "SHORT"}, "short"),
        ({"netSize": "0.5", "positionSide": "BOTH"}, "long"),
        ({"netSize": "0.5", "positionSide": "LONG"}, "long"),
    ],
)
def test_the_sign_of_the_net_size_is_the_direction(change, side):
    [position], _, _ = positions_of({**POSITION, **change})
    assert (position["side"], position["contracts"]) == (side, 0.5)


@pytest.mark.parametrize("change", [{"netSize": "-0.5", "positionSide": "LONG"}, {"netSize": None}])
def test_a_position_that_contradicts_itself_or_names_no_size_is_a_bad_response(change):
    with pytest.raises(ccxt_errors().BadResponse):
        positions_of({**POSITION, **change})


def test_flat_positions_are_left_out():
    found, _, _ = positions_of({**POSITION, "netSize": "0.0000"})
    assert found == []


def test_positions_are_asked_for_by_symbol_if_there_is_one():
    found, _, wire = positions_of(POSITION, symbols=[SWAP])
    assert wire.queries("positions")[0]["symbol"] == "BTC_USDT_PERP"
    assert len(found) == 1
    found, _, wire = positions_of(POSITION, symbols=[SWAP, "OLD/USDT:USDT"])
    assert "symbol" not in wire.queries("positions")[0]
    with pytest.raises(ccxt_errors().BadSymbol):
        positions_of(symbols=[SPOT])


def test_settings_are_sent_in_the_exchange_s_words():
    client, wire = client_on(
        {
            "POST /uapi/v1/account/leverage": success(symbol="BTC_USDT_PERP", leverage="7"),
            "POST /uapi/v1/trade/isolatedMode": ALTERED,
            "POST /uapi/v1/account/positionMode": ALTERED,
        }
    )
    client.set_leverage(7, SWAP)
    client.set_margin_mode("isolated", SWAP)
    client.set_margin_mode("cross", SWAP)
    client.set_position_mode(True)
    client.set_position_mode(False, SWAP)
    assert wire.bodies() == [
        {"symbol": "BTC_USDT_PERP", "leverage": "7"},
        {"symbol": "BTC_USDT_PERP", "isolatedMode": "ISOLATED"},
        {"symbol": "BTC_USDT_PERP", "isolatedMode": "CROSS"},
        {"positionMode": "OPENCLOSE"},
        {"positionMode": "BUYSELL"},
    ]


@pytest.mark.parametrize("leverage", [0, -3, 2.5])
def test_leverage_is_a_whole_number(leverage):
    client, wire = client_on({})
    with pytest.raises(ccxt_errors().BadRequest):
        client.set_leverage(leverage, SWAP)
    assert wire.sent == []


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("set_leverage", (5, SPOT), "BadSymbol"),
        ("set_leverage", (5,), "ArgumentsRequired"),
        ("set_margin_mode", ("cross", SPOT), "BadSymbol"),
        ("set_margin_mode", ("portfolio", SWAP), "BadRequest"),
        ("fetch_leverage", (SPOT,), "BadSymbol"),
    ],
)
def test_settings_are_for_swaps(method, arguments, error):
    client, wire = client_on({})
    with pytest.raises(getattr(ccxt_errors(), error)):
        getattr(client, method)(*arguments)
    assert wire.bodies() == []


def test_settings_are_read_back():
    client, _ = client_on(
        {
            "GET /uapi/v1/account/leverage": success(symbol="BTC_USDT_PERP", leverage="7"),
            "GET /uapi/v1/trade/isolatedMode": success(symbol="BTC_USDT_PERP", isolatedMode="ISOLATED"),
            "GET /uapi/v1/account/positionMode": success(positionMode="OPENCLOSE"),
        }
    )
    assert client.fetch_leverage(SWAP)["longLeverage"] == 7.0
    assert client.fetch_margin_mode(SWAP)["marginMode"] == "isolated"
    assert client.fetch_position_mode()["hedged"] is True


def test_settings_in_unknown_words_are_not_guessed():
    client, _ = client_on(
        {
            "GET /uapi/v1/trade/isolatedMode": success(isolatedMode="PORTFOLIO"),
            "GET /uapi/v1/account/positionMode": success(),
        }
    )
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_margin_mode(SWAP)
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_position_mode()


def test_funding_payments_are_oldest_first_with_ids_that_tell_the_sides_apart():
    rows = [
        {**FUNDING, "timestamp": NOW + 5, "fundingFee": "0.02"},
        FUNDING,
        {**FUNDING, "fundingFee": "0.01234567"},
    ]
    client, wire = client_on({"GET /uapi/v1/trade/fundingFee": success(fundings=rows)})
    payments = client.fetch_funding_history(SWAP, NOW - 1)
    assert [payment["timestamp"] for payment in payments] == [NOW, NOW, NOW + 5]
    assert sum(payment["amount"] for payment in payments) == 0.02
    assert {payment["symbol"] for payment in payments} == {SWAP}
    assert {payment["code"] for payment in payments} == {"USDT"}
    assert len({payment["id"] for payment in payments}) == 3
    assert wire.queries("fundingFee")[0]["startTime"] == str(NOW - 1)


def test_no_funding_at_all_is_written_as_null():
    client, _ = client_on({"GET /uapi/v1/trade/fundingFee": success(fundings=None)})
    assert client.fetch_funding_history() == []
