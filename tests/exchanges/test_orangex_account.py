"""Balance, positions and settings of an OrangeX account."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import COINS, POSITION, WALLET, ok, orangex_with

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"
ONE = "private/get_user_position"
CONFIG = "private/get_perpetual_user_config"
MARGIN = "private/adjust_perpetual_margin_type"
LEVERAGE = "private/adjust_perpetual_leverage"


def positions(result, symbols=(SWAP,)):
    exchange, session = orangex_with({ONE: ok(result)})
    return exchange.fetch_positions(list(symbols)), session


def test_wallet_of_perpetuals():
    exchange, session = orangex_with({"private/get_assets_info": ok(WALLET)})
    balance = exchange.fetch_balance({"type": "swap"})
    assert balance["USDT"] == {"total": 1000.5, "free": 900.25, "used": 100.25}
    assert session.of("private/get_assets_info")[0].params == {"asset_type": ["PERPETUAL"]}


def test_more_free_than_settled():
    wallet = {"PERPETUAL": {"wallet_balance": "1000", "available_funds": "1010"}}
    exchange, _ = orangex_with({"private/get_assets_info": ok(wallet)})
    assert exchange.fetch_balance({"type": "swap"})["USDT"] == {"total": 1000, "free": 1010, "used": 0}


def test_coins_of_spot():
    exchange, session = orangex_with({"private/get_assets_info": ok(COINS)})
    balance = exchange.fetch_balance()
    assert balance["BTC"] == {"free": 0.5, "used": 0.25, "total": 0.75}
    assert balance["total"] == {"BTC": 0.75, "USDT": 100}
    assert session.of("private/get_assets_info")[0].params == {"asset_type": ["SPOT"]}


@pytest.mark.parametrize(
    "result", [{}, {"WALLET": {}}, {"PERPETUAL": {}}, {"PERPETUAL": {"wallet_balance": "1"}}, {"SPOT": {}}]
)
def test_a_balance_that_is_not_told_is_not_zero(result):
    exchange, _ = orangex_with({"private/get_assets_info": ok(result)})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_balance({"type": "swap"})


def test_unknown_type():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.BadRequest, match="option"):
        exchange.fetch_balance({"type": "option"})


def test_short_of_hedge_mode():
    found, session = positions([POSITION])
    assert len(found) == 1
    position = found[0]
    assert (position["symbol"], position["side"], position["contracts"]) == (SWAP, "short", 0.02)
    assert (position["entryPrice"], position["unrealizedPnl"], position["leverage"]) == (60500, 9.99, 10)
    assert (position["marginMode"], position["hedged"], position["contractSize"]) == ("cross", True, 1)
    assert session.names() == [ONE]
    assert session.of(ONE)[0].params == {"instrument_name": "BTC-USDT-PERPETUAL"}


@pytest.mark.parametrize(
    ("side", "size", "expected"),
    [
        ("BOTH", "0.02", "long"),
        ("BOTH", "-0.02", "short"),
        (None, "-0.02", "short"),
        ("SHORT", "0.02", "short"),
        ("LONG", "0.02", "long"),
    ],
)
def test_direction(side, size, expected):
    found, _ = positions([{**POSITION, "position_side": side, "size": size}])
    assert (found[0]["side"], found[0]["contracts"]) == (expected, 0.02)


def test_both_sides_of_hedge_mode():
    found, _ = positions([POSITION, {**POSITION, "position_side": "LONG", "size": "0.01"}])
    assert [(position["side"], position["contracts"]) for position in found] == [
        ("short", 0.02),
        ("long", 0.01),
    ]


def test_one_position_that_is_no_list():
    found, _ = positions(POSITION)
    assert found[0]["contracts"] == 0.02


def test_isolated():
    found, _ = positions([{**POSITION, "margin_type": "isolate"}])
    assert found[0]["marginMode"] == "isolated"


def test_flat_is_what_an_empty_list_says():
    assert positions([])[0] == []
    assert positions([{**POSITION, "size": "0"}])[0] == []


@pytest.mark.parametrize(("size", "left"), [("0", 0), ("0.000", 0), ("-0.02", 1)])
def test_flat_is_told_apart_where_numbers_are_texts(size, left):
    exchange, _ = orangex_with({ONE: ok([{**POSITION, "size": size}])})
    exchange.number = str
    exchange.parse_to_numeric = exchange.number_to_string
    assert len(exchange.fetch_positions([SWAP])) == left


@pytest.mark.parametrize("result", [None, {}, "ok", 0, [{}]])
def test_nothing_else_says_flat(result):
    with pytest.raises(errors.BadResponse):
        positions(result)


def test_one_request_per_symbol():
    exchange, session = orangex_with({ONE: ok([])})
    with pytest.raises(errors.NotSupported):
        exchange.fetch_positions([SWAP, COIN])
    assert len(session.of(ONE)) == 1


@pytest.mark.parametrize("symbols", [None, []])
def test_symbols_must_be_named(symbols):
    exchange, session = orangex_with({})
    with pytest.raises(errors.ArgumentsRequired):
        exchange.fetch_positions(symbols)
    assert session.calls == []


def test_leverage_goes_as_text():
    exchange, session = orangex_with({LEVERAGE: ok("ok")})
    exchange.set_leverage(5, SWAP)
    assert session.of(LEVERAGE)[0].params == {"instrument_name": "BTC-USDT-PERPETUAL", "leverage": "5"}


@pytest.mark.parametrize("leverage", [0, -1, 2.5])
def test_leverage_is_a_whole_number(leverage):
    exchange, _ = orangex_with({})
    with pytest.raises(errors.BadRequest):
        exchange.set_leverage(leverage, SWAP)


@pytest.mark.parametrize(("mode", "word"), [("cross", "cross"), ("isolated", "isolate")])
def test_margin_mode(mode, word):
    now = {"margin_type": "isolate" if word == "cross" else "cross", "leverage": "5"}
    exchange, session = orangex_with({CONFIG: ok(now), MARGIN: ok("ok")})
    exchange.set_margin_mode(mode, SWAP)
    assert session.of(MARGIN)[0].params == {"instrument_name": "BTC-USDT-PERPETUAL", "margin_type": word}


def test_margin_mode_that_is_set_already_stays_untouched():
    exchange, session = orangex_with({CONFIG: ok({"margin_type": "isolate", "leverage": "5"})})
    exchange.set_margin_mode("isolated", SWAP)
    assert session.of(MARGIN) == []


def test_unknown_margin_mode():
    exchange, _ = orangex_with({})
    with pytest.raises(errors.BadRequest):
        exchange.set_margin_mode("isolate", SWAP)


@pytest.mark.parametrize("setting", [("set_leverage", 3), ("set_margin_mode", "cross")])
def test_spot_has_no_settings(setting):
    exchange, _ = orangex_with({})
    with pytest.raises(errors.NotSupported):
        getattr(exchange, setting[0])(setting[1], COIN)


def test_position_mode_cannot_be_set():
    exchange, _ = orangex_with({})
    assert exchange.has["setPositionMode"] is False
    with pytest.raises(errors.NotSupported):
        exchange.set_position_mode(False, SWAP)


def test_what_is_not_there_says_so():
    exchange, _ = orangex_with({})
    assert exchange.has["fetchFundingHistory"] is False
    assert exchange.has["fetchCurrencies"] is False
    assert exchange.has["sandbox"] is False
