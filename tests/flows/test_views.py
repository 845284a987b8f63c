"""What the API shows: status, health, metrics, and listings that miss and repeat nothing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.codec import to_plain
from chalicelib.domain.engine import Account, Beat, Engine, Subject, engine_subject
from chalicelib.domain.lease import Lease
from chalicelib.domain.order import Fill, OrderState
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.errors import NotFound, Rejected
from chalicelib.flows import listings, manage_connections, views
from chalicelib.flows.lifecycle import command
from chalicelib.flows.world import World
from tests.flows.lifecycles import a_position, resting
from tests.flows.worlds import TENANT, HandClock, Memory, memory_world, with_connections

D = Decimal


def started(memory: Memory, *names: str) -> World:
    world = with_connections(memory_world(memory), *names)
    command(world, TENANT, None, "start", "ann", "k", lambda *_: None)
    return world


def changed(memory: Memory, name: str, **changes: Any) -> Engine:
    subject = engine_subject(TENANT, name)
    memory.tables.engines[subject] = engine = replace(memory.tables.engines[subject], **changes)
    return engine


def page(world: World, kind: str, **parameters: str) -> Any:
    return listings.page_of(world, TENANT, kind, listings.query_of(kind, parameters))


def every(world: World, kind: str, **parameters: str) -> list[Any]:
    """Follow the cursor to the end; return all rows."""
    rows: list[Any] = []
    cursor: str | None = ""
    for _ in range(200):
        found = page(world, kind, **parameters, **({"cursor": cursor} if cursor else {}))
        assert len(found["items"]) <= int(parameters.get("limit", listings.DEFAULT_LIMIT))
        rows += found["items"]
        cursor = found["cursor"]
        if cursor is None:
            return rows
    raise AssertionError("the listing does not end")


def test_status_shows_the_coordinator_and_every_connection() -> None:
    memory = Memory()
    world = started(memory, "a", "b")
    command(world, TENANT, "b", "pause", "ann", "k-2")
    changed(memory, "a", leases={"strategy": Lease("me", 9.0, 4, 120), "market": Lease("", 0.0, 3, 60)})
    seen = to_plain(views.status(world, TENANT))
    assert seen["coordinator"]["status"] == "running"
    a, b = seen["engines"]
    assert [(e["connection_id"], e["status"], e["trading"]) for e in (a, b)] == [
        ("a", "running", True),
        ("b", "paused", False),
    ]
    assert b["allowed"] == ["stop", "resume", "restart"]
    assert a["leases"] == {"strategy": {"owner": "me", "until": 9.0, "fence": 4, "slot": 120}}
    assert a == to_plain(views.engine_status(world, TENANT, "a"))
    command(world, TENANT, None, "pause", "ann", "k-3")
    assert not views.engine_status(world, TENANT, "a")["trading"]


def test_status_before_the_first_use_is_stopped_and_stores_nothing() -> None:
    memory = Memory()
    seen = to_plain(views.status(memory_world(memory), TENANT))
    assert (seen["coordinator"]["status"], seen["engines"]) == ("stopped", [])
    assert not memory.tables.engines


def test_nobody_sees_the_engines_of_another_tenant() -> None:
    memory = Memory()
    world = started(memory, "a")
    wish = {"connection_id": "theirs", "exchange": "binance", "symbols": ["BTC/USDT"]}
    manage_connections.create(world, "default-2", wish, "eve", "k")
    command(world, "default-2", "theirs", "start", "eve", "k", lambda *_: None)
    memory.tables.engines[Subject("public", "feed#binance#5m")] = Engine(Subject("public", "feed#binance#5m"))
    for view in (views.status, views.health, views.metrics):
        assert [engine["connection_id"] for engine in view(world, TENANT)["engines"]] == ["a"]
    for kind in ("sessions", "audit"):
        assert "theirs" not in str(every(world, kind))
    with pytest.raises(NotFound):
        views.engine_status(world, TENANT, "theirs")


def test_health_is_that_of_the_worst_running_engine() -> None:
    memory = Memory()
    world = started(memory, "a", "b", "c")
    command(world, TENANT, "c", "pause", "ann", "k")
    assert isinstance(memory.clock, HandClock)
    memory.clock.time += 200
    fresh = {kind: Beat(ok_at=memory.clock.time) for kind in ("indication", "strategy", "realtime")}
    changed(memory, "a", beats=fresh)
    changed(memory, "b", beats={**fresh, "realtime": Beat(ok_at=memory.clock.time - 100)})
    seen = views.health(world, TENANT)
    assert [engine["health"] for engine in seen["engines"]] == ["healthy", "degraded", "idle"]
    assert seen["health"] == "degraded"
    assert seen["engines"][1]["reasons"] == ["realtime: work waits for 100 s, 0 errors"]
    command(world, TENANT, None, "pause", "ann", "k-1")
    assert views.health(world, TENANT)["health"] == "idle"
    memory.clock.time += 5000
    command(world, TENANT, None, "resume", "ann", "k-2")
    assert views.health(world, TENANT)["health"] == "healthy"


def test_an_engine_in_error_is_unhealthy_for_its_reason() -> None:
    memory = Memory()
    world = with_connections(memory_world(memory), "a")

    def recover(*_: Any) -> None:
        raise ValueError("broken")

    command(world, TENANT, None, "start", "ann", "k", recover)
    seen = views.health(world, TENANT)
    assert seen["health"] == "unhealthy"
    assert seen["engines"][0]["reasons"] == ["ValueError: broken"]


def test_metrics_show_the_running_session_and_sum_per_currency() -> None:
    memory = Memory()
    world = started(memory, "main")
    with_connections(world, "other", symbols=["ETH/BTC"])
    command(world, TENANT, "other", "start", "ann", "k", lambda *_: None)
    account = Account(D(10500), D(9000), D(20), D(10600), 5.0)
    engine = changed(memory, "main", account=account, ladder_counts={"base": 90, "main": 5, "real": 1})
    changed(memory, "other", account=Account(equity=D("1.5")))
    mine = {"session_id": engine.session_id, "opened_at": world.now()}
    world.records.commit(
        TENANT,
        [
            a_position(1, state="closed", realised=D("12.5"), fees=D("0.5"), **mine),
            a_position(2, state="open", fees=D("0.25"), **mine),
        ],
    )
    seen = to_plain(views.metrics(world, TENANT))
    main = seen["engines"][0]
    assert main == to_plain(views.engine_metrics(world, TENANT, "main"))
    assert main["ladder"] == {"base": 90, "main": 5, "real": 1}
    assert (main["open_positions"], main["open_orders"]) == (1, 0)
    session = main["session"]
    assert (session["opened"], session["closed"], session["wins"]) == (2, 1, 1)
    assert (session["realised"], session["fees"], session["net"]) == ("12.5", "0.75", "11.75")
    assert seen["totals"]["USDT"] == {
        "equity": "10500",
        "unrealised": "20",
        "realised": "12.5",
        "fees": "0.75",
        "open_positions": 1,
    }
    assert seen["totals"]["BTC"]["equity"] == "1.5"


def filled(world: World) -> None:
    """Store 25 positions on two connections, every fifth of them closed and on another symbol."""
    for number in range(25):
        other = number % 5 == 0
        world.records.commit(
            TENANT,
            [
                a_position(
                    number,
                    connection_id="a" if number < 13 else "b",
                    symbol="ETH/USDT" if other else "BTC/USDT",
                    state="closed" if other else "open",
                )
            ],
        )


@pytest.mark.parametrize("limit", ["1", "3", "12", "13", "500"])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [*range(12, -1, -1), *range(24, 12, -1)]),
        ({"connection_id": "b"}, [*range(24, 12, -1)]),
        ({"symbol": "ETH/USDT"}, [10, 5, 0, 20, 15]),
        ({"status": "closed", "connection_id": "a"}, [10, 5, 0]),
        ({"status": "abandoned"}, []),
    ],
)
def test_pages_together_hold_each_record_once_in_order(
    filters: dict[str, str], expected: list[int], limit: str
) -> None:
    world = with_connections(memory_world(), "a", "b", "empty")
    filled(world)
    rows = every(world, "positions", limit=limit, **filters)
    assert [row["position_id"] for row in rows] == [f"pos-{number}" for number in expected]


def test_a_filter_that_matches_little_reads_a_bounded_number_of_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = with_connections(memory_world(), "a", "b")
    filled(world)
    monkeypatch.setattr(listings, "_READS", 4)
    first = page(world, "positions", status="closed", limit="1")
    assert first["cursor"] is not None
    assert len(first["items"]) <= 1
    assert len(every(world, "positions", status="closed", limit="1")) == 5


def test_orders_show_their_coarse_word_and_what_is_filled() -> None:
    world = with_connections(memory_world(), "main")
    resting(world, "50000", 1)
    resting(world, "70000", 2)
    (open_order,) = page(world, "orders", status="pending")["items"]
    (done,) = page(world, "orders", status="FILLED")["items"]
    assert (open_order["state"], open_order["coarse_state"], open_order["filled"]) == (
        OrderState.ACCEPTED,
        "pending",
        "0",
    )
    assert (done["client_order_id"], done["coarse_state"], D(done["filled"])) == (
        "cts-2",
        "filled",
        D("0.01"),
    )
    assert set(done["fills"][0]) == set(Fill.__dataclass_fields__)


def test_signals_and_sessions_are_filtered_by_their_own_words() -> None:
    world = started(Memory(), "main")
    signal = Signal(
        "1-s", "main", "BTC/USDT", "enter", "long", "vote", "trend", 0.9, D(1), 1, 1.0, "k", ExitProfile()
    )
    refused = replace(signal, signal_id="2-s", status="refused", outcome="COOLDOWN")
    world.records.put_new(TENANT, [signal, refused])
    assert [row["outcome"] for row in every(world, "signals", status="refused")] == ["COOLDOWN"]
    assert len(every(world, "sessions", status="running")) == 1
    assert every(world, "sessions", status="ended") == []
    command(world, TENANT, "main", "stop", "ann", "k", lambda *_: None)
    assert len(every(world, "sessions", status="ended")) == 1


def test_audit_of_one_connection_is_its_own() -> None:
    world = started(Memory(), "a", "ab", "b")
    rows = every(world, "audit", connection_id="b", limit="2")
    assert sorted(row["action"] for row in rows) == ["create", "start", "start"]
    assert {row["subject"].rpartition("#")[2] for row in rows} == {"b"}
    total = every(world, "audit", limit="3")
    assert len(total) == len({row["entry_id"] for row in total}) == 3 * 3 + 2


@pytest.mark.parametrize(
    ("kind", "parameters", "text"),
    [
        ("positions", {"limit": "0"}, "limit must be a whole number from 1 to 500, not '0'"),
        ("positions", {"limit": "501"}, "from 1 to 500"),
        ("positions", {"limit": "ten"}, "not 'ten'"),
        ("positions", {"limit": "٣"}, "not '٣'"),
        ("positions", {"status": "lost"}, "unknown status 'lost': positions have opening, open, closed"),
        ("orders", {"status": "open"}, "orders have INTENT, SUBMITTED"),
        ("signals", {"colour": "red"}, "unknown parameter 'colour': signals take connection_id, symbol"),
        ("sessions", {"symbol": "BTC/USDT"}, "unknown parameter 'symbol'"),
        ("positions", {"connectionId": "a"}, "unknown parameter 'connectionId'"),
        ("positions", {"cursor": "garbage"}, "cursor 'garbage' belongs to no listing"),
        ("positions", {"cursor": "a:###"}, "is not one that this listing gave out"),
        ("positions", {"cursor": "a:", "connection_id": "b"}, "belongs to no listing"),
    ],
)
def test_a_wrong_query_is_named(kind: str, parameters: dict[str, str], text: str) -> None:
    world = with_connections(memory_world(), "a", "b")
    with pytest.raises(Rejected) as refusal:
        page(world, kind, **parameters)
    assert text in str(refusal.value)
    assert refusal.value.http_status == 400


def test_an_unknown_connection_is_not_an_empty_list() -> None:
    world = with_connections(memory_world(), "a")
    for kind in ("positions", "orders", "signals", "sessions", "audit"):
        with pytest.raises(NotFound, match="no connection 'zz'"):
            page(world, kind, connection_id="zz")
    assert page(world, "orders", connection_id="a") == {"items": [], "cursor": None}


def test_the_history_of_a_deleted_connection_stays_readable() -> None:
    world = with_connections(memory_world(), "a")
    world.records.commit(TENANT, [a_position(1, connection_id="a", state="closed")])
    manage_connections.delete(world, TENANT, "a", "ann", "k")
    assert len(page(world, "positions", connection_id="a")["items"]) == 1
    assert [row["action"] for row in page(world, "audit", connection_id="a")["items"]] != []
