"""Stops that rest at the venue: with every position, along its trail, gone with it, found after a restart."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.order import OrderState
from chalicelib.domain.position import Position
from chalicelib.domain.signal import ExitProfile, PartialExit
from chalicelib.errors import VenueRejected, VenueUnknown
from chalicelib.flows.kill_switch import kill
from tests.flows.desk import TENANT, Desk, connection
from tests.flows.hand_venue import ABLE, HandVenue

D = Decimal
SYMBOL = "BTC/USDT:USDT"
TRAILING = ExitProfile(take_profit=None, stop_loss=D("0.01"), trailing_distance=D("0.01"))


def swap_desk(exits: ExitProfile = TRAILING, **changes: Any) -> tuple[Desk, HandVenue]:
    """Return a desk on a venue with native stops, at a price of 60,000."""
    desk = Desk(connection=connection(market_type="swap", symbols=(SYMBOL,), exits=exits, **changes))
    desk.feed.prices = {SYMBOL: D(60000)}
    desk.world().connections.create(desk.connection)
    venue = HandVenue(desk.feed)
    desk.venue = lambda _: venue  # type: ignore[method-assign,assignment,return-value]
    return desk, venue


def entered(direction: str = "long", **options: Any) -> tuple[Desk, HandVenue]:
    desk, venue = swap_desk(**options)
    assert set(desk.execute(desk.signal(SYMBOL, direction)).values()) == {"APPROVED"}
    desk.realtime()
    return desk, venue


def the_position(desk: Desk) -> Position:
    (position,) = desk.positions()
    return position


@pytest.mark.parametrize(("direction", "trigger", "side"), [("long", 59400, "sell"), ("short", 60600, "buy")])
def test_a_position_gets_a_stop_that_only_reduces_it(direction: str, trigger: int, side: str) -> None:
    desk, venue = entered(direction)
    (stop,) = venue.stops()
    assert (stop.trigger_price, stop.side, stop.reduce_only) == (D(trigger), side, True)
    assert stop.quantity == the_position(desk).quantity
    assert the_position(desk).stop_price == D(trigger)


@pytest.mark.parametrize(
    ("direction", "prices"), [("long", (60030, 61000, 60700)), ("short", (59970, 59000, 59300))]
)
def test_a_trailing_stop_is_replaced_when_it_moves_by_a_step_and_never_back(
    direction: str, prices: tuple[int, ...]
) -> None:
    desk, venue = entered(direction)
    triggers = []
    for price in prices:
        desk.feed.prices[SYMBOL] = D(price)
        desk.realtime()
        (stop,) = venue.stops()
        triggers.append(stop.trigger_price)
    sign = 1 if direction == "long" else -1
    first, best = D(60000) - sign * 600, D(prices[1]) - sign * 600
    assert triggers == [first, best, best], "a move of less than a step costs no request"
    assert sum(o.type == "stop" for o in venue.orders.values()) == 2


def test_the_new_stop_is_there_before_the_old_one_goes() -> None:
    desk, venue = entered()
    desk.feed.prices[SYMBOL] = D(61000)
    venue.calls.clear()
    desk.realtime()
    assert [call for call in venue.calls if call in ("create_order", "cancel_order")] == [
        "create_order",
        "cancel_order",
    ]


def test_a_stop_that_filled_closes_the_position_with_its_reason() -> None:
    desk, venue = entered()
    (stop,) = venue.stops()
    venue.fill(stop.venue_order_id, desk.now, price=D(59390))
    desk.realtime()
    position = the_position(desk)
    assert (position.state, position.exit_reason, position.stop_order_id) == ("closed", "stop_loss", "")
    assert position.realised == (D(59390) - D(60000)) * stop.quantity
    assert venue.held(SYMBOL) == 0


def test_the_stop_goes_with_the_position() -> None:
    desk, venue = entered(exits=replace(TRAILING, take_profit=D("0.02")))
    desk.feed.prices[SYMBOL] = D(61300)
    desk.realtime()
    assert the_position(desk).state == "closed"
    desk.realtime()
    assert venue.stops() == []
    assert {order.state for order in desk.orders()} == {OrderState.FILLED, OrderState.CANCELED}


def test_a_restart_finds_the_stop_again_instead_of_placing_another() -> None:
    desk, venue = entered()
    desk.warm.clear()
    for _ in range(40):
        desk.realtime()
    assert len(venue.stops()) == 1
    assert sum(o.type == "stop" for o in venue.orders.values()) == 1


def test_a_stop_whose_reply_is_lost_is_not_placed_twice() -> None:
    desk, venue = swap_desk()
    desk.execute(desk.signal(SYMBOL))
    real = venue.create_order

    def lost(*arguments: Any) -> Any:
        real(*arguments)
        raise VenueUnknown("the reply was lost")

    venue.create_order = lost  # type: ignore[method-assign]
    desk.realtime()
    venue.create_order = real  # type: ignore[method-assign]
    for _ in range(3):
        desk.realtime()
    assert len(venue.stops()) == 1
    assert the_position(desk).stop_order_id == venue.stops()[0].client_order_id


def test_a_refused_stop_is_tried_again_under_a_new_id_and_exits_stay_with_the_engine() -> None:
    desk, venue = swap_desk()
    desk.execute(desk.signal(SYMBOL))
    venue.failing["create_order"] = VenueRejected("would trigger at once", "INVALID_ORDER")
    desk.realtime()
    assert (venue.stops(), the_position(desk).stop_order_id) == ([], "")
    venue.failing.clear()
    desk.feed.prices[SYMBOL] = D(59300)
    desk.realtime()
    assert (the_position(desk).state, the_position(desk).exit_reason) == ("closed", "stop_loss")


def test_partial_exits_take_their_share_once_and_the_stop_covers_the_rest() -> None:
    steps = (PartialExit(D("0.01"), D("0.5")), PartialExit(D("0.02"), D("0.5")))
    desk, venue = entered(exits=ExitProfile(take_profit=D("0.1"), stop_loss=D("0.01"), partial=steps))
    whole = the_position(desk).quantity
    desk.feed.prices[SYMBOL] = D(60700)
    for _ in range(3):
        desk.realtime()
    half = the_position(desk).quantity
    assert D("0.49") * whole < half < D("0.51") * whole
    assert [stop.quantity for stop in venue.stops()] == [half]
    desk.feed.prices[SYMBOL] = D(61300)
    desk.realtime()
    assert the_position(desk).quantity < D("0.26") * whole
    assert the_position(desk).state == "open"


def test_a_venue_without_stops_and_a_connection_that_wants_none_get_none() -> None:
    desk, venue = swap_desk(native_stops=False)
    desk.execute(desk.signal(SYMBOL))
    desk.realtime()
    assert venue.stops() == []
    desk, venue = swap_desk()
    venue.able = replace(ABLE, native_stops=False)
    desk.execute(desk.signal(SYMBOL))
    desk.realtime()
    assert venue.stops() == []


def test_a_tick_of_resting_stops_asks_the_venue_twice() -> None:
    desk, venue = entered()
    desk.now = desk.now // 600 * 600 + 45
    venue.calls.clear()
    desk.realtime()
    assert venue.calls == ["fetch_positions", "fetch_balance"]


def test_flatten_closes_a_position_that_has_no_price() -> None:
    desk, venue = entered()
    kill(desk.world(), TENANT, None, True, "ann", "k")
    desk.feed.tickers = lambda *_: {}  # type: ignore[method-assign]
    for _ in range(2):
        desk.realtime()
    assert (the_position(desk).state, the_position(desk).exit_reason) == ("closed", "kill_switch")
    assert (venue.held(SYMBOL), venue.stops()) == (0, [])
