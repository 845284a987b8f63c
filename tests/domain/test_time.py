"""Cadence, leases, lifecycle and health with `now` passed in."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.cadence import DEFAULT_INTERVALS, due, raised
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Beat, Engine, engine_subject
from chalicelib.domain.health import Waiting, judge, judge_engine
from chalicelib.domain.lease import Lease, Skip, acquire, release
from chalicelib.domain.lifecycle import (
    FIRST_STEP,
    SETTLES_AS,
    TRANSITIONS,
    Status,
    allowed_commands,
    entries_allowed,
    exits_allowed,
    may_become,
)

T0 = 1_618_617_600


def test_the_minute_of_the_default_intervals() -> None:
    ticks = [(tick.kind, tick.slot - T0) for tick in due(DEFAULT_INTERVALS, T0)]
    assert ticks == [
        ("market", 2),
        ("health", 5),
        ("realtime", 10),
        ("indication", 20),
        ("strategy", 25),
        ("health", 35),
        ("realtime", 40),
    ]


@given(st.integers(10, 900), st.integers(0, 10_000), st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_windows_of_any_length_plan_each_slot_exactly_once(
    interval: int, start: int, lengths: list[int]
) -> None:
    whole = due({"realtime": interval}, start, sum(lengths) * 60)
    pieces = []
    for length in lengths:
        pieces.extend(due({"realtime": interval}, start, length * 60))
        start += length * 60
    assert tuple(pieces) == whole
    slots = [tick.slot for tick in whole]
    assert all(later - earlier == interval for earlier, later in pairwise(slots))


def test_a_replay_raises_intervals_to_multiples_of_its_heartbeat() -> None:
    assert raised({"market": 60, "strategy": 5400}, 3600) == {"market": 3600, "strategy": 7200}
    assert raised({"market": 60, "strategy": 5400}, 0) == {"market": 60, "strategy": 5400}


def test_a_lease_excludes_others_until_it_runs_out_and_its_fence_only_grows() -> None:
    first = acquire(Lease(), "a", 100.0, 55.0, 60)
    assert isinstance(first, Lease)
    assert acquire(first, "b", 154.0, 55.0, 60) is Skip.LEASE_HELD
    second = acquire(first, "b", 155.0, 55.0, 60)
    assert isinstance(second, Lease)
    assert (second.owner, second.fence) == ("b", first.fence + 1)


def test_a_slot_is_done_once_but_a_dead_one_is_done_again() -> None:
    leased = acquire(Lease(), "a", 100.0, 55.0, 60)
    assert isinstance(leased, Lease)
    assert isinstance(acquire(leased, "b", 200.0, 55.0, 60), Lease), "died before saving: work again"
    done = release(leased, 60)
    assert acquire(done, "b", 101.0, 55.0, 60) is Skip.SLOT_DONE
    assert isinstance(acquire(done, "b", 101.0, 55.0, 120), Lease)
    assert release(leased, None).slot == 0


@pytest.mark.parametrize(("current", "target"), list(product(Status, Status)))
def test_lifecycle_pairs(current: Status, target: Status) -> None:
    assert may_become(current, target) == (target in TRANSITIONS[current])


def test_every_status_on_its_way_settles_along_the_table_and_commands_start_there() -> None:
    assert all(may_become(status, target) for status, target in SETTLES_AS.items())
    assert set(FIRST_STEP.values()) <= set(SETTLES_AS)
    assert allowed_commands(Status.STOPPED) == ("start",)
    assert "start" in allowed_commands(Status.ERROR)


def test_the_global_pause_beats_the_engine_and_exits_go_on() -> None:
    assert entries_allowed(Status.RUNNING, Status.RUNNING)
    assert not entries_allowed(Status.PAUSED, Status.RUNNING)
    assert not entries_allowed(Status.RUNNING, Status.PAUSED)
    assert exits_allowed(Status.PAUSED, Status.RUNNING, freeze_exits=False)
    assert not exits_allowed(Status.RUNNING, Status.PAUSED, freeze_exits=True)
    assert not exits_allowed(Status.STOPPED, Status.RUNNING, freeze_exits=False)


def test_health_by_lag_and_errors() -> None:
    waiting = {"realtime": Waiting(30, 1000.0), "strategy": Waiting(120, 990.0)}
    assert judge({}, waiting, 0.0, 1010.0) == ("healthy", ())
    assert judge({}, waiting, 0.0, 1100.0)[0] == "degraded"
    assert judge({}, waiting, 0.0, 1400.0)[0] == "unhealthy"
    failing = {"realtime": Beat(1005.0, errors=5, last_error="Boom")}
    level, reasons = judge(failing, waiting, 0.0, 1010.0)
    assert level == "unhealthy"
    assert "realtime" in reasons[0]
    assert "Boom" in reasons[0]
    assert judge({}, waiting, 5000.0, 5010.0)[0] == "healthy", "just started"


@pytest.mark.parametrize(("timeframe", "candle"), [("5m", 300), ("1d", 86400)])
def test_decisions_that_stop_are_told_minutes_after_the_first_candle_nobody_decided_on(
    timeframe: str, candle: int
) -> None:
    connection = replace(Connection("c", "binance", ("BTC/USDT",)), timeframe=timeframe)
    closed = 20_000 * 86400
    working = Engine(engine_subject("t", "c"), last_candle=closed, last_indicated=closed)

    def judged(late: float) -> str:
        beats = {"realtime": Beat(closed + candle + late)}
        return judge_engine(replace(working, beats=beats), connection, 0, 0.0, closed + candle + late)[0]

    assert [judged(late) for late in (-1, 170, 200, 590, 610, 1210)] == [
        "healthy",
        "healthy",
        "degraded",
        "degraded",
        "unhealthy",
        "unhealthy",
    ]
    never = replace(working, last_candle=0, last_indicated=0, beats={"realtime": Beat(closed + 30)})
    assert judge_engine(never, connection, 0, closed + 10.0, closed + 60.0)[0] == "healthy"
