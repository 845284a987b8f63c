"""Leases, fences, beats and transitions behave the same on the twin and on DynamoDB."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.codec import to_stored
from chalicelib.domain.connection import Connection, complete_intervals
from chalicelib.domain.engine import Account, Beat, Engine, Subject, coordinator_subject, feed_subject
from chalicelib.domain.lease import Lease, Skip
from chalicelib.domain.lifecycle import Status
from chalicelib.errors import AlreadyExists, StaleWrite
from tests.stores.examples import CONNECTION, ENGINE, TENANT, entry
from tests.stores.worlds import SETTINGS, Stores

TTL = 55.0


def acquired(
    stores: Stores, now: float = 100.0, slot: int | None = None, subject: Subject = ENGINE
) -> Engine:
    found = stores.engines.acquire(subject, "indication", "me", now, TTL, slot)
    assert isinstance(found, Engine)
    return found


def test_an_item_is_created_once(stores: Stores) -> None:
    first = stores.engines.create(Engine(ENGINE, correlation_id="c"))
    assert first == Engine(ENGINE, correlation_id="c", revision=1) == stores.engines.get(ENGINE)
    with pytest.raises(AlreadyExists):
        stores.engines.create(Engine(ENGINE))
    assert stores.engines.get(ENGINE) == first


def test_all_reads_every_tenant_in_order(stores: Stores) -> None:
    subjects = [ENGINE, Subject("zoo", "engine#a"), coordinator_subject(TENANT)]
    for subject in subjects:
        stores.engines.create(Engine(subject))
    assert [engine.subject for engine in stores.engines.all()] == [
        coordinator_subject(TENANT),
        ENGINE,
        Subject("zoo", "engine#a"),
    ]


def test_delete_removes_and_forgives(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    stores.engines.delete(ENGINE)
    stores.engines.delete(ENGINE)
    assert stores.engines.get(ENGINE) is None


def test_a_lease_is_held_until_it_ends_and_each_holder_has_a_higher_fence(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    assert acquired(stores).lease("indication") == Lease("me", 155.0, 1, 0)
    assert stores.engines.acquire(ENGINE, "indication", "you", 154.999, TTL, None) is Skip.LEASE_HELD
    assert acquired(stores, 155.0).lease("indication").fence == 2
    other = stores.engines.acquire(ENGINE, "strategy", "you", 155.0, TTL, 150)
    assert isinstance(other, Engine)
    assert other.lease("strategy").fence == 1
    assert other.lease("indication").fence == 2


def test_a_slot_is_done_once_it_is_saved_and_not_before(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    engine = acquired(stores, 100.0, 90)
    assert stores.engines.acquire(ENGINE, "indication", "you", 101.0, TTL, 90) is Skip.LEASE_HELD
    assert acquired(stores, 200.0, 90).lease("indication").fence == 2
    with pytest.raises(StaleWrite):
        stores.engines.save(engine, "indication", 1, 90, ())
    stores.engines.save(engine, "indication", 2, 90, ())
    assert stores.engines.acquire(ENGINE, "indication", "you", 201.0, TTL, 90) is Skip.SLOT_DONE
    assert stores.engines.acquire(ENGINE, "indication", "you", 201.0, TTL, 89) is Skip.SLOT_DONE
    assert acquired(stores, 201.0, 91).lease("indication") == Lease("me", 256.0, 3, 90)


def test_a_slot_that_is_done_counts_before_a_lease_that_is_held(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    stores.engines.save(acquired(stores, 100.0, 90), "indication", 1, 90, ())
    acquired(stores, 101.0, 91)
    assert stores.engines.acquire(ENGINE, "indication", "you", 102.0, TTL, 90) is Skip.SLOT_DONE


def test_release_without_slot_keeps_the_last_slot(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    stores.engines.save(acquired(stores, 100.0, 90), "indication", 1, 90, ())
    stores.engines.save(acquired(stores, 101.0, 91), "indication", 2, None, ())
    assert acquired(stores, 102.0, 91).lease("indication").slot == 90


def test_a_missing_engine_is_not_running_and_not_created(stores: Stores) -> None:
    assert stores.engines.acquire(ENGINE, "indication", "me", 1.0, TTL, None) is Skip.NOT_RUNNING
    coordinator = coordinator_subject(TENANT)
    assert stores.engines.acquire(coordinator, "health", "me", 1.0, TTL, 1) is Skip.NOT_RUNNING
    assert stores.engines.all() == ()


def test_a_feed_comes_into_being_with_its_first_lease(stores: Stores) -> None:
    feed = feed_subject("binance", "5m")
    found = stores.engines.acquire(feed, "market", "me", 10.0, TTL, 5)
    assert isinstance(found, Engine)
    assert found.status is Status.STOPPED
    assert found.lease("market").fence == 1
    assert stores.engines.acquire(feed, "market", "you", 11.0, TTL, 5) is Skip.LEASE_HELD
    assert stores.engines.get(feed) == found


def test_of_two_acquirers_one_works(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda n: stores.engines.acquire(ENGINE, "indication", f"owner-{n}", 100.0, TTL, 90), range(8)
            )
        )
    assert [type(one) for one in found].count(Engine) == 1
    assert found.count(Skip.LEASE_HELD) == 7
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert stored.lease("indication").fence == 1


def test_save_touches_only_what_it_names(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE, marks={"p": Decimal("1.10")}))
    engine = acquired(stores)
    other = stores.engines.acquire(ENGINE, "strategy", "you", 100.0, TTL, None)
    assert isinstance(other, Engine)
    account = Account(equity=Decimal("10.50"), at=100.0)
    ours = replace(engine, account=account, marks={}, last_candle=7, beats={"indication": Beat(1.0)})
    stores.engines.save(ours, "indication", 1, 90, ("account", "beats.indication"))
    theirs = replace(other, last_candle=8, beats={"strategy": Beat(2.0, 1, "x"), "indication": Beat(9.0)})
    stores.engines.save(theirs, "strategy", 1, None, ("last_candle", "beats.strategy"))
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert stored.account == account
    assert stored.marks == {"p": Decimal("1.10")}
    assert stored.last_candle == 8
    assert stored.beats == {"indication": Beat(1.0), "strategy": Beat(2.0, 1, "x")}
    assert stored.leases == {"indication": Lease("", 0.0, 1, 90), "strategy": Lease("", 0.0, 1, 0)}


def test_a_holder_that_was_overtaken_writes_nothing(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    late = acquired(stores, 100.0)
    acquired(stores, 200.0)
    with pytest.raises(StaleWrite):
        stores.engines.save(replace(late, last_candle=7), "indication", 1, 90, ("last_candle",))
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert stored.last_candle == 0
    assert stored.lease("indication") == Lease("me", 255.0, 2, 0)


def test_saving_into_a_deleted_item_is_stale_and_creates_nothing(stores: Stores) -> None:
    stores.engines.create(Engine(ENGINE))
    engine = acquired(stores)
    stores.engines.delete(ENGINE)
    with pytest.raises(StaleWrite):
        stores.engines.save(engine, "indication", 1, 90, ())
    assert stores.engines.get(ENGINE) is None


@pytest.mark.parametrize("name", ["status", "leases", "revision", "nonsense", "beats"])
def test_a_tick_can_not_save_what_is_not_its_own(stores: Stores, name: str) -> None:
    stores.engines.create(Engine(ENGINE))
    with pytest.raises(ValueError, match=name):
        stores.engines.save(acquired(stores), "indication", 1, None, (name,))


def test_a_transition_moves_status_and_audit_log_together(stores: Stores) -> None:
    engine = replace(
        stores.engines.create(Engine(ENGINE)), session_id="s", settings={"a": [1, "x"]}, correlation_id="why"
    )
    acquired(stores)
    moved = stores.engines.transition(engine, Status.STARTING, 120.0, entry("one"))
    assert (moved.status, moved.changed_at, moved.session_id) == (Status.STARTING, 120.0, "s")
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert (stored.status, stored.changed_at, stored.session_id) == (Status.STARTING, 120.0, "s")
    assert (stored.settings, stored.correlation_id) == ({"a": [1, "x"]}, "why")
    assert stored.lease("indication").fence == 1
    assert stores.records.list_audit(TENANT, 10, None).items == (entry("one", revision=1),)


def test_a_transition_from_a_status_that_has_moved_is_stale_and_leaves_no_trace(stores: Stores) -> None:
    engine = stores.engines.create(Engine(ENGINE))
    stores.engines.transition(engine, Status.STARTING, 120.0, entry("one"))
    with pytest.raises(StaleWrite):
        stores.engines.transition(engine, Status.STARTING, 121.0, entry("two", 121.0))
    assert stores.records.list_audit(TENANT, 10, None).items == (entry("one", revision=1),)
    gone = Engine(Subject(TENANT, "engine#gone"))
    with pytest.raises(StaleWrite):
        stores.engines.transition(gone, Status.STARTING, 121.0, entry("three"))
    assert stores.engines.get(gone.subject) is None


def test_a_transition_whose_audit_entry_is_there_changes_nothing(stores: Stores) -> None:
    engine = stores.engines.create(Engine(ENGINE))
    stores.records.put_new(TENANT, [entry("one")])
    with pytest.raises(AlreadyExists):
        stores.engines.transition(engine, Status.STARTING, 120.0, entry("one"))
    stored = stores.engines.get(ENGINE)
    assert stored is not None
    assert stored.status is Status.STOPPED


def test_a_field_of_a_newer_schema_is_ignored_and_kept(aws: Stores) -> None:
    aws.engines.create(Engine(ENGINE))
    key = {"pk": {"S": TENANT}, "sk": {"S": f"engine#{CONNECTION}"}}
    table = SETTINGS.table("engines")
    aws.clients["dynamodb"].update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET f_mood = :m, schema_version = :v",
        ExpressionAttributeValues={":m": {"S": '"bright"'}, ":v": {"N": "2"}},
    )
    stores_engine = acquired(aws)
    aws.engines.save(replace(stores_engine, last_candle=3), "indication", 1, 90, ("last_candle",))
    item = aws.clients["dynamodb"].get_item(TableName=table, Key=key)["Item"]
    assert item["f_mood"] == {"S": '"bright"'}
    assert item["f_last_candle"] == {"S": "3"}


def test_each_method_is_one_call(aws: Stores) -> None:
    engine = aws.engines.create(Engine(ENGINE))
    aws.engines.acquire(ENGINE, "indication", "me", 100.0, TTL, 90)
    aws.engines.acquire(ENGINE, "indication", "me", 100.0, TTL, 90)
    aws.engines.save(engine, "indication", 1, 90, ("account",))
    aws.engines.transition(engine, Status.STARTING, 1.0, entry())
    aws.engines.all()
    aws.engines.get(ENGINE)
    aws.engines.delete(ENGINE)
    assert aws.calls == {
        "dynamodb.PutItem": 1,
        "dynamodb.UpdateItem": 3,
        "dynamodb.TransactWriteItems": 1,
        "dynamodb.Scan": 1,
        "dynamodb.GetItem": 1,
        "dynamodb.DeleteItem": 1,
    }


def test_an_item_of_a_hundred_symbols_stays_below_two_kilobytes(aws: Stores) -> None:
    """Both updates of a tick pay for the whole item, in steps of a kilobyte."""
    symbols = tuple(f"{chr(65 + n // 26)}{chr(65 + n % 26)}{n:03d}/USDT" for n in range(100))
    settings = to_stored(Connection(CONNECTION, "binance", symbols, intervals=complete_intervals({})))
    beats = {kind: Beat(1_700_000_000.0) for kind in ("indication", "strategy", "realtime")}
    aws.engines.create(Engine(ENGINE, Status.RUNNING, settings=settings, beats=beats))
    for kind in beats:
        aws.engines.acquire(ENGINE, kind, "0" * 32, 1_700_000_000.5, TTL, 1_700_000_000)
    stored = aws.engines.get(ENGINE)
    assert stored is not None
    assert stored.settings == settings
    key = {"pk": {"S": TENANT}, "sk": {"S": f"engine#{CONNECTION}"}}
    item = aws.clients["dynamodb"].get_item(TableName=SETTINGS.table("engines"), Key=key)["Item"]
    assert sum(len(name) + len(next(iter(value.values()))) for name, value in item.items()) < 1536
