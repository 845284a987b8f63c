"""Positions, balances, history and settings on the fake OrangeX, asked as its documentation says."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.fakes.orangex import FakeOrangex
from tests.fakes.orangex_client import NOW, OrangexClient, client_of, code, placed, result, standing, state

PERPETUAL = "BTC-USDT-PERPETUAL"
SYMBOL = "BTC/USDT:USDT"
MARKET = {"instrument_name": PERPETUAL, "amount": "0.01", "type": "market"}


@pytest.fixture
def fake() -> Iterator[FakeOrangex]:
    with standing() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeOrangex) -> Iterator[OrangexClient]:
    with client_of(fake) as client:
        yield client


def test_positions_are_told_by_one_method_only(fake: FakeOrangex, client: OrangexClient) -> None:
    placed(client, "sell", **MARKET)
    fake.exchange.prices[SYMBOL] = Decimal(49_000)
    assert result(client.post("/private/get_positions", currency="PERPETUAL", kind="perpetual")) == []
    (row,) = result(client.post("/private/get_user_position", instrument_name=PERPETUAL))
    assert (row["size"], row["average_price"], row["floating_profit_loss"]) == ("-0.01", "49999.9", "9.999")
    assets = result(client.post("/private/get_assets_info", asset_type=["PERPETUAL"]))
    assert assets.keys() == {"PERPETUAL"}
    wallet = assets["PERPETUAL"]
    assert (wallet["wallet_balance"], wallet["total_upl"]) == ("9999.7000006", "9.999")
    assert wallet["total_margin_balance"] == "10009.6990006"
    assert wallet["available_funds"] == "9985.1990006"
    assert code(client.post("/private/get_assets_info", asset_type="PERPETUAL")) == 1001
    fake.exchange.close_by_hand(SYMBOL)
    assert result(client.post("/private/get_user_position", instrument_name=PERPETUAL)) == []


def test_amounts_in_quote_currency(fake: FakeOrangex, client: OrangexClient) -> None:
    by_value = state(client, placed(client, "buy", **(MARKET | {"amount": "1000"}), market_amount_order=True))
    assert (by_value["amount"], by_value["filled_amount"]) == ("0.019", "0.019")
    spot = {"instrument_name": "BTC-USDT-SPOT", "type": "market"}
    assert state(client, placed(client, "buy", **spot, amount="0.01"))["filled_amount"] == "0.01"
    fake.spot_market_buy_in_quote = True
    assert state(client, placed(client, "buy", **spot, amount="1000"))["filled_amount"] == "0.01999"
    (usdt,) = result(client.post("/private/get_assets_info", asset_type=["SPOT"], coin_type=["USDT"]))[
        "SPOT"
    ]["details"]
    assert Decimal(usdt["available"]) == Decimal(usdt["total"]) == Decimal("8500.4997001")


def test_history_and_trades_come_in_pages(fake: FakeOrangex, client: OrangexClient) -> None:
    numbers = []
    for moment in range(25):
        fake.exchange.now = NOW + moment
        numbers.append(placed(client, "buy", **(MARKET | {"amount": "0.001"})))
    history = "/private/get_order_history_by_instrument"
    page = result(client.post(history, instrument_name=PERPETUAL))
    assert [row["order_id"] for row in page] == numbers[:4:-1]
    rest = result(client.post("/private/get_order_history_by_currency", currency="PERPETUAL", offset=20))
    assert [row["order_id"] for row in rest] == numbers[4::-1]
    trades = "/private/get_user_trades_by_instrument"
    first = result(client.post(trades, instrument_name=PERPETUAL, count=20, sorting="asc"))
    assert (first["count"], first["has_more"]) == (20, True)
    last = first["trades"][-1]
    assert last == {
        "trade_id": last["trade_id"],
        "order_id": numbers[19],
        "instrument_name": PERPETUAL,
        "direction": "buy",
        "amount": "0.001",
        "price": "50000.1",
        "fee": "0.03000006",
        "fee_coin_type": "USDT",
        "role": "taker",
        "order_type": "market",
        "self_trade": False,
        "timestamp": int(NOW + 19) * 1000,
    }
    since = {"start_timestamp": last["timestamp"] + 1, "sorting": "asc"}
    more = result(client.post(trades, instrument_name=PERPETUAL, **since))
    assert ([row["order_id"] for row in more["trades"]], more["has_more"]) == (numbers[20:], False)
    newest = result(client.post("/private/get_user_trades_by_currency", currency="PERPETUAL"))
    assert [row["order_id"] for row in newest["trades"]] == numbers[:14:-1]


def test_leverage_and_margin_type(client: OrangexClient) -> None:
    config = {"instrument_name": PERPETUAL}
    for _ in range(2):
        assert result(client.post("/private/adjust_perpetual_leverage", **config, leverage="7")) == "ok"
        assert (
            result(client.post("/private/adjust_perpetual_margin_type", **config, margin_type="isolate"))
            == "ok"
        )
    told = result(client.post("/private/get_perpetual_user_config", **config))
    assert told == {"margin_type": "isolate", "leverage": "7"}
    assert code(client.post("/private/adjust_perpetual_leverage", **config, leverage=7)) == 8000
    assert code(client.post("/private/adjust_perpetual_leverage", **config, leverage="500")) == 8000
    assert code(client.post("/private/modify_perpetual_instrument_leverage", **config, leverage="7")) == 1000
    placed(client, "buy", **MARKET)
    busy = client.post("/private/adjust_perpetual_margin_type", **config, margin_type="cross")
    assert code(busy) == 8107
