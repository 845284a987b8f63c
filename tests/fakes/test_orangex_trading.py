"""Orders, trades, positions and settings on the fake OrangeX, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.fakes.orangex import FakeOrangex
from tests.fakes.orangex_client import NOW, OrangexClient, client_of, code, placed, result, standing, state

PERPETUAL = "BTC-USDT-PERPETUAL"
SYMBOL = "BTC/USDT:USDT"
LIMIT = {"instrument_name": PERPETUAL, "amount": "0.01", "type": "limit", "price": "49000"}
MARKET = {"instrument_name": PERPETUAL, "amount": "0.01", "type": "market"}
STOP = MARKET | {"condition_type": "STOP", "trigger_price_type": 2, "reduce_only": True}


@pytest.fixture
def fake() -> Iterator[FakeOrangex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeOrangex) -> Iterator[OrangexClient]:
    with client_of(fake) as client:
        yield client


def test_an_order_is_read_by_its_id_and_listed_with_its_custom_id(client: OrangexClient) -> None:
    number = placed(client, "buy", **LIMIT, custom_order_id="mine-1", position_side="BOTH")
    assert len(number) == 17
    found = state(client, number)
    assert found == {
        "order_id": number,
        "custom_order_id": "mine-1",
        "order_state": "open",
        "error_code": 0,
        "instrument_name": PERPETUAL,
        "kind": "perpetual",
        "direction": "buy",
        "amount": "0.01",
        "price": "49000",
        "filled_amount": "0",
        "average_price": "0",
        "order_type": "limit",
        "time_in_force": "GTC",
        "post_only": False,
        "reduce_only": False,
        "condition_type": "NORMAL",
        "trigger_price": "0",
        "stop_loss_price": "0",
        "take_profit_price": "0",
        "position_side": "BOTH",
        "leverage": 20,
        "source": "api",
        "creation_timestamp": int(NOW * 1000),
        "last_update_timestamp": int(NOW * 1000),
    }
    assert result(client.post("/private/get_open_orders_by_instrument", instrument_name=PERPETUAL)) == [found]
    assert result(client.post("/private/get_open_orders_by_currency", currency="PERPETUAL")) == [found]
    assert result(client.post("/private/get_open_orders_by_currency", currency="SPOT")) == []
    assert code(client.post("/private/get_order_state", custom_order_id="mine-1")) == 8000
    assert code(client.post("/private/get_order_state", order_id="77409325612535808")) == 5002


def test_an_order_sent_twice_is_two_orders(fake: FakeOrangex, client: OrangexClient) -> None:
    first = placed(client, "buy", **MARKET, custom_order_id="same")
    second = placed(client, "buy", **MARKET, custom_order_id="same")
    assert first != second
    assert fake.exchange.books().positions == {(SYMBOL, "both"): Decimal("0.02")}


def test_a_young_order_has_neither_result_nor_error(fake, client) -> None:
    fake.exchange.visibility_delay = 3
    number = placed(client, "buy", **MARKET, custom_order_id="young")
    history = {"instrument_name": PERPETUAL}
    body = client.post("/private/get_order_state", order_id=number).json()
    assert body.keys() == {"id", "jsonrpc", "usIn", "usOut", "usDiff"}
    assert result(client.post("/private/get_order_history_by_instrument", **history)) == []
    assert result(client.post("/private/get_user_trades_by_order", order_id=number))["trades"] == []
    fake.exchange.now = NOW + 3
    assert state(client, number)["order_state"] == "filled"
    (row,) = result(client.post("/private/get_order_history_by_instrument", **history))
    assert (row["custom_order_id"], row["price"], row["average_price"]) == ("young", "-1", "50000.1")


def test_a_cancel_is_a_receipt_and_takes_its_time(fake: FakeOrangex, client: OrangexClient) -> None:
    fake.late_cancels.delay = 5
    number = placed(client, "buy", **LIMIT)
    assert result(client.post("/private/cancel", order_id=number)) == {"order_id": number}
    assert state(client, number)["order_state"] == "open"
    fake.exchange.now = NOW + 5
    assert (state(client, number)["order_state"], state(client, number)["error_code"]) == ("canceled", 0)
    assert result(client.post("/private/cancel", order_id=number)) == {"order_id": number}
    fake.cancel_of_finished = "error"
    assert code(client.post("/private/cancel", order_id=number)) == 5004
    assert code(client.post("/private/cancel", order_id="1")) == 5002
    assert code(client.post("/private/cancel", custom_order_id="mine")) == 8000


def test_a_cancel_loses_to_a_fill(fake: FakeOrangex, client: OrangexClient) -> None:
    fake.late_cancels.delay = 5
    number = placed(client, "buy", **LIMIT)
    result(client.post("/private/cancel", order_id=number))
    fake.exchange.prices[SYMBOL] = Decimal(49_000)
    fake.exchange.now = NOW + 5
    assert (state(client, number)["order_state"], state(client, number)["filled_amount"]) == (
        "filled",
        "0.01",
    )


def test_all_orders_are_cancelled_and_counted(client: OrangexClient) -> None:
    for _ in range(2):
        placed(client, "buy", **LIMIT)
    placed(client, "buy", **(LIMIT | {"instrument_name": "BTC-USDT-SPOT"}))
    assert result(client.post("/private/cancel_all_by_instrument", instrument_name=PERPETUAL)) == 2
    assert result(client.post("/private/cancel_all_by_currency", currency="SPOT")) == 1
    assert result(client.post("/private/cancel_all_by_currency", currency="SPOT")) == 0


def test_a_hedged_account_needs_a_side(fake: FakeOrangex, client: OrangexClient) -> None:
    fake.exchange.main.hedge = True
    orphan = state(client, placed(client, "buy", **MARKET))
    assert (orphan["order_state"], orphan["error_code"], orphan["filled_amount"]) == ("canceled", 5998, "0")
    long = placed(client, "buy", **MARKET, position_side="LONG")
    assert state(client, long)["order_state"] == "filled"
    placed(client, "sell", **(MARKET | {"amount": "0.002"}), position_side="SHORT")
    rows = result(client.post("/private/get_user_position", instrument_name=PERPETUAL))
    assert [(row["position_side"], row["size"]) for row in rows] == [("LONG", "0.01"), ("SHORT", "-0.002")]
    placed(client, "sell", **MARKET, position_side="LONG", reduce_only=True)
    rows = result(client.post("/private/get_user_position", instrument_name=PERPETUAL))
    assert [row["position_side"] for row in rows] == ["SHORT"]


@pytest.mark.parametrize(
    ("path", "fires"),
    [((49_500, 48_900), True), ((49_100,), False), ((50_500, 49_000), True)],
)
def test_a_stop_below_the_price_fires_when_it_is_reached(fake, client, path, fires) -> None:
    placed(client, "buy", **MARKET)
    number = placed(client, "sell", **STOP, trigger_price="49000", custom_order_id="stop")
    assert state(client, number)["condition_type"] == "STOP"
    for price in path:
        fake.exchange.prices[SYMBOL] = Decimal(price)
    assert (state(client, number)["order_state"] == "filled") is fires
    assert bool(fake.exchange.main.open_positions()) is not fires


def test_a_stop_whose_condition_holds_already_waits_for_a_crossing(fake, client) -> None:
    placed(client, "buy", **MARKET)
    number = placed(client, "sell", **STOP, trigger_price="51000")
    for price in (49_000, 50_900):
        fake.exchange.prices[SYMBOL] = Decimal(price)
        assert state(client, number)["order_state"] == "open"
    fake.exchange.prices[SYMBOL] = Decimal(51_100)
    assert state(client, number)["order_state"] == "open"
    fake.exchange.prices[SYMBOL] = Decimal(51_000)
    assert state(client, number)["order_state"] == "filled"


def test_a_stop_can_be_cancelled_and_a_touched_order_is_its_mirror(fake, client) -> None:
    placed(client, "buy", **MARKET)
    stop = placed(client, "sell", **STOP, trigger_price="49000")
    result(client.post("/private/cancel", order_id=stop))
    touched = placed(client, "sell", **(STOP | {"condition_type": "IF_TOUCHED"}), trigger_price="51000")
    fake.exchange.prices[SYMBOL] = Decimal(51_000)
    assert state(client, stop)["order_state"] == "canceled"
    assert (state(client, touched)["order_state"], state(client, touched)["condition_type"]) == (
        "filled",
        "IF_TOUCHED",
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"instrument_name": "BTC-USDT"}, 5001),
        ({"amount": 0.01}, 8000),
        ({"amount": "0"}, 8000),
        ({"type": "LIMIT"}, 8000),
        ({"price": None}, 8000),
        ({"custom_order_id": "a" * 37}, 8000),
        ({"custom_order_id": "a b"}, 8000),
        ({"time_in_force": "GTC"}, 8000),
        ({"condition_type": "STOP", "trigger_price": "49000"}, 8000),
        ({"condition_type": "TRAILING", "trail_price": "10"}, 8000),
        ({"client_order_id": "a"}, 8000),
        ({"instrument_name": "BTC-USDT-SPOT", "reduce_only": True}, 8000),
        ({"amount": "0.0005"}, 5135),
        ({"amount": "0.0105"}, 5135),
        ({"price": "49000.05"}, 5007),
        ({"price": "75001"}, 5013),
        ({"amount": "0.001", "price": "9000"}, 5119),
    ],
)
def test_what_is_refused_is_not_placed(fake, client, change, expected) -> None:
    assert code(client.post("/private/buy", **(LIMIT | change))) == expected
    assert fake.exchange.main.orders == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": "100"}, ("rejected", 5907)),
        ({"reduce_only": True}, ("rejected", 5903)),
        ({"price": "51000", "post_only": True}, ("canceled", 0)),
        ({"time_in_force": "immediate_or_cancel"}, ("canceled", 0)),
    ],
)
def test_what_ends_after_its_receipt(fake, client, change, expected) -> None:
    found = state(client, placed(client, "buy", **(LIMIT | change)))
    assert (found["order_state"], found["error_code"]) == expected
    assert found["filled_amount"] == "0"


def test_a_refusal_can_come_at_once(fake: FakeOrangex, client: OrangexClient) -> None:
    fake.after_receipt = frozenset()
    assert code(client.post("/private/buy", **(LIMIT | {"amount": "100"}))) == 5907
