"""Kill switches and notes on engines behave the same on the twin and on DynamoDB; a switch stops a commit."""

from dataclasses import replace

import pytest

from chalicelib.domain.breakers import Breakers
from chalicelib.domain.engine import TENANT_WIDE, Engine, Kill, coordinator_subject
from chalicelib.domain.records import Fence
from chalicelib.errors import AlreadyExists, KillSwitchOn, StaleWrite
from tests.stores.examples import CONNECTION, ENGINE, TENANT, entry, order, position, signal
from tests.stores.worlds import Stores

COORDINATOR = coordinator_subject(TENANT)
KILL = Kill(100.0, "ann", flatten=True)
GUARDED = Fence(ENGINE, "execute", 1, unless_killed=True)


def switched(stores: Stores, name: str, kill: Kill | None, number: int = 1) -> None:
    coordinator = stores.engines.get(COORDINATOR) or stores.engines.create(Engine(COORDINATOR))
    kills = {name: kill} if kill else {}
    audit = replace(entry(), entry_id=f"kill-{number}")
    stores.engines.annotate(replace(coordinator, kills=kills), (f"kills.{name}",), audit)


def leased(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    stores.engines.acquire(ENGINE, "execute", "me", 100.0, 55.0, None)


def test_switches_go_on_and_off_one_by_one_with_their_audit_entries(stores: Stores) -> None:
    switched(stores, TENANT_WIDE, KILL, 1)
    switched(stores, CONNECTION, replace(KILL, flatten=False), 2)
    coordinator = stores.engines.get(COORDINATOR)
    assert coordinator is not None
    assert coordinator.kills == {TENANT_WIDE: KILL, CONNECTION: replace(KILL, flatten=False)}
    assert coordinator.kill(CONNECTION) == KILL
    switched(stores, TENANT_WIDE, None, 3)
    coordinator = stores.engines.get(COORDINATOR)
    assert coordinator is not None
    assert coordinator.kill("other") is None
    assert coordinator.kill(CONNECTION) == replace(KILL, flatten=False)
    assert len(stores.records.list_audit(TENANT, 10, None).items) == 3


@pytest.mark.parametrize("name", [TENANT_WIDE, CONNECTION])
def test_a_switch_stops_intents_and_nothing_else(stores: Stores, name: str) -> None:
    leased(stores)
    switched(stores, name, KILL)
    with pytest.raises(KillSwitchOn):
        stores.records.commit(TENANT, [order(), position(), signal()], GUARDED)
    assert stores.records.order(TENANT, CONNECTION, order().client_order_id) is None
    assert stores.records.commit(TENANT, [order()], replace(GUARDED, unless_killed=False))
    switched(stores, name, None, 2)
    assert stores.records.commit(TENANT, [position()], GUARDED)


def test_the_switch_of_another_connection_stops_nothing(stores: Stores) -> None:
    leased(stores)
    switched(stores, "other", KILL)
    assert stores.records.commit(TENANT, [order()], GUARDED)


def test_without_a_coordinator_nothing_is_switched_on(stores: Stores) -> None:
    leased(stores)
    assert stores.records.commit(TENANT, [order()], GUARDED)


def test_a_lost_lease_is_told_before_a_switch(stores: Stores) -> None:
    leased(stores)
    switched(stores, TENANT_WIDE, KILL)
    with pytest.raises(StaleWrite):
        stores.records.commit(TENANT, [order()], replace(GUARDED, number=2))


def test_notes_change_what_they_name_and_nothing_else(stores: Stores) -> None:
    engine = stores.engines.create(Engine(ENGINE, cooldowns={"A": 1.0}))
    noted = replace(engine, breakers_reset=50.0, cooldowns={})
    stores.engines.annotate(noted, ("breakers_reset",), entry())
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert (stored.breakers_reset, stored.cooldowns) == (50.0, {"A": 1.0})
    with pytest.raises(AlreadyExists):
        stores.engines.annotate(noted, ("breakers_reset",), entry())
    stores.engines.delete(ENGINE)
    with pytest.raises(StaleWrite):
        stores.engines.annotate(noted, ("breakers_reset",), replace(entry(), entry_id="other"))


def test_a_tick_saves_breakers_and_never_a_reset(stores: Stores) -> None:
    leased(stores)
    engine = stores.engines.get(ENGINE)
    assert engine is not None
    state = Breakers(day=5, tripped={"DAILY_LOSS": 3.0})
    stores.engines.save(replace(engine, breakers=state), "execute", 1, None, ("breakers",))
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert stored.breakers == state
    for name in ("breakers_reset", "kills"):
        with pytest.raises(ValueError, match="can't be saved by a tick"):
            stores.engines.save(engine, "execute", 1, None, (name,))
