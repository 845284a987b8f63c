"""The health tick: a verdict that stands costs one read, a new one is stored at once, an old one again."""

from dataclasses import replace

from chalicelib.domain.engine import Beat, coordinator_subject
from chalicelib.domain.messages import Tick
from chalicelib.flows.health_tick import STANDS_FOR, health_tick
from tests.flows.desk import TENANT, Desk

COORDINATOR = coordinator_subject(TENANT)


def beating(desk: Desk) -> None:
    """Let every tick of the engine have succeeded now."""
    engine = desk.tables.engines[desk.subject]
    closed = int(desk.now) // 300 * 300
    engine = replace(engine, last_candle=closed, last_indicated=closed)
    desk.tables.engines[desk.subject] = replace(engine, beats={"realtime": Beat(desk.now)})


def told(desk: Desk, later: float) -> tuple[str, int]:
    """Run a health tick and return the stored verdict with the revision of its item."""
    desk.now += later
    assert health_tick(desk.world(), Tick("health", COORDINATOR, int(desk.now))) is None
    item = desk.engines.get(COORDINATOR)
    assert item is not None
    return item.health, item.revision


def test_a_verdict_is_stored_when_it_changes_and_again_when_it_is_old() -> None:
    desk = Desk()
    beating(desk)
    first = told(desk, 5)
    assert first[0] == "healthy"
    assert told(desk, 30) == first
    sick = told(desk, 3000)
    assert sick[0] == "unhealthy"
    assert sick[1] > first[1]
    beating(desk)
    well = told(desk, 30)
    assert well[0] == "healthy"
    beating(desk)
    for _ in range(int(STANDS_FOR) // 30 - 1):
        assert told(desk, 30) == well
        beating(desk)
    assert told(desk, 30)[1] > well[1]


def test_how_many_are_unhealthy_is_told_at_every_tick() -> None:
    desk = Desk()
    beating(desk)
    told(desk, 3000)
    told(desk, 30)
    assert desk.metrics["engines_unhealthy"] == 2
    assert desk.metrics["ticks"] == 2
