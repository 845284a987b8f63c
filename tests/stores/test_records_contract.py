"""Records, connections and the paper ledger behave the same on the twins and on DynamoDB."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.records import Fence, Page, Record
from chalicelib.errors import AlreadyExists, NotFound, Rejected, Retryable, StaleWrite
from tests.stores.examples import (
    CONNECTION,
    ENGINE,
    TENANT,
    entry,
    order,
    paper_account,
    paper_order,
    position,
    session,
    signal,
)
from tests.stores.worlds import SETTINGS, Stores

PLACE = (TENANT, CONNECTION)


def fenced(stores: Stores) -> Fence:
    stores.engines.create(Engine(ENGINE))
    stores.engines.acquire(ENGINE, "execute", "me", 100.0, 55.0, None)
    return Fence(ENGINE, "execute", 1)


def attempt(write: Callable[[], object]) -> str:
    try:
        write()
    except Retryable as error:
        return type(error).__name__
    except AlreadyExists:
        return "AlreadyExists"
    return "written"


def test_a_commit_stores_all_kinds_with_their_next_revisions(stores: Stores) -> None:
    records = (order(), position(), signal(), session(), entry())
    written = stores.records.commit(TENANT, records, fenced(stores))
    assert written == tuple(replace(record, revision=1) for record in records)
    assert stores.records.order(*PLACE, "cts-1") == written[0]
    assert stores.records.position(*PLACE, "p-1") == written[1]
    assert stores.records.signals(*PLACE, [signal().signal_id]) == {signal().signal_id: written[2]}
    assert stores.records.session(*PLACE, "s-1") == written[3]
    assert stores.records.list_audit(TENANT, 10, None) == Page((written[4],), None)


def test_what_is_not_stored_is_none(stores: Stores) -> None:
    stores.records.commit(TENANT, [order()])
    assert stores.records.order(*PLACE, "cts-2") is None
    assert stores.records.order("other", CONNECTION, "cts-1") is None
    assert stores.records.position(*PLACE, "cts-1") is None
    assert stores.records.session(*PLACE, "cts-1") is None
    assert stores.records.signals(*PLACE, ["cts-1"]) == {}
    assert stores.records.signals(*PLACE, []) == {}
    assert stores.records.commit(TENANT, []) == ()


def test_a_revision_may_be_written_once(stores: Stores) -> None:
    (first,) = stores.records.commit(TENANT, [order()])
    assert isinstance(first, Order)
    (second,) = stores.records.commit(TENANT, [replace(first, reason="a")])
    assert second.revision == 2
    with pytest.raises(StaleWrite):
        stores.records.commit(TENANT, [replace(first, reason="b")])
    with pytest.raises(StaleWrite):
        stores.records.commit(TENANT, [order("cts-9", revision=4)])
    assert stores.records.order(*PLACE, "cts-1") == second
    assert stores.records.order(*PLACE, "cts-9") is None


def test_a_duplicate_intent_is_refused_whole(stores: Stores) -> None:
    fence = fenced(stores)
    stores.records.commit(TENANT, [order(), position()], fence)
    with pytest.raises(AlreadyExists):
        stores.records.commit(TENANT, [order(), position("p-2"), signal()], fence)
    assert stores.records.position(*PLACE, "p-2") is None
    assert stores.records.signals(*PLACE, [signal().signal_id]) == {}


def test_an_earlier_attempt_is_told_before_a_moved_revision(stores: Stores) -> None:
    stores.records.commit(TENANT, [order(), position()])
    stores.records.commit(TENANT, [position(revision=1)])
    with pytest.raises(AlreadyExists):
        stores.records.commit(TENANT, [position(revision=1), order()])
    with pytest.raises(StaleWrite):
        stores.records.commit(TENANT, [position(revision=1), order("cts-2")])
    assert stores.records.order(*PLACE, "cts-2") is None


def test_a_stale_fence_writes_nothing_and_is_told_first(stores: Stores) -> None:
    fence = fenced(stores)
    stores.records.commit(TENANT, [order()], fence)
    stores.engines.acquire(ENGINE, "execute", "you", 200.0, 55.0, None)
    attempts: list[list[Record]] = [[order("cts-2")], [order("cts-2"), position()], [order()]]
    for records in attempts:
        with pytest.raises(StaleWrite):
            stores.records.commit(TENANT, records, fence)
    with pytest.raises(StaleWrite):
        stores.records.commit(TENANT, [order("cts-2")], Fence(ENGINE, "strategy", 1))
    assert stores.records.order(*PLACE, "cts-2") is None
    stores.records.commit(TENANT, [order("cts-2")], replace(fence, number=2))


def test_of_many_writers_of_one_intent_one_wins(stores: Stores) -> None:
    fence = fenced(stores)
    with ThreadPoolExecutor(6) as pool:
        results = list(
            pool.map(
                lambda n: attempt(
                    lambda: stores.records.commit(TENANT, [order(reason=str(n)), position()], fence)
                ),
                range(6),
            )
        )
    assert results.count("written") == 1
    assert set(results) <= {"written", "AlreadyExists", "Retryable"}


def test_a_transaction_too_large_or_doubled_is_a_bug(stores: Stores) -> None:
    with pytest.raises(ValueError, match="99"):
        stores.records.commit(TENANT, [entry(str(n)) for n in range(100)])
    with pytest.raises(ValueError, match="twice"):
        stores.records.commit(TENANT, [order(), order(reason="x")])


def test_99_records_fit_with_a_fence(stores: Stores) -> None:
    assert len(stores.records.commit(TENANT, [entry(str(n)) for n in range(99)], fenced(stores))) == 99


def test_put_new_leaves_what_is_there(stores: Stores) -> None:
    decided = signal(status="executed", outcome="APPROVED")
    stores.records.commit(TENANT, [decided])
    fresh = [signal(f"{n:010d}-x") for n in range(5)]
    stores.records.put_new(TENANT, [fresh[0], signal(), *fresh[1:]])
    stores.records.put_new(TENANT, [])
    names = [signal().signal_id, *(one.signal_id for one in fresh), "unknown"]
    found = stores.records.signals(*PLACE, names)
    assert found[signal().signal_id] == replace(decided, revision=1)
    assert [found[one.signal_id] for one in fresh] == [replace(one, revision=1) for one in fresh]
    assert list(found) == names[:-1]


def test_put_new_takes_the_first_of_one_key_and_any_number(stores: Stores) -> None:
    entries = [entry("same", action="first"), entry("same", action="second")]
    entries += [entry(f"{n:03d}", 200.0 + n) for n in range(130)]
    stores.records.put_new(TENANT, entries)
    page = stores.records.list_audit(TENANT, 1000, None)
    assert len(page.items) == 131
    assert page.items[-1].action == "first"


def test_an_audit_entry_delivered_twice_is_one(stores: Stores) -> None:
    stores.records.put_new(TENANT, [entry("e", 5.25), entry("e", 6.25)])
    stores.records.put_new(TENANT, [entry("e", 5.25, action="again")])
    found = stores.records.list_audit(TENANT, 10, None).items
    assert [(one.at, one.action) for one in found] == [(6.25, "start"), (5.25, "start")]


def test_open_orders_are_those_that_are_not_terminal_oldest_first(stores: Stores) -> None:
    stores.records.commit(TENANT, [order("b", 100.0), order("a", 100.0), order("z", 99.5)])
    stores.records.commit(
        TENANT, [order("done", 50.0, OrderState.FILLED), order("gone", 51.0, OrderState.DENIED)]
    )
    stores.records.commit(TENANT, [order("foreign", connection_id="desk-2")])
    found = stores.records.open_orders(*PLACE)
    assert [one.client_order_id for one in found] == ["z", "a", "b"]
    stores.records.commit(TENANT, [replace(found[0], state=OrderState.UNKNOWN)])
    stores.records.commit(TENANT, [replace(found[1], state=OrderState.FILLED)])
    assert [one.client_order_id for one in stores.records.open_orders(*PLACE)] == ["z", "b"]


def test_open_positions_are_those_opening_or_open_oldest_first(stores: Stores) -> None:
    stores.records.commit(TENANT, [position("b", 100.0, "open"), position("a", 101.0)])
    stores.records.commit(TENANT, [position("c", 1.0, "closed"), position("d", 2.0, "abandoned")])
    found = stores.records.open_positions(*PLACE)
    assert [one.position_id for one in found] == ["b", "a"]
    stores.records.commit(TENANT, [replace(found[0], state="closed", closed_at=120.0)])
    assert [one.position_id for one in stores.records.open_positions(*PLACE)] == ["a"]


def listed(
    stores: Stores, limit: int, method: Callable[[int, str | None], Page[Any]]
) -> tuple[list[Any], list[int]]:
    """Follow the cursors; return all items and the sizes of the pages."""
    items: list[Any] = []
    sizes: list[int] = []
    cursor = None
    for _ in range(50):
        page = method(limit, cursor)
        items += page.items
        sizes.append(len(page.items))
        cursor = page.cursor
        if cursor is None:
            return items, sizes
    raise AssertionError("the listing does not end")


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2, 2, 2]), (4, [4, 2]), (6, [6]), (1000, [6])])
def test_listings_are_newest_first_and_continued_by_cursors(
    stores: Stores, limit: int, sizes: list[int]
) -> None:
    # Ids run against time, so that an order by id would be seen.
    records: list[Record] = [
        *(order(f"o{9 - n}", 100.0 + n) for n in range(6)),
        *(position(f"p{9 - n}", 100.0 + n) for n in range(6)),
        *(session(f"s{9 - n}", 100.0 + n) for n in range(6)),
        *(signal(f"{n:010d}-x") for n in range(6)),
        *(entry(f"e{9 - n}", 100.0 + n) for n in range(6)),
    ]
    stores.records.commit(TENANT, records)
    stores.records.commit("other", [order("o7", 103.0), entry("e7", 103.0)])
    listings: dict[str, Callable[[int, str | None], Page[Any]]] = {
        "client_order_id": lambda *page: stores.records.list_orders(*PLACE, *page),
        "position_id": lambda *page: stores.records.list_positions(*PLACE, *page),
        "session_id": lambda *page: stores.records.list_sessions(*PLACE, *page),
        "signal_id": lambda *page: stores.records.list_signals(*PLACE, *page),
        "entry_id": lambda *page: stores.records.list_audit(TENANT, *page),
    }
    expected = {
        "client_order_id": [f"o{4 + n}" for n in range(6)],
        "position_id": [f"p{4 + n}" for n in range(6)],
        "session_id": [f"s{4 + n}" for n in range(6)],
        "signal_id": [f"{5 - n:010d}-x" for n in range(6)],
        "entry_id": [f"e{4 + n}" for n in range(6)],
    }
    for key, method in listings.items():
        items, found = listed(stores, limit, method)
        assert [getattr(item, key) for item in items] == expected[key]
        assert found == sizes


def test_an_empty_listing_is_one_empty_page(stores: Stores) -> None:
    assert stores.records.list_orders(*PLACE, 10, None) == Page((), None)


@pytest.mark.parametrize("cursor", ["", "%%%", "abc", "ÿ", base64.b64encode(b"\xff\xfe").decode()])
def test_a_broken_cursor_is_rejected_with_a_remedy(stores: Stores, cursor: str) -> None:
    for method in (stores.records.list_orders, stores.records.list_positions, stores.records.list_sessions):
        with pytest.raises(Rejected, match="leave it out"):
            method(*PLACE, 10, cursor)
    with pytest.raises(Rejected, match="leave it out"):
        stores.records.list_audit(TENANT, 10, cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_size_out_of_range_is_rejected(stores: Stores, limit: int) -> None:
    with pytest.raises(Rejected, match="between 1 and 1000"):
        stores.records.list_signals(*PLACE, limit, None)


def test_a_cursor_shows_nothing_of_another_connection(stores: Stores) -> None:
    stores.records.commit(TENANT, [order("a", 1.0), order("b", 2.0)])
    stores.records.commit(TENANT, [order("secret", 1.5, connection_id="desk-2")])
    cursor = stores.records.list_orders(TENANT, CONNECTION, 1, None).cursor
    assert stores.records.list_orders("other", CONNECTION, 10, cursor) == Page((), None)
    assert stores.records.list_orders(TENANT, CONNECTION, 10, cursor).items[0].client_order_id == "a"


def test_connections_are_created_once_listed_and_deleted(stores: Stores) -> None:
    one = Connection("b", "binance", ("BTC/USDT",), tenant=TENANT, position_cost=Decimal("0.10"))
    stored = stores.connections.create(one)
    assert stored == replace(one, revision=1) == stores.connections.get(TENANT, "b")
    assert str(stored.position_cost) == "0.10"
    with pytest.raises(AlreadyExists):
        stores.connections.create(replace(one, exchange="other"))
    stores.connections.create(replace(one, connection_id="a"))
    stores.connections.create(replace(one, tenant="other"))
    assert [found.connection_id for found in stores.connections.list(TENANT)] == ["a", "b"]
    stores.connections.delete(TENANT, "b")
    assert stores.connections.get(TENANT, "b") is None
    assert stores.connections.get("other", "b") is not None
    with pytest.raises(NotFound, match="'b'"):
        stores.connections.delete(TENANT, "b")


def test_the_ledger_writes_account_and_orders_together(stores: Stores) -> None:
    account, orders = stores.ledger.commit(
        TENANT, paper_account(), [paper_order("b", 2.0), paper_order("a", 2.0)]
    )
    assert orders == (paper_order("b", 2.0, revision=1), paper_order("a", 2.0, revision=1))
    assert account == paper_account(revision=1) == stores.ledger.load(*PLACE)
    account, _ = stores.ledger.commit(TENANT, account, [paper_order("c", 1.0)])
    assert [one.client_order_id for one in stores.ledger.orders(*PLACE)] == ["c", "a", "b"]
    assert stores.ledger.order(*PLACE, "c") == paper_order("c", 1.0, revision=1)
    with pytest.raises(AlreadyExists):
        stores.ledger.commit(TENANT, account, [paper_order("d"), paper_order("c", 1.0)])
    with pytest.raises(StaleWrite):
        stores.ledger.commit(TENANT, paper_account(revision=1), [paper_order("d")])
    with pytest.raises(StaleWrite):
        stores.ledger.commit(TENANT, account, [paper_order("a", revision=2)])
    with pytest.raises(AlreadyExists):
        stores.ledger.commit(TENANT, paper_account(), [])
    assert stores.ledger.order(*PLACE, "d") is None
    assert stores.ledger.load(*PLACE) == account


def test_a_ledger_is_deleted_whole_and_alone(stores: Stores) -> None:
    stores.ledger.commit(TENANT, paper_account(), [paper_order(str(n)) for n in range(30)])
    stores.ledger.commit("other", paper_account(), [paper_order()])
    stores.ledger.delete(*PLACE)
    stores.ledger.delete(*PLACE)
    assert stores.ledger.load(*PLACE) is None
    assert stores.ledger.orders(*PLACE) == ()
    assert stores.ledger.order("other", CONNECTION, "cts-1") is not None


def test_records_of_a_newer_schema_are_read_without_their_new_fields(aws: Stores) -> None:
    aws.records.commit(TENANT, [order()])
    table, key = SETTINGS.table("orders"), {"pk": {"S": "#".join(PLACE)}, "sk": {"S": "cts-1"}}
    client = aws.clients["dynamodb"]
    item = client.get_item(TableName=table, Key=key)["Item"]
    newer = {**json.loads(item["document"]["S"]), "colour": "blue"}
    client.put_item(
        TableName=table,
        Item={
            **item,
            "document": {"S": json.dumps(newer)},
            "schema_version": {"N": "2"},
            "shade": {"S": "x"},
        },
    )
    assert aws.records.order(*PLACE, "cts-1") == order(revision=1)
    assert aws.records.open_orders(*PLACE) == (order(revision=1),)


def test_every_item_carries_schema_revision_and_cause(aws: Stores) -> None:
    aws.records.commit(TENANT, [order(), position(), signal(), session(), entry()])
    for name in ("orders", "positions", "signals", "sessions", "audit"):
        (item,) = aws.clients["dynamodb"].scan(TableName=SETTINGS.table(name))["Items"]
        assert item["pk"]["S"].split("#")[0] == TENANT
        assert (item["schema_version"], item["revision"]) == ({"N": "1"}, {"N": "1"})
        assert item["correlation_id"] == {"S": "c"}


def test_the_open_index_is_sparse(aws: Stores) -> None:
    (stored,) = aws.records.commit(TENANT, [order()])
    assert isinstance(stored, Order)
    aws.records.commit(TENANT, [replace(stored, state=OrderState.FILLED)])
    (item,) = aws.clients["dynamodb"].scan(TableName=SETTINGS.table("orders"))["Items"]
    assert "open_since" not in item
    assert "created" in item


def test_calls_do_not_depend_on_the_number_of_records(aws: Stores) -> None:
    fence = fenced(aws)
    aws.calls.clear()
    aws.records.commit(TENANT, [order(str(n)) for n in range(50)], fence)
    aws.records.put_new(TENANT, [signal(f"{n:03d}") for n in range(100)])
    aws.records.signals(*PLACE, [f"{n:03d}" for n in range(100)])
    aws.records.open_orders(*PLACE)
    aws.records.list_orders(*PLACE, 40, None)
    assert aws.calls == {
        "dynamodb.TransactWriteItems": 2,
        "dynamodb.BatchGetItem": 1,
        "dynamodb.Query": 2,
    }
    aws.records.put_new(TENANT, [signal(f"{n:03d}") for n in range(90, 110)])
    assert aws.calls["dynamodb.TransactWriteItems"] == 4
