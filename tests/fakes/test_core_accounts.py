"""The exchange behind the wire: wallets, positions, settings, funding, reads, and what tests do to it."""

import random
from decimal import Decimal

import pytest

from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Position
from tests.fakes.core_orders import SPOT, SWAP, TENTH, held, place, refused, ticket
from tests.fakes.core_values import Policy
from tests.fakes.prices import RecordedPrices
from tests.shared import shared_path


@pytest.fixture
def exchange() -> FakeExchange:
    made = FakeExchange()
    made.now = 1_800_000_000.0
    return made


# Wallets and positions


def test_a_resting_order_locks_what_it_needs(exchange: FakeExchange) -> None:
    order = place(exchange, kind="limit", price=Decimal(40_000))
    assert exchange.main.free("USDT") == 6_000
    exchange.cancel(exchange.main, order.id)
    assert exchange.main.free("USDT") == 10_000
    place(exchange, SWAP, kind="limit", price=Decimal(40_000))
    assert exchange.main.available_margin("USDT", exchange.last) == 9_800


def test_a_unified_account_has_one_wallet() -> None:
    exchange = FakeExchange(unified=True)
    place(exchange, quantity=Decimal("0.01"))
    assert exchange.main.total("swap", "USDT") == exchange.main.total("spot", "USDT") == Decimal("9499.9999")


def test_a_position_is_averaged_reduced_and_turned(exchange: FakeExchange) -> None:
    position = Position(SWAP, "both")
    assert position.apply(Decimal(1), Decimal(100), 1.0) == 0
    assert position.apply(Decimal(1), Decimal(200), 2.0) == 0
    assert position.entry_price == 150
    assert position.apply(Decimal("-0.5"), Decimal(180), 3.0) == 15
    assert position.apply(Decimal("-2.5"), Decimal(160), 4.0) == 15
    assert (position.quantity, position.entry_price) == (-1, 160)
    assert position.unrealised(Decimal(150)) == 10
    assert position.apply(Decimal(1), Decimal(170), 5.0) == -10
    assert (position.quantity, position.entry_price) == (0, 0)


def test_reduce_only_never_increases_and_ends_with_the_position(exchange: FakeExchange) -> None:
    place(exchange, SWAP)
    resting = place(exchange, SWAP, "sell", "limit", price=Decimal(55_000), reduce_only=True)
    over = place(exchange, SWAP, "sell", quantity=Decimal("0.3"), reduce_only=True)
    assert (over.filled, over.status, held(exchange)) == (TENTH, "expired", 0)
    assert (resting.status, resting.reason) == ("expired", "REDUCE_ONLY")


def test_in_hedge_mode_both_sides_are_held_and_closing_never_turns_them(exchange: FakeExchange) -> None:
    exchange.set_hedge(exchange.main, True)
    place(exchange, SWAP, position_side="long")
    place(exchange, SWAP, "sell", position_side="short", quantity=Decimal("0.2"))
    assert (held(exchange, "long"), held(exchange, "short")) == (TENTH, Decimal("-0.2"))
    assert refused(exchange, SWAP, "sell", position_side="long", quantity=Decimal("0.2")) == "REDUCE_ONLY"
    assert len(exchange.close_by_hand(SWAP)) == 2
    assert exchange.main.open_positions() == []


def test_settings_need_a_flat_symbol(exchange: FakeExchange) -> None:
    main = exchange.main
    assert exchange.set_leverage(main, SWAP, 20).reason == "NOT_MODIFIED"
    assert exchange.set_leverage(main, SWAP, 101).reason == "BAD_LEVERAGE"
    assert exchange.set_leverage(main, SWAP, 5) is None
    place(exchange, SWAP, kind="limit", price=Decimal(40_000))
    assert exchange.set_margin_mode(main, SWAP, "isolated").reason == "HAS_ORDERS"
    place(exchange, SWAP)
    assert exchange.set_hedge(main, True).reason == "HAS_POSITION"
    assert exchange.set_hedge(main, False).reason == "NOT_MODIFIED"


def test_funding_goes_from_longs_to_shorts(exchange: FakeExchange) -> None:
    other = exchange.add_account("other")
    place(exchange, SWAP)
    exchange.place(other, ticket(SWAP, "sell"))
    paid = {payment.amount for payment in exchange.pay_funding(SWAP, Decimal("0.0001"))}
    assert paid == {Decimal("-0.5"), Decimal("0.5")}


def test_a_rebate_is_a_negative_fee(exchange: FakeExchange) -> None:
    exchange.policies["swap"] = Policy(maker_fee=Decimal("-0.0001"))
    order = place(exchange, SWAP, kind="limit", price=Decimal(49_000))
    exchange.prices[SWAP] = Decimal(49_000)
    assert order.trades[0].fee == Decimal("-0.49")
    assert exchange.main.total("swap", "USDT") == Decimal("10000.49")


