"""Pionex: markets, tickers, candles, order books and funding rates as ccxt's structures."""

import copy
from decimal import Decimal

import pytest

from chalicelib.exchanges.ccxt_loader import ccxt_errors
from chalicelib.exchanges.ccxt_values import market_of
from tests.exchanges.pionex_wire import NOW, client_on, success, validate

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"
TICKER = {
    "symbol": "BTC_USDT",
    "time": NOW,
    "open": "7962.62",
    "close": "7952.32",
    "high": "7971.61",
    "low": "7950.29",
    "volume": "1.537",
    "amount": "12232.532",
    "count": 271,
}
BOOK_TICKER = {
    "symbol": "BTC_USDT",
    "bidPrice": "7950.00",
    "bidSize": "28.96",
    "askPrice": "7954.00",
    "askSize": "0.33",
    "timestamp": str(NOW + 7),
}
INDEX = {
    "symbol": "BTC_USDT_PERP",
    "indexPrice": "30000.5",
    "markPrice": "30001.2",
    "nextFundingRate": "0.0001",
    "nextFundingTime": NOW + 3_600_000,
    "updateTime": NOW,
}
MINUTE = 60_000
START = 1_691_649_240_000


def klines(count, step=MINUTE, include_end=True, start=START):
    """Serve `count` candles from `start` on, newest first, as the exchange does: backwards from an end."""
    rows = [
        {"time": start + n * step, "open": "1851.27", "close": "1851.32", "high": "1851.4", "low": "1851.2"}
        for n in range(count)
    ]

    def answer(query, _):
        end = int(query.get("endTime", start + count * step))
        found = [row for row in rows if row["time"] <= end - (not include_end)]
        return success(klines=[{**row, "volume": "0.542"} for row in found[::-1][: int(query["limit"])]])

    return answer


def test_markets_of_both_kinds_satisfy_ccxt():
    client, _ = client_on({})
    client.load_markets()
    assert set(client.markets) == {SPOT, SWAP, "OLD/USDT", "OLD/USDT:USDT"}
    for market in client.markets.values():
        validate("market", client, {}, "fetchMarkets", market)


def test_a_spot_market_has_its_steps_and_limits():
    client, _ = client_on({})
    market = client.load_markets()[SPOT]
    assert market["id"] == "BTC_USDT"
    assert market["precision"] == {"amount": 0.000001, "price": 0.01, "cost": 0.00000001}
    assert market["limits"]["amount"] == {"min": 0.000001, "max": 1000.0}
    assert market["limits"]["market"] == {"min": 0.000001, "max": 100.0}
    assert market["limits"]["cost"]["min"] == 10.0
    assert market["contract"] is False


def test_a_swap_market_has_its_own_steps_and_a_contract_of_one():
    client, _ = client_on({})
    market = client.load_markets()[SWAP]
    assert market["id"] == "BTC_USDT_PERP"
    assert (market["settle"], market["linear"], market["contractSize"]) == ("USDT", True, 1.0)
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.0001, 0.1)
    assert market["limits"]["amount"] == {"min": 0.0001, "max": 500.0}
    assert market["limits"]["market"] == {"min": 0.0001, "max": 120.0}
    assert market["limits"]["cost"]["min"] == 5.0


def test_markets_that_are_not_traded_are_inactive():
    client, _ = client_on({})
    active = {symbol: market["active"] for symbol, market in client.load_markets().items()}
    assert active == {SPOT: True, SWAP: True, "OLD/USDT": False, "OLD/USDT:USDT": False}


def test_the_rules_reach_us_as_the_decimals_they_were_written_as():
    client, _ = client_on({})
    rules = market_of(client.load_markets()[SPOT], "pionex")
    assert (rules.amount_step, rules.price_step) == (Decimal("0.000001"), Decimal("0.01"))
    assert (rules.min_notional, rules.max_amount) == (Decimal(10), Decimal(1000))


