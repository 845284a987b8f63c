"""What GET /ladder shows: the sets of a running engine, why and when they moved, what they lack."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.engine import LadderPointer, engine_subject
from chalicelib.domain.ladder import LEVELS, REAL
from chalicelib.domain.snapshots import LadderSnapshot
from chalicelib.errors import Conflict, NotFound, Rejected
from chalicelib.flows import ladder_view as module
from chalicelib.flows.ladder_view import ladder_view, query_of
from chalicelib.flows.record_events import record_events
from chalicelib.local.candle_files import read_candles
from tests.flows.desk import CONNECTION_ID, SYMBOLS, TENANT
from tests.flows.test_ticks import START, Replay
from tests.shared import shared_path

SLOTS = 48


@pytest.fixture(scope="module")
def desk() -> Any:
    """An engine that decided on four hours of recorded candles, and its events in the audit log."""
    folder = shared_path("data/ohlcv/binance_spot")
    ran = Replay().use(read_candles(folder, "5m", SYMBOLS, START - 12 * 3600, START + 6 * 3600))
    for _ in range(SLOTS):
        ran.slot()
    world = ran.world()
    world.connections.create(ran.connection)
    record_events(world, ran.stream.sent)
    return ran


def page(desk: Any, **parameters: str) -> Any:
    return ladder_view(desk.world(), TENANT, query_of({"connection_id": CONNECTION_ID, **parameters}))


def every(desk: Any, **parameters: str) -> list[Any]:
    rows: list[Any] = []
    cursor = ""
    for _ in range(100):
        found = page(desk, **parameters, **({"cursor": cursor} if cursor else {}))
        rows += found["items"]
        cursor = found["cursor"]
        if cursor is None:
            return rows
    raise AssertionError("the ladder does not end")


def test_the_whole_ladder_is_shown_once_best_first(desk: Any) -> None:
    rows = every(desk, limit="70")
    assert len({row["set_id"] for row in rows}) == len(rows) == 100 * len(SYMBOLS)
    ranks = [
        (LEVELS.index(r["level"]), r["lossless"], r["profit_factor"] or -1.0 if not r["lossless"] else 0.0)
        for r in rows
    ]
    assert ranks == sorted(ranks, reverse=True)
    shown = page(desk)
    assert sum(shown["counts"].values()) == len(rows)
    assert shown["counts"] == {level: sum(r["level"] == level for r in rows) for level in LEVELS}
    snapshot = desk.engines.get(desk.subject).ladder
    assert shown["candle_time"] == snapshot.candle_time
    assert shown["age"] == desk.now - snapshot.candle_time >= 0
    assert shown["profile"] == "source"


def test_a_level_is_shown_alone_with_why_and_when_each_set_came_to_it(desk: Any) -> None:
    rows = every(desk, level="main")
    assert rows
    assert {row["level"] for row in rows} == {"main"}
    for row in rows:
        assert row["change"]["after"] == "main"
        assert row["change"]["at"] == row["level_since"] <= page(desk)["candle_time"]
        assert row["change"]["why"].startswith("bar met n=")
    base = every(desk, level="base")
    assert [row["change"] for row in base if not row["level_since"]] == [None] * sum(
        not row["level_since"] for row in base
    )


def test_a_log_that_is_slow_to_read_is_given_up_and_the_sets_are_shown(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Log:
        def list_audit(self, *place: Any) -> Any:
            clock[0] += 2.0
            return desk.world().records.list_audit(*place)

    clock = [desk.now]
    monkeypatch.setattr(module, "_AUDIT_PAGE", 1)
    query = query_of({"connection_id": CONNECTION_ID, "level": "main", "limit": "500"})
    whole = ladder_view(desk.world(), TENANT, query)["items"]
    slow = replace(desk.world(), records=Log(), now=lambda: clock[0])
    shown = ladder_view(slow, TENANT, query)["items"]
    assert clock[0] == desk.now + 3 * 2.0, "after five seconds no page is begun any more"
    assert [row["set_id"] for row in shown] == [row["set_id"] for row in whole]
    assert all(row["change"] for row in whole)
    assert not any(row["change"] for row in shown)


def test_what_a_set_lacks_is_what_its_numbers_miss(desk: Any) -> None:
    needs = {"base": {"positions": 10, "profit_factor": 0.5}, "main": {"positions": 50, "profit_factor": 0.6}}
    seen = set()
    for row in every(desk):
        assert row["goal"] == {"base": "main", "main": "real"}[row["level"]]
        has = {"positions": row["closed"], "profit_factor": row["profit_factor"]}
        lacks = {lack["demand"]: lack for lack in row["lacks"]}
        for demand, needed in needs[row["level"]].items():
            missed = not row["lossless"] and (has[demand] is None or has[demand] < needed)
            assert (demand in lacks) == (missed or (demand == "positions" and has[demand] < needed))
            if demand in lacks:
                assert lacks[demand] == {"demand": demand, "needed": needed, "has": has[demand]}
                seen.add(demand)
        if row["level"] == "base":
            assert row["lacks"], "a set that lacks nothing is not on base"
    assert seen == {"positions", "profit_factor"}


def test_open_positions_are_shown(desk: Any) -> None:
    held = [(row["symbol"], row["position"]) for row in every(desk) if row["position"]]
    assert held
    candles = desk.objects.load_candles("binance", 300)
    for symbol, position in held:
        bar = list(candles.open_time).index(position["entered"])
        assert position["entry"] == candles.open[candles.symbols.index(symbol), bar]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"colour": "red"}, "unknown parameter 'colour'"),
        ({"level": "best"}, "unknown level 'best': use one of base, main, real"),
        ({"limit": "0"}, "limit must be a whole number from 1 to 500"),
        ({"connection_id": ""}, "connection_id is missing"),
        ({"cursor": "x"}, "cursor 'x' belongs to no ladder"),
    ],
)
def test_wrong_questions_are_refused(desk: Any, parameters: dict[str, str], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        page(desk, **parameters)


def test_a_cursor_of_an_older_ladder_is_a_conflict(desk: Any) -> None:
    old = page(desk)["candle_time"] - 300
    with pytest.raises(Conflict, match="has moved on"):
        page(desk, cursor=f"{old}:50")


def test_where_there_is_no_ladder_it_says_why(desk: Any) -> None:
    world, subject = desk.world(), engine_subject(TENANT, CONNECTION_ID)
    with pytest.raises(NotFound, match="no connection 'nobody'"):
        ladder_view(world, TENANT, query_of({"connection_id": "nobody"}))
    with pytest.raises(NotFound):
        ladder_view(world, "other", query_of({"connection_id": CONNECTION_ID}))
    whole = desk.tables.engines[subject]
    try:
        for changes, text in (
            ({"ladder": replace(whole.ladder, version=0)}, "no ladder yet: its first snapshot"),
            ({"ladder": replace(whole.ladder, version=999)}, "lost or of an older version"),
            ({"ladder": replace(whole.ladder, fence=0)}, "lost or of an older version"),
            ({"settings": {}}, "start its engine"),
            ({"settings": {**whole.settings, "ladder": {"enabled": False}}}, r"off \(ladder.enabled\)"),
        ):
            desk.tables.engines[subject] = replace(whole, **changes)
            with pytest.raises(Conflict, match=text):
                page(desk)
    finally:
        desk.tables.engines[subject] = whole


def test_a_ladder_of_the_release_before_is_worked_out_again(desk: Any) -> None:
    """Its pointer names no beginning, its snapshot has other columns and rules."""
    old = Replay().use(desk.feed.candles)
    for _ in range(3):
        old.slot()
    world = old.world()
    world.connections.create(old.connection)
    engine = old.engines.get(old.subject)
    assert engine is not None
    columns = {"closed_until": np.array(100), "drawdowns": np.zeros(4, dtype=np.int64)}
    fence, before = engine.ladder.fence, old.metrics["ladder_rebuilds"]
    world.objects.save_ladder(TENANT, CONNECTION_ID, LadderSnapshot(2, fence, 100, "0" * 32, columns))
    pointer = LadderPointer(2, fence, 100, old.now)
    old.tables.engines[old.subject] = replace(engine, ladder=pointer)
    old.warm.clear()
    with pytest.raises(Conflict, match="is running, works it out again and stores it when done"):
        page(old)
    for number in range(1, 8):
        assert set(old.slot().values()) == {None}
        assert old.metrics["ladder_rebuilds"] == before + 1, number
    assert page(old)["candle_time"] > engine.last_candle
    assert old.engines.get(old.subject).ladder.begin > 0


def test_nothing_is_on_real_after_four_hours(desk: Any) -> None:
    assert every(desk, level=LEVELS[REAL]) == []


def test_a_live_connection_with_losing_bars_is_warned_about(desk: Any) -> None:
    assert page(desk)["warnings"] == ()
    subject = engine_subject(TENANT, CONNECTION_ID)
    whole = desk.tables.engines[subject]
    try:
        desk.tables.engines[subject] = replace(whole, settings={**whole.settings, "mode": "live"})
        text = page(desk)["warnings"][0]
    finally:
        desk.tables.engines[subject] = whole
    assert text.startswith("ladder profile 'source' has bars below a profit factor of 1.0")