def test_books_explain_every_balance(exchange: FakeExchange) -> None:
    """Random trading: what the wallets hold is the deposit plus all trades less all fees."""
    chance = random.Random(7)
    for _ in range(300):
        symbol = chance.choice((SPOT, SWAP))
        last = exchange.last(symbol)
        exchange.prices[symbol] = last + chance.randint(-200, 200)
        quantity = Decimal(chance.randint(1, 20)) / 1000
        price = None if chance.random() < 0.5 else last + chance.randint(-300, 300)
        exchange.place(
            exchange.main,
            ticket(
                symbol,
                chance.choice(("buy", "sell")),
                "market" if price is None else "limit",
                quantity=quantity,
                price=price,
            ),
        )
        if chance.random() < 0.2 and exchange.main.open_orders():
            exchange.cancel(exchange.main, chance.choice(exchange.main.open_orders()).id)
    main = exchange.main
    assert len(main.trades) > 100
    spot = {"BTC": Decimal(0), "USDT": Decimal(10_000)}
    swap, position = Decimal(10_000), Decimal(0)
    for trade in main.trades:
        sign = 1 if trade.side == "buy" else -1
        if trade.symbol == SPOT:
            spot["BTC"] += sign * trade.quantity
            spot["USDT"] -= sign * trade.quantity * trade.price
            spot[trade.fee_currency] -= trade.fee
        else:
            swap += trade.realised - trade.fee
            position += sign * trade.quantity
    assert {name: main.total("spot", name) for name in spot} == spot
    assert (main.total("swap", "USDT"), held(exchange)) == (swap, position)
    assert min(main.free("USDT"), main.free("BTC")) >= 0


# What tests do to it


def test_somebody_else_places_orders_and_closes_positions(exchange: FakeExchange) -> None:
    external = exchange.external_order(SPOT, "buy", TENTH, Decimal(40_000), client_id="web_1")
    assert (external.external, external.is_open) == (True, True)
    place(exchange, SWAP, "sell")
    (closing,) = exchange.close_by_hand(SWAP)
    assert (closing.side, held(exchange)) == ("buy", 0)
    place(exchange, quantity=Decimal("0.05"))
    exchange.close_by_hand(SPOT)
    assert exchange.main.total("spot", "BTC") < Decimal("0.00001")


def test_forced_fills_and_echoes(exchange: FakeExchange) -> None:
    order = place(exchange, kind="limit", price=Decimal(40_000), client_id="one")
    exchange.force_fill(order, Decimal("0.04"))
    exchange.cancel(exchange.main, order.id)
    late = exchange.force_fill(order, Decimal("0.02"))
    assert (order.status, order.filled) == ("canceled", Decimal("0.06"))
    exchange.repeat_trade(late, Decimal(39_999))
    assert [trade.id for trade in exchange.trades(exchange.main)].count(late.id) == 2
    assert exchange.books().orders == {"one": ("canceled", Decimal("0.06"))}
    assert exchange.books().trades.count(late.id) == 1
    exchange.force_fill(order, Decimal("0.05"))
    assert order.filled == Decimal("0.11")


def test_look_ups_may_come_too_early(exchange: FakeExchange) -> None:
    exchange.visibility_delay = 5.0
    order = place(exchange, client_id="one")
    main = exchange.main

    def seen() -> bool:
        return exchange.order_by_client_id(main, "one", "spot") is order

    assert not seen()
    assert exchange.trades(main) == []
    exchange.now += 5
    assert seen()
    assert len(exchange.trades(main)) == 1
    assert exchange.order("one") is order
    assert exchange.order_by_client_id(main, "one", "swap") is None


def test_recorded_candles_are_played_and_matched() -> None:
    folder = shared_path("data/ohlcv/binance_spot")
    source = RecordedPrices(folder, "5m", 300)
    exchange = FakeExchange(source=source)
    starts = source.span(SPOT)[0]
    assert "BTCUSDT" in source.symbols()
    exchange.now = starts + 3600.0
    first = exchange.last(SPOT)
    order = place(exchange, kind="limit", price=(first - 100).quantize(Decimal("0.01")))
    exchange.now = starts + 86_400.0
    rows = exchange.candles(SPOT, 300, starts, 1000)
    reached = min(row.low for row in rows[12:]) <= order.ticket.price
    assert order.status == ("filled" if reached else "open")
    hours = exchange.candles(SPOT, 3600, starts, 1000)
    assert hours[0].high == max(row.high for row in rows[:12])
    assert [row.opened for row in hours[:3]] == [starts, starts + 3600, starts + 7200]
    assert exchange.last(SPOT) == rows[-1].close


def test_an_unclosed_recorded_candle_knows_nothing_of_its_future() -> None:
    source = RecordedPrices(shared_path("data/ohlcv/binance_spot"), "5m", 300, shift=10_000_200)
    starts = source.span(SPOT)[0]
    whole = source.candles(SPOT, 300, starts, starts + 300)[0]
    fresh = source.candles(SPOT, 300, starts, starts)[0]
    assert (fresh.high, fresh.low, fresh.close) == (whole.open, whole.open, whole.open)
    assert fresh.volume < whole.volume


def test_recorded_prices_go_through_every_candle_in_as_many_parts_as_asked() -> None:
    source = RecordedPrices(shared_path("data/ohlcv/binance_spot"), "5m", 300, parts=30)
    starts = source.span(SPOT)[0]
    (candle,) = source.candles(SPOT, 300, starts, starts + 299.5)[:1]
    path = list(source.path(SPOT, starts - 1.0, starts + 299.0))
    assert len(path) == 31
    assert (path[0], max(path), min(path), path[-1]) == (candle.open, candle.high, candle.low, candle.close)
    assert source.last(SPOT, starts + 299.0) == candle.close


def test_candles_of_prices_set_by_hand_may_have_gaps(exchange: FakeExchange) -> None:
    start = int(exchange.now)
    for minute, price in enumerate((50_000, 50_400, 49_800)):
        exchange.now = start + 60.0 * minute
        exchange.prices[SPOT] = Decimal(price)
    exchange.hand.missing.add((SPOT, start + 60))
    rows = exchange.candles(SPOT, 60, start, 10)
    assert [row.opened - start for row in rows] == [0, 120]
    assert (rows[1].open, rows[1].close) == (49_800, 49_800)