@pytest.mark.parametrize(("types", "symbols"), [(["spot"], {SPOT}), (["linear"], {SWAP})])
def test_only_the_kinds_that_are_wanted_are_loaded(types, symbols):
    client, wire = client_on({}, options={"fetchMarkets": {"types": types}})
    assert {symbol for symbol in client.load_markets() if symbol.startswith("BTC")} == symbols
    assert len(wire.sent) == 1


def ticker_client(ticker=TICKER, book=BOOK_TICKER):
    swap = {"symbol": "BTC_USDT_PERP"}
    return client_on(
        {
            "GET /api/v1/market/tickers": lambda query, _: success(
                tickers=[{**ticker, **swap}] if "PERP" in str(query) else [ticker]
            ),
            "GET /api/v1/market/bookTickers": success(tickers=[book]),
            "GET /api/v1/market/bookTicker": success(tickers=[{**book, **swap}]),
        }
    )


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_a_ticker_has_bid_and_ask_of_its_own_endpoint_and_satisfies_ccxt(symbol):
    client, wire = ticker_client()
    ticker = client.fetch_ticker(symbol)
    validate("ticker", client, {}, "fetchTicker", copy.deepcopy(ticker), symbol)
    assert (ticker["bid"], ticker["ask"], ticker["last"]) == (7950.0, 7954.0, 7952.32)
    assert (ticker["baseVolume"], ticker["quoteVolume"]) == (1.537, 12232.532)
    assert ticker["timestamp"] == NOW
    used = [request.url.partition("?")[0].rpartition("/")[2] for request in wire.sent[-2:]]
    assert used == ["tickers", "bookTicker" if symbol == SWAP else "bookTickers"]


def test_tickers_of_many_symbols_take_two_requests_per_kind():
    client, wire = ticker_client()
    client.load_markets()
    wire.sent.clear()
    tickers = client.fetch_tickers([SPOT, SWAP])
    assert set(tickers) == {SPOT, SWAP}
    assert len(wire.sent) == 4


def test_all_tickers_are_asked_for_by_type():
    client, wire = ticker_client()
    assert set(client.fetch_tickers()) == {SPOT}
    assert [query["type"] for query in wire.queries("/tickers")] == ["SPOT"]
    assert [query["type"] for query in wire.queries("/bookTickers")] == ["SPOT"]


def test_bids_and_asks_alone_take_one_request():
    client, wire = ticker_client()
    client.load_markets()
    wire.sent.clear()
    found = client.fetch_bids_asks([SPOT])
    assert found[SPOT]["ask"] == 7954.0
    assert found[SPOT]["timestamp"] == NOW + 7
    validate("ticker", client, {}, "fetchBidsAsks", copy.deepcopy(found[SPOT]), SPOT)
    assert len(wire.sent) == 1


def test_a_ticker_that_is_not_told_is_no_ticker():
    client, _ = ticker_client(ticker={**TICKER, "symbol": "ETH_USDT"}, book={**BOOK_TICKER, "symbol": "E"})
    with pytest.raises(ccxt_errors().BadResponse):
        client.fetch_ticker(SPOT)


def test_a_figure_that_is_none_costs_its_ticker_the_figure_and_nobody_else():
    client, _ = client_on(
        {
            "GET /api/v1/market/tickers": success(
                tickers=[{**TICKER, "close": "NaN"}, {**TICKER, "symbol": "OLD_USDT"}]
            ),
            "GET /api/v1/market/bookTickers": success(tickers=[BOOK_TICKER]),
        }
    )
    tickers = client.fetch_tickers()
    assert (tickers[SPOT]["last"], tickers[SPOT]["bid"]) == (None, 7950.0)
    assert tickers["OLD/USDT"]["last"] == 7952.32


