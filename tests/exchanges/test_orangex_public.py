"""Public data of OrangeX: clock, markets with their swapped coins, prices, order book."""

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from tests.exchanges.orangex_replies import (
    NOW,
    PERPETUAL,
    SPOT,
    TICKER,
    WALLET,
    ok,
    orangex_with,
)

errors = ccxt_errors()
SWAP, COIN = "BTC/USDT:USDT", "BTC/USDT"


@pytest.mark.parametrize("times", [(NOW, NOW + 7), (str(NOW), str(NOW + 7)), (NOW * 1000, (NOW + 7) * 1000)])
def test_clock_is_in_milliseconds_whatever_its_name_says(times):
    reply = {"jsonrpc": "2.0", "usIn": times[0], "usOut": times[1], "usDiff": 7, "result": "pong"}
    exchange, session = orangex_with({"public/ping": reply})
    assert exchange.fetch_time() == NOW + 7
    assert session.names() == ["public/ping"]


def test_a_ping_may_answer_with_its_time_alone():
    exchange, _ = orangex_with({"public/ping": {"usIn": NOW, "usOut": NOW + 7}})
    assert exchange.fetch_time() == NOW + 7


def test_a_ping_without_time():
    exchange, _ = orangex_with({"public/ping": ok("pong") | {"usOut": None}})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_time()


def test_time_difference():
    exchange, _ = orangex_with({"public/ping": ok("pong") | {"usOut": NOW - 2500}})
    assert exchange.load_time_difference() == 2500


def test_coins_of_a_market_are_not_swapped():
    """The exchange calls USDT the base of BTC-USDT; believing it would trade the wrong way round."""
    assert (PERPETUAL["base_currency"], PERPETUAL["quote_currency"]) == ("USDT", "BTC")
    exchange, _ = orangex_with({})
    markets = exchange.load_markets()
    assert set(markets) == {SWAP, COIN}
    for symbol, market_id in ((SWAP, "BTC-USDT-PERPETUAL"), (COIN, "BTC-USDT-SPOT")):
        market = markets[symbol]
        assert (market["base"], market["quote"], market["id"]) == ("BTC", "USDT", market_id)
        assert (market["baseId"], market["quoteId"]) == ("BTC", "USDT")
    assert (markets[SWAP]["settle"], markets[COIN]["settle"]) == ("USDT", None)


def test_coins_stay_right_should_the_exchange_correct_its_fields():
    corrected = {**PERPETUAL, "base_currency": "BTC", "quote_currency": "USDT"}
    exchange, _ = orangex_with(
        {"public/get_instruments": ok([corrected])}, {"fetchMarkets": {"types": ["swap"]}}
    )
    assert list(exchange.load_markets()) == [SWAP]


def test_rules_of_a_perpetual():
    exchange, _ = orangex_with({})
    market = exchange.load_markets()[SWAP]
    assert market["precision"]["amount"] == 0.001
    assert market["precision"]["price"] == 0.1
    assert market["limits"]["amount"]["min"] == 0.001
    assert market["limits"]["cost"]["min"] == 10
    assert market["limits"]["leverage"] == {"min": 1, "max": 125}
    assert (market["maker"], market["taker"]) == (0.0002, 0.0006)
    assert (market["contractSize"], market["linear"], market["active"]) == (1, True, True)


def test_step_and_smallest_quantity_are_two_things():
    exchange, _ = orangex_with({})
    market = exchange.load_markets()[COIN]
    assert (market["precision"]["amount"], market["limits"]["amount"]["min"]) == (0.00001, 0.0001)
    assert market["spot"]
    assert market["contractSize"] is None


@pytest.mark.parametrize("told", [False, None])
def test_what_is_not_told_to_be_active_is_not(told):
    row = {**PERPETUAL, "is_active": told}
    exchange, _ = orangex_with({"public/get_instruments": ok([row])}, {"fetchMarkets": {"types": ["swap"]}})
    assert exchange.load_markets()[SWAP]["active"] is False


@pytest.mark.parametrize("types", [["swap"], ["linear"]])
def test_one_request_per_type(types):
    exchange, session = orangex_with({}, {"fetchMarkets": {"types": types}})
    assert list(exchange.load_markets()) == [SWAP]
    assert [call.params for call in session.calls] == [{"currency": "PERPETUAL"}]


def test_instruments_without_a_readable_name_are_left_out():
    odd = [
        {**PERPETUAL, "instrument_name": name} for name in ("BTC-PERPETUAL", "A-B-C-PERPETUAL", "X-Y-SPOT")
    ]
    exchange, _ = orangex_with({"public/get_instruments": ok(odd)}, {"fetchMarkets": {"types": ["swap"]}})
    assert exchange.fetch_markets() == []


