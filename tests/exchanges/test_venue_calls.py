"""How a venue's calls pass the gate, what they weigh, and that no error hides an order that was taken."""

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.errors import Retryable, UsageError, VenueNotSent, VenueRejected, VenueUnknown
from chalicelib.exchanges.quirks import QUIRKS
from tests.exchanges.venue_world import (
    NOW,
    SPOT,
    SWAP,
    SpyGate,
    StubRules,
    approved,
    order,
    raised,
    stop,
    venue_of,
)

ORDER = {"orderId": 7, "symbol": "BTCUSDT", "positionSide": "BOTH", "side": "BUY", "type": "MARKET"}
FILLED = ORDER | {"status": "FILLED", "origQty": "0.010", "executedQty": "0.010", "clientOrderId": "x"}
TRADE = {
    "id": 9,
    "orderId": 7,
    "symbol": "BTCUSDT",
    "side": "BUY",
    "price": "50000.1",
    "qty": "0.010",
    "commission": "-0.01",
    "commissionAsset": "BNB",
    "time": 1_790_000_000_500,
}
TIMEOUT_429 = (429, "slow", {"Retry-After": "3"})


def buy():
    return order(SWAP, "buy", "market", "0.01")


def test_fills_are_the_trades_themselves():
    venue, session, gate = venue_of("binance", FILLED, [TRADE, TRADE])
    seen = venue.create_order(approved(buy()), NOW)
    (fill,) = seen.fills
    assert (fill.trade_id, str(fill.price), str(fill.quantity)) == ("9", "50000.1", "0.010")
    assert (str(fill.fee), fill.fee_currency, fill.time) == ("-0.01", "BNB", 1_790_000_000.5)
    assert (seen.state, seen.missing) == (OrderState.FILLED, 0)
    assert gate.weights == [1, 5]
    assert gate.told == ["succeeded", "succeeded"]
    assert "orderId=7" in session.sent[1].url


@pytest.mark.parametrize(
    "answer", [TIMEOUT_429, (503, "", {}), (200, "null", {}), (401, {"code": -2015}, {})]
)
def test_an_order_that_was_taken_stays_taken_if_its_trades_cannot_be_read(answer):
    venue, _, _ = venue_of("binance", FILLED, answer)
    seen = venue.create_order(approved(buy()), NOW)
    assert (seen.state, seen.fills) == (OrderState.FILLED, ())
    assert seen.missing == seen.filled > 0


def test_a_failure_after_the_order_was_placed_never_says_not_sent():
    # As a class would do that asks for something else after it has placed the order.
    memory = {}
    venue, _, _ = venue_of("binance", FILLED, TIMEOUT_429, memory=memory)
    ccxt = venue._client().ccxt
    place = ccxt.create_order

    def and_then_ask(*arguments):
        place(*arguments)
        return ccxt.fetch_balance({"type": "swap"})

    ccxt.create_order = and_then_ask
    assert type(raised(lambda: venue.create_order(approved(buy()), NOW))) is VenueUnknown


def test_a_stop_that_triggers_at_once_is_taken_whatever_its_order_says():
    algo = {"algoId": 7, "symbol": "BTCUSDT", "algoStatus": "FINISHED", "actualOrderId": "8"}
    venue, _, _ = venue_of("binance", algo, TIMEOUT_429)
    seen = venue.create_order(approved(stop("sell", "0.01", "45000")), NOW)
    # Without a fill a closed order would count as cancelled, and another stop be placed.
    assert (seen.venue_order_id, seen.state) == ("7", OrderState.ACCEPTED)
    placed = FILLED | {"orderId": 8, "side": "SELL"}
    venue, _, _ = venue_of("binance", algo, placed, [TRADE | {"orderId": 8, "side": "SELL"}])
    seen = venue.create_order(approved(stop("sell", "0.01", "45000")), NOW)
    assert (seen.venue_order_id, seen.state, len(seen.fills)) == ("7", OrderState.FILLED, 1)


def test_the_gate_is_passed_before_anything_is_signed():
    signed = []

    class Watching(SpyGate):
        def admit(self, weight=1):
            super().admit(weight)
            assert not signed

    memory = {}
    venue, session, _ = venue_of("binance", FILLED, [TRADE], memory=memory)
    client = venue._client()
    client.gate = Watching()
    sign = client.ccxt.sign
    client.ccxt.sign = lambda *given: signed.append(given) or sign(*given)
    session.request = lambda *given, **named: (
        signed.clear() or type(session).request(session, *given, **named)
    )
    venue.create_order(approved(buy()), NOW)
    assert client.gate.weights == [1, 5]