def test_candles_are_sorted_and_satisfy_ccxt():
    client, wire = client_on({"GET /api/v1/market/klines": klines(5)})
    rows = client.fetch_ohlcv(SPOT, "1m", START, 3)
    assert [row[0] for row in rows] == [START, START + MINUTE, START + 2 * MINUTE]
    assert rows[0] == [START, 1851.27, 1851.4, 1851.2, 1851.32, 0.542]
    for row in rows:
        validate("ohlcv", client, {}, "fetchOHLCV", row, SPOT, NOW + 10**11)
        assert row[3] <= min(row[1], row[4]) <= max(row[1], row[4]) <= row[2]
    assert wire.queries("klines")[0]["interval"] == "1M"


@pytest.mark.parametrize("include_end", [True, False])
@pytest.mark.parametrize(("limit", "requests"), [(99, 1), (500, 1), (501, 2), (1200, 3)])
def test_candles_from_a_time_are_the_first_of_it_without_gap_or_repetition(include_end, limit, requests):
    client, wire = client_on({"GET /api/v1/market/klines": klines(2000, include_end=include_end)})
    rows = client.fetch_ohlcv(SPOT, "1m", START + 30 * MINUTE, limit)
    assert [row[0] for row in rows] == [START + (30 + n) * MINUTE for n in range(limit)]
    assert len(wire.queries("klines")) == requests


def test_candles_without_a_time_are_the_latest():
    client, wire = client_on({"GET /api/v1/market/klines": klines(2000)})
    rows = client.fetch_ohlcv(SPOT, "1m", None, 700)
    assert [row[0] for row in rows] == [START + n * MINUTE for n in range(1300, 2000)]
    assert "endTime" not in wire.queries("klines")[0]


def test_candles_that_do_not_exist_end_the_search():
    client, wire = client_on({"GET /api/v1/market/klines": klines(0)})
    assert client.fetch_ohlcv(SPOT, "1m", START, 5000) == []
    assert len(wire.queries("klines")) == 1


def test_no_more_candles_are_asked_for_than_are_kept():
    client, wire = client_on({"GET /api/v1/market/klines": klines(11_000)})
    assert len(client.fetch_ohlcv(SPOT, "1m", START, 50_000)) == 10_000
    assert len(wire.queries("klines")) == 20


def test_an_hour_is_sixty_minutes_and_a_month_is_not_a_minute():
    client, wire = client_on(
        {"GET /api/v1/market/klines": klines(5, 3_600_000, start=START // 10**7 * 10**7)}
    )
    client.fetch_ohlcv(SPOT, "1h", None, 1)
    assert wire.queries("klines")[0]["interval"] == "60M"
    for unknown in ("1M", "60M", "2h", "1w"):
        with pytest.raises(ccxt_errors().BadRequest, match=unknown):
            client.fetch_ohlcv(SPOT, unknown)


def test_the_order_book_is_best_first_and_satisfies_ccxt():
    book = {"bids": [["29658.37", "0.0123"], ["29658.47", "0.0345"]], "asks": [["29658.57", "0.003"]]}
    client, wire = client_on({"GET /api/v1/market/depth": success(**book, updateTime=NOW)})
    found = client.fetch_order_book(SPOT, 5000)
    validate("order_book", client, {}, "fetchOrderBook", found, SPOT)
    assert found["bids"] == [[29658.47, 0.0345], [29658.37, 0.0123]]
    assert found["timestamp"] == NOW
    assert wire.queries("depth")[0]["limit"] == "1000"


def test_the_funding_rate_is_the_one_still_to_be_paid():
    client, _ = client_on({"GET /api/v1/market/indexes": success(indexes=[INDEX])})
    rate = client.fetch_funding_rate(SWAP)
    assert (rate["fundingRate"], rate["fundingTimestamp"]) == (0.0001, NOW + 3_600_000)
    assert (rate["markPrice"], rate["indexPrice"]) == (30001.2, 30000.5)
    with pytest.raises(ccxt_errors().BadSymbol):
        client.fetch_funding_rate(SPOT)