def test_all_perpetuals_in_one_call():
    other = {**TICKER, "instrument_name": "UNHEARD-USDT-PERPETUAL"}
    exchange, session = orangex_with({"public/tickers": ok([TICKER, other])})
    tickers = exchange.fetch_tickers([SWAP])
    assert session.names() == ["public/tickers"]
    assert session.of("public/tickers")[0].params == {"currency": "PERPETUAL"}
    assert list(tickers) == [SWAP]
    ticker = tickers[SWAP]
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (60000, 60000.2, 60000.1)
    assert (ticker["markPrice"], ticker["timestamp"]) == (60000.5, NOW - 500)
    assert ticker["percentage"] is None


def test_spot_rows_are_found_without_their_ending():
    row = {**TICKER, "instrument_name": "BTC-USDT", "mark_price": "0"}
    exchange, session = orangex_with({"public/tickers": ok([row])})
    ticker = exchange.fetch_ticker(COIN)
    assert (ticker["symbol"], ticker["last"], ticker["markPrice"]) == (COIN, 60000.1, None)
    assert session.of("public/tickers")[0].params == {"currency": "SPOT"}


def test_a_spot_row_is_no_price_of_the_perpetual():
    row = {**TICKER, "instrument_name": "BTC-USDT"}
    exchange, _ = orangex_with({"public/tickers": ok([row])})
    with pytest.raises(errors.BadSymbol):
        exchange.fetch_ticker(SWAP)


def test_no_symbols_are_both_types():
    exchange, session = orangex_with({"public/tickers": ok([])})
    assert exchange.fetch_tickers() == {}
    assert [call.params["currency"] for call in session.of("public/tickers")] == ["PERPETUAL", "SPOT"]


def test_an_empty_side_of_the_book_has_no_price():
    exchange, _ = orangex_with({"public/tickers": ok([{**TICKER, "best_ask_price": "0"}])})
    assert exchange.fetch_ticker(SWAP)["ask"] is None


def test_order_book():
    book = {
        "asks": [["101", "1"], ["100.5", "2"]],
        "bids": [["99", "3"]],
        "timestamp": str(NOW),
        "version": 7,
    }
    exchange, session = orangex_with({"public/get_order_book": ok(book)})
    parsed = exchange.fetch_order_book(SWAP, 10)
    assert parsed["asks"] == [[100.5, 2], [101, 1]]
    assert (parsed["bids"], parsed["timestamp"], parsed["nonce"]) == ([[99, 3]], NOW, 7)
    assert session.of("public/get_order_book")[0].params == {
        "instrument_name": "BTC-USDT-PERPETUAL",
        "depth": 10,
    }


def test_an_order_book_without_a_side_is_not_an_empty_one():
    exchange, _ = orangex_with({"public/get_order_book": ok({"bids": []})})
    with pytest.raises(errors.BadResponse):
        exchange.fetch_order_book(SWAP)


def test_public_methods_by_get():
    exchange, session = orangex_with({"public/tickers": ok([TICKER])}, {"publicMethod": "GET"})
    exchange.set_markets([exchange.parse_market(PERPETUAL), exchange.parse_market(SPOT)])
    exchange.fetch_ticker(SWAP)
    call = session.calls[0]
    assert (call.verb, call.url) == (
        "GET",
        "https://api.orangex.com/api/v1/public/tickers?currency=PERPETUAL",
    )
    assert call.body == {}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("fetch_time", ()),
        ("fetch_markets", ()),
        ("fetch_tickers", ([SWAP],)),
        ("fetch_order_book", (SWAP, 5)),
        ("fetch_ohlcv", (SWAP, "1m", None, 5)),
        ("fetch_balance", ()),
        ("fetch_positions", ([SWAP],)),
        ("set_leverage", (3, SWAP)),
        ("set_margin_mode", ("cross", SWAP)),
        ("create_order", (SWAP, "market", "buy", 1, None)),
        ("cancel_order", ("1", SWAP)),
        ("cancel_all_orders", (SWAP,)),
        ("fetch_order", ("1", SWAP)),
        ("fetch_open_orders", (SWAP, None, None)),
        ("fetch_closed_orders", (SWAP, None, None)),
        ("fetch_orders", (SWAP, None, None)),
        ("fetch_my_trades", (SWAP, None, None)),
        ("fetch_order_trades", ("1", SWAP, None, None)),
        ("sign_in", ()),
    ],
)
def test_unknown_params_are_refused_by_name(method, arguments):
    exchange, session = orangex_with({"private/get_assets_info": ok(WALLET)})
    with pytest.raises(errors.NotSupported, match="trailingPercent"):
        getattr(exchange, method)(*arguments, {"trailingPercent": 1})
    assert session.names() == []
