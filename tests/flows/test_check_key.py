"""Before an engine of a real account starts: its key is stored, may trade, and may not withdraw."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.lifecycle import Status
from chalicelib.domain.venue import KeyPermissions
from chalicelib.errors import Conflict, VenueUnknown
from chalicelib.flows import manage_connections, views
from chalicelib.flows.world import World
from tests.flows.hand_venue import HandVenue
from tests.flows.lifecycles import act, audit, calm, the_engine
from tests.flows.worlds import TENANT, Memory, memory_world

KEY = {"api_key": "k" * 16, "secret": "s" * 16}


class Account(HandVenue):
    """An account whose key may do what the test says."""

    key: KeyPermissions | VenueUnknown = KeyPermissions(True, False)

    def permissions(self, now: float) -> KeyPermissions:
        if isinstance(self.key, VenueUnknown):
            raise self.key
        return self.key


def world_with(key: Any, credentials: Any = KEY, **changes: Any) -> World:
    memory = Memory()
    venue = Account(memory.feed)
    venue.key = key
    world = memory_world(memory, venue=lambda _: venue)  # type: ignore[arg-type,return-value]
    wish = {"connection_id": "main", "exchange": "binance", "symbols": ["BTC/USDT"], "mode": "live"}
    manage_connections.create(world, TENANT, {**wish, "credentials": credentials, **changes}, "ann", "k")
    return world


@pytest.mark.parametrize("key", [KeyPermissions(True, False), KeyPermissions(None, None)])
def test_a_key_that_only_trades_starts_and_is_noted(key: KeyPermissions) -> None:
    world = world_with(key)
    assert act(world, "main", "start").status == Status.RUNNING
    started = next(e for e in audit(world, f"{TENANT}/engine#main") if e.after == "running")
    assert started.details["key_may_withdraw"] is key.withdraw


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (KeyPermissions(True, True), "the API key may withdraw"),
        (KeyPermissions(False, False), "the API key may not trade"),
        (VenueUnknown("no answer"), "no answer"),
    ],
)
def test_any_other_key_ends_the_start_with_its_reason(key: Any, text: str) -> None:
    world = world_with(key)
    assert act(world, "main", "start").status == Status.ERROR
    assert text in views.error_reason(world, the_engine(world))


def test_a_key_that_may_withdraw_is_taken_where_the_owner_says_so() -> None:
    world = world_with(KeyPermissions(True, True), allow_withdraw_key=True)
    assert act(world, "main", "start").status == Status.RUNNING


@pytest.mark.parametrize("mode", ["live", "testnet"])
def test_without_credentials_nothing_starts(mode: str) -> None:
    world = world_with(KeyPermissions(True, False), credentials=None, mode=mode)
    with pytest.raises(Conflict, match="has no credentials: store them first"):
        act(world, "main", "start")
    assert the_engine(world).status == Status.STOPPED
    assert not world.records.list_sessions(TENANT, "main", 10, None).items


def test_one_connection_without_credentials_does_not_stop_the_others() -> None:
    world = world_with(KeyPermissions(True, False), credentials=None)
    paper = {"connection_id": "paper", "exchange": "binance", "symbols": ["BTC/USDT"]}
    manage_connections.create(world, TENANT, paper, "ann", "k")
    act(world, None, "start", recover=calm)
    assert the_engine(world, "paper").status == Status.RUNNING
    assert the_engine(world).status == Status.STOPPED


def test_paper_asks_for_no_key() -> None:
    world = world_with(KeyPermissions(False, True), credentials=None, mode="paper")
    assert act(world, "main", "start").status == Status.RUNNING
    assert replace(the_engine(world)).settings["mode"] == "paper"


def test_an_account_can_be_tried_before_its_engine_starts() -> None:
    good = manage_connections.try_account(world_with(KeyPermissions(True, False)), TENANT, "main")
    assert (good["works"], good["key_may_withdraw"], good["clock_skew"]) == (True, False, 0.0)
    wrong = manage_connections.try_account(world_with(KeyPermissions(True, True)), TENANT, "main")
    assert (wrong["works"], wrong["code"]) == (False, "HALT")
    away = manage_connections.try_account(world_with(VenueUnknown("no answer")), TENANT, "main")
    assert away == {"works": False, "code": "VENUE_UNKNOWN", "reason": "no answer"}
    with pytest.raises(Conflict):
        manage_connections.try_account(world_with(None, credentials=None), TENANT, "main")
