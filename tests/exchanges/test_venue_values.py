"""What structures of ccxt mean: states, fills, positions, money; and nothing is made of what is no number."""

from decimal import Decimal

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.exchanges.quirk_types import BalanceFields
from chalicelib.exchanges.venue_values import (
    balance_of,
    decimal_of,
    fills_of,
    funding_of,
    position_of,
    state_of,
    venue_order,
)
from tests.exchanges.venue_world import NOW, SWAP, order

D = Decimal
S = OrderState


@pytest.mark.parametrize(
    ("status", "filled", "quantity", "state"),
    [
        (None, "0", "1", S.ACCEPTED),
        ("open", "0", "1", S.ACCEPTED),
        ("open", "0.4", "1", S.PARTIALLY_FILLED),
        ("closed", "1", "1", S.FILLED),
        ("closed", "1.1", "1", S.FILLED),
        ("closed", "0.4", "1", S.CANCELED),
        ("closed", "0.4", None, S.FILLED),
        ("canceled", "0.4", "1", S.CANCELED),
        ("canceling", "0", "1", S.PENDING_CANCEL),
        ("expired", "0.4", "1", S.EXPIRED),
        ("rejected", "0", "1", S.REJECTED),
        ("rejected", "0.4", "1", S.CANCELED),
    ],
)
def test_states(status, filled, quantity, state):
    assert state_of(status, D(filled), D(quantity) if quantity else None, None) == state


def test_an_order_that_was_accepted_cannot_be_rejected_any_more():
    accepted = order(SWAP, "buy", "market", "1", state=S.ACCEPTED)
    assert state_of("rejected", D(0), D(1), accepted) == S.CANCELED
    unknown = order(SWAP, "buy", "market", "1", state=S.UNKNOWN)
    assert state_of("rejected", D(0), D(1), unknown) == S.REJECTED


@pytest.mark.parametrize("status", ["Halfway", "ok", ""])
def test_a_state_that_is_not_known_is_no_state(status):
    with pytest.raises(ValueError, match="not known"):
        state_of(status, D(0), D(1), None)


@pytest.mark.parametrize("value", ["NaN", float("nan"), "Infinity", "abc", {}, [1]])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="no number"):
        decimal_of(value)


def test_numbers_keep_their_digits():
    assert decimal_of("0.1000000000000000000001") == D("0.1000000000000000000001")
    assert decimal_of(0.1) == D("0.1")
    assert decimal_of(None) is decimal_of("") is None


@pytest.mark.parametrize("missing", ["id", "amount", "price"])
def test_a_trade_must_say_what_it_is(missing):
    trade = {"id": "1", "amount": "1", "price": "2", "side": "buy", "timestamp": 5000}
    assert fills_of([trade], SWAP, "sell", NOW)[0].side == "buy"
    with pytest.raises(ValueError, match="without id, price or quantity"):
        fills_of([{**trade, missing: None}], SWAP, "buy", NOW)


def test_trades_without_side_and_time_are_those_of_their_order():
    (fill,) = fills_of([{"id": 1, "amount": "1", "price": "2"}], SWAP, "sell", NOW)
    assert (fill.side, fill.time, fill.fee, fill.fee_currency) == ("sell", NOW, 0, "")


def test_an_order_of_somebody_else_is_told_by_the_exchange_alone():
    raw = {
        "id": "7",
        "symbol": SWAP,
        "side": "sell",
        "type": "market",
        "status": "open",
        "amount": "2",
        "filled": "0",
        "stopLossPrice": "45000",
        "reduceOnly": True,
        "info": {"positionIdx": 1},
    }
    seen = venue_order(raw, None, ())
    assert (seen.client_order_id, seen.type, seen.reduce_only) == ("", "stop", True)
    assert (seen.trigger_price, seen.position_side, seen.quantity) == (D(45000), "long", D(2))


@pytest.mark.parametrize(
    ("contracts", "side", "direction"),
    [("2", "long", "long"), ("2", "short", "short"), ("-2", None, "short"), ("2", "both", "long")],
)
def test_positions(contracts, side, direction):
    position = position_of({"symbol": SWAP, "contracts": contracts, "side": side, "contractSize": "0.5"})
    assert (position.direction, position.quantity) == (direction, D(1))


@pytest.mark.parametrize("contracts", [None, "0", 0.0])
def test_flat_is_no_position(contracts):
    assert position_of({"symbol": SWAP, "contracts": contracts, "side": "long"}) is None


def test_cash_is_what_is_settled():
    rows = [
        {"asset": "BNB", "wallet": "1"},
        {"asset": "USDT", "wallet": "100", "open": "60", "im": "30", "lock": ""},
    ]
    raw = {"info": {"assets": rows}, "USDT": {"total": "120", "free": "1"}}
    named = BalanceFields(("assets",), "asset", "wallet", "open")
    assert balance_of(raw, "USDT", named).free == 60
    derived = BalanceFields(("assets",), "asset", "wallet", used=("im", "lock"))
    balance = balance_of(raw, "USDT", derived)
    assert (balance.cash, balance.free) == (100, 70)
    assert balance_of(raw, "EUR", named).cash == 0
    assert balance_of(raw, "USDT", None).cash == 120
    with pytest.raises(KeyError):
        balance_of({"info": {}}, "USDT", named)


def test_funding_is_positive_if_it_was_received():
    raw = {"id": "1", "symbol": SWAP, "amount": "0.5", "timestamp": 5000}
    assert funding_of(raw, 1).amount == D("0.5")
    assert funding_of(raw, -1).amount == D("-0.5")
    with pytest.raises(ValueError, match="without amount or time"):
        funding_of({**raw, "timestamp": None}, 1)