def test_a_closed_gate_keeps_the_order_here():
    class Closed(SpyGate):
        def admit(self, weight=1):
            raise VenueNotSent("open breaker", "BREAKER_OPEN", NOW + 30)

    venue, session, _ = venue_of("binance", FILLED)
    venue._client().gate = Closed()
    error = raised(lambda: venue.create_order(approved(buy()), NOW))
    assert (type(error), error.reason, error.until) == (VenueNotSent, "BREAKER_OPEN", NOW + 30)
    assert not session.sent


WEIGHTS = [
    ("binance", "private", "GET", "openOrders", {}, 80),
    ("binance", "private", "GET", "openOrders", {"symbol": "BTCUSDT"}, 6),
    ("binance", "private", "GET", "myTrades", {"symbol": "BTCUSDT"}, 20),
    ("binance", "private", "GET", "myTrades", {"symbol": "BTCUSDT", "orderId": "1"}, 5),
    ("binance", "fapiPrivate", "GET", "openOrders", {}, 40),
    ("binance", "fapiPrivate", "POST", "order", {"symbol": "BTCUSDT"}, 1),
    ("binance", "fapiPrivateV3", "GET", "positionRisk", {}, 5),
    ("bybit", "private", "GET", "v5/order/realtime", {}, 1),
]


@pytest.mark.parametrize(("exchange", "api", "method", "path", "params", "weight"), WEIGHTS)
def test_weights(exchange, api, method, path, params, weight):
    assert QUIRKS[exchange].weight(api, method, path, params, declared=17) == weight


def test_our_own_classes_declare_their_weights():
    assert QUIRKS["pionex"].weight("private", "GET", "api/v1/trade/fills", {}, declared=5) == 5


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (Retryable("no rules"), VenueNotSent, "NOT_CONNECTED"),
        (UsageError("no such"), VenueRejected, "BAD_SYMBOL"),
    ],
)
def test_without_trading_rules_nothing_is_sent(error, kind, reason):
    class Broken(StubRules):
        def markets(self, symbols):
            raise error

    venue, session, _ = venue_of("binance", FILLED, rules=Broken("binance"))
    raised_error = raised(lambda: venue.create_order(approved(buy()), NOW))
    assert (type(raised_error), raised_error.reason) == (kind, reason)
    assert not session.sent


def test_a_symbol_of_another_type_of_market_is_refused():
    venue, session, _ = venue_of("binance", FILLED)
    error = raised(lambda: venue.create_order(approved(order(SPOT, "buy", "market", "0.01")), NOW))
    assert (type(error), error.reason) == (VenueRejected, "BAD_SYMBOL")
    assert not session.sent


def test_renewed_rules_reach_the_warm_client():
    rules, memory = StubRules("binance"), {}
    venue, _, _ = venue_of("binance", FILLED, [TRADE], rules=rules, memory=memory)
    first = venue._client()
    rules._client = StubRules("binance")._client
    assert venue._client() is first
    assert first.ccxt.markets is rules._client.markets


def test_an_account_at_bybit_that_is_not_unified_is_refused():
    told = {"uta": 0, "unified": 0, "readOnly": 0, "permissions": {"ContractTrade": ["Order"]}}
    venue, _, _ = venue_of("bybit", {"retCode": 0, "result": told})
    error = raised(lambda: venue.permissions(NOW))
    assert (type(error), error.reason) == (VenueRejected, "NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("granted", "trade", "withdraw"),
    [
        ({"enableFutures": True, "enableWithdrawals": True}, True, True),
        ({"enableFutures": False, "enableWithdrawals": False}, False, False),
    ],
)
def test_permissions_at_binance(granted, trade, withdraw):
    venue, _, _ = venue_of("binance", granted)
    told = venue.permissions(NOW)
    assert (told.trade, told.withdraw) == (trade, withdraw)


def test_test_networks_do_not_tell_permissions():
    venue, session, _ = venue_of("binance", mode="testnet")
    assert venue.permissions(NOW).trade is None
    assert not session.sent
