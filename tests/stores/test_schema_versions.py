"""Items of older and newer programs: read, written back whole, or refused; the rule is docs/operations.md.

`schema_1.json` holds what programs of schema 1 stored. It is never changed: a program that cannot read it any
more needs a file `schema_2.json` beside it, and code that still reads both.
"""

import base64
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.codec import to_plain, to_stored
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine, LadderPointer, engine_subject
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.messages import Event, SignalBatch, Tick
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.paper import PaperAccount, PaperOrder
from chalicelib.domain.position import Position
from chalicelib.domain.records import AuditEntry, Session
from chalicelib.domain.signal import Signal
from chalicelib.domain.stored import Stored
from chalicelib.errors import AlreadyExists, NewerSchema, Rejected, Retryable, StaleWrite
from chalicelib.messaging.codec import decode_event, decode_signals, decode_tick, encode
from chalicelib.stores import columns, documents
from chalicelib.stores.documents import from_document, to_document
from chalicelib.stores.records import position_of_image
from tests.stores.examples import CONNECTION, ENGINE, TENANT, entry, order, position, signal
from tests.stores.test_objects_contract import candles, same_candles
from tests.stores.worlds import SETTINGS, Stores

PLACE = (TENANT, CONNECTION)
SCHEMA_1: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "schema_1.json").read_text(encoding="utf-8")
)
KINDS: dict[str, tuple[type[Any], str, int]] = {
    "connection": (Connection, "connections", 0),
    "order": (Order, "orders", 0),
    "position": (Position, "positions", 0),
    "session": (Session, "sessions", 0),
    "signal": (Signal, "signals", 0),
    "audit entry": (AuditEntry, "audit", 0),
    "paper account": (PaperAccount, "paper", 0),
    "paper order": (PaperOrder, "paper", 1),
}

Image = dict[str, dict[str, Any]]


def item_of(table: str, number: int = 0) -> Image:
    """Return an item of schema 1 as boto3 would."""
    return {
        name: {kind: base64.b64decode(value) if kind == "B" else value}
        for name, typed in SCHEMA_1[table][number].items()
        for kind, value in typed.items()
    }


def put(stores: Stores, table: str, item: Image) -> None:
    stores.clients["dynamodb"].put_item(TableName=SETTINGS.table(table), Item=item)


def stored(stores: Stores, table: str, like: Image) -> Image:
    key = {"pk": like["pk"], "sk": like["sk"]}
    found: Image = stores.clients["dynamodb"].get_item(TableName=SETTINGS.table(table), Key=key)["Item"]
    return found


def newer(item: Image, **fields: Any) -> Image:
    """Return the item as a program of schema 2 could have stored it: a field and an attribute more."""
    document = {**json.loads(item["document"]["S"]), "colour": {"rgb": [0, 0, 255]}, **fields}
    return {
        **item,
        "document": {"S": json.dumps(document)},
        "schema_version": {"N": "2"},
        "by_colour": {"S": "blue"},
    }


READ: dict[str, Callable[[Stores], Any]] = {
    "connection": lambda stores: stores.connections.get(*PLACE),
    "order": lambda stores: stores.records.order(*PLACE, "cts-1"),
    "position": lambda stores: stores.records.position(*PLACE, "p-1"),
    "session": lambda stores: stores.records.session(*PLACE, "s-1"),
    "signal": lambda stores: stores.records.list_signals(*PLACE, 1, None).items[0],
    "audit entry": lambda stores: stores.records.list_audit(TENANT, 1, None).items[0],
    "paper account": lambda stores: stores.ledger.load(*PLACE),
    "paper order": lambda stores: stores.ledger.order(*PLACE, "cts-1"),
}


def _paper(stores: Stores, change: Callable[[PaperAccount, PaperOrder], tuple[Any, Any]]) -> None:
    account, paper_order = stores.ledger.load(*PLACE), stores.ledger.order(*PLACE, "cts-1")
    assert account is not None
    assert paper_order is not None
    after, changed = change(account, paper_order)
    stores.ledger.commit(TENANT, after, [changed])


def _commit(kind: str, **change: Any) -> Callable[[Stores], object]:
    return lambda stores: stores.records.commit(TENANT, [replace(READ[kind](stores), **change)])


REWRITE: dict[str, tuple[Callable[[Stores], object], str, Any]] = {
    "order": (_commit("order", state=OrderState.FILLED), "state", "FILLED"),
    "position": (_commit("position", state="closed", closed_at=110.0), "state", "closed"),
    "session": (_commit("session", ended_at=110.0), "ended_at", 110.0),
    "paper account": (
        lambda stores: _paper(stores, lambda account, one: (replace(account, next_order=9), one)),
        "next_order",
        9,
    ),
    "paper order": (
        lambda stores: _paper(
            stores, lambda account, one: (account, replace(one, state=OrderState.CANCELED))
        ),
        "state",
        "CANCELED",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_of_the_first_schema_is_read_to_the_last_field(aws: Stores, kind: str) -> None:
    _, table, number = KINDS[kind]
    item = item_of(table, number)
    put(aws, table, item)
    value = READ[kind](aws)
    document = json.loads(item["document"]["S"])
    assert {name: to_stored(value)[name] for name in document} == document
    assert value.revision == int(item["revision"]["N"])


def test_an_engine_of_the_first_schema_is_read_to_the_last_field(aws: Stores) -> None:
    item = item_of("engines")
    put(aws, "engines", item)
    engine = aws.engines.get(ENGINE)
    assert engine is not None
    plain = to_stored(engine)
    texts = {name[2:]: json.loads(v["S"]) for name, v in item.items() if name[:2] == "f_" and "S" in v}
    assert {name: plain[name] for name in texts} == texts
    assert engine.settings["connection_id"] == CONNECTION
    assert engine.lease("strategy").fence == int(item["lease_strategy_fence"]["N"])
    assert engine.beats["strategy"].ok_at == 102.0
    assert engine.last_indicated == 0, "a field that came later has its default"


def test_a_ladder_pointer_is_read_and_written_beside_programs_that_know_less_or_more_of_it(
    aws: Stores,
) -> None:
    item = item_of("engines")
    put(aws, "engines", item)
    engine = aws.engines.acquire(ENGINE, "strategy", "me", 200.0, 55.0, 190)
    assert isinstance(engine, Engine)
    assert (engine.ladder, engine.archived) == (LadderPointer(3, 7, 100, 102.0, begin=0, told=0), 0)
    fence = engine.lease("strategy").fence
    aws.engines.save(engine, "strategy", fence, 190, ("ladder",))
    assert stored(aws, "engines", item)["f_ladder"] == item["f_ladder"], "without what is as by default"
    text = json.dumps({**json.loads(item["f_ladder"]["S"]), "begin": 60, "colour": {"rgb": [0, 0, 255]}})
    put(aws, "engines", {**item, "f_ladder": {"S": text}})
    newer_engine = aws.engines.get(ENGINE)
    assert newer_engine is not None
    assert newer_engine.ladder == LadderPointer(3, 7, 100, 102.0, begin=60)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_that_came_later_have_their_defaults(kind: str) -> None:
    cls, table, number = KINDS[kind]
    document = json.loads(item_of(table, number)["document"]["S"])
    optional = {
        one.name for one in fields(cls) if one.default is not MISSING or one.default_factory is not MISSING
    }
    bare = {name: value for name, value in document.items() if name not in optional}
    assert len(bare) < len(document)
    value = from_document(cls, json.dumps(bare), 1)
    assert value == replace(cls(**_fields(value, bare)), revision=1)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_of_a_newer_schema_is_read_as_if_it_were_ours(aws: Stores, kind: str) -> None:
    cls, table, number = KINDS[kind]
    item = item_of(table, number)
    put(aws, table, newer(item))
    value = READ[kind](aws)
    assert value == from_document(cls, item["document"]["S"], 1)
    assert "colour" not in json.dumps(to_plain(value)), "nothing unknown is shown to anybody"


@pytest.mark.parametrize("kind", REWRITE)
def test_what_a_newer_program_stored_survives_our_write(aws: Stores, kind: str) -> None:
    for table, number in (("paper", 0), ("paper", 1), KINDS[kind][1:]):
        put(aws, table, newer(item_of(table, number)))
    _, table, number = KINDS[kind]
    rewrite, field, value = REWRITE[kind]
    rewrite(aws)
    rewrite(aws)
    item = stored(aws, table, item_of(table, number))
    document = json.loads(item["document"]["S"])
    assert (document[field], document["colour"]) == (value, {"rgb": [0, 0, 255]})
    assert item["by_colour"] == {"S": "blue"}
    assert item["revision"] == {"N": "3"}
    assert item["schema_version"] == {"N": "1"}, "the program that wrote it last"


def test_an_order_that_ended_leaves_the_open_index_also_when_it_is_updated_in_place(aws: Stores) -> None:
    put(aws, "orders", newer(item_of("orders")))
    assert len(aws.records.open_orders(*PLACE)) == 1
    _commit("order", state=OrderState.FILLED)(aws)
    assert aws.records.open_orders(*PLACE) == ()
    assert "open_since" not in stored(aws, "orders", item_of("orders"))


@pytest.mark.parametrize("kind", REWRITE)
def test_every_kind_that_is_rewritten_has_room_for_newer_fields(kind: str) -> None:
    assert issubclass(KINDS[kind][0], Stored)


def test_what_is_unknown_is_kept_in_an_engine(aws: Stores) -> None:
    put(aws, "engines", {**item_of("engines"), "f_mood": {"S": '"bright"'}, "lease_new_fence": {"N": "4"}})
    engine = aws.engines.acquire(ENGINE, "realtime", "me", 200.0, 55.0, 190)
    assert isinstance(engine, Engine)
    aws.engines.save(replace(engine, last_candle=400), "realtime", 1, 190, ("last_candle",))
    aws.engines.transition(engine, Status.STOPPING, 210.0, entry())
    item = stored(aws, "engines", item_of("engines"))
    assert (item["f_mood"], item["lease_new_fence"]) == ({"S": '"bright"'}, {"N": "4"})
    assert (item["f_last_candle"], item["f_status"]) == ({"S": "400"}, {"S": '"stopping"'})


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_that_we_would_misread_is_refused_and_delivered_again(aws: Stores, kind: str) -> None:
    _, table, number = KINDS[kind]
    put(aws, table, newer(item_of(table, number), min_reader=2))
    with pytest.raises(NewerSchema, match="from schema 2 on, this program knows 1"):
        READ[kind](aws)
    assert issubclass(NewerSchema, Retryable), "the queue keeps the message for the newer program"


def test_an_engine_that_we_would_misread_is_refused_without_taking_its_lease(aws: Stores) -> None:
    item = {**item_of("engines"), "min_reader": {"N": "2"}}
    put(aws, "engines", item)
    reads: tuple[Callable[[], object], ...] = (
        lambda: aws.engines.get(ENGINE),
        lambda: aws.engines.all(),
        lambda: aws.engines.acquire(ENGINE, "strategy", "me", 200.0, 55.0, 190),
    )
    for read in reads:
        with pytest.raises(NewerSchema, match="acme/engine#desk-1"):
            read()
    assert stored(aws, "engines", item) == item


def test_a_stream_image_that_we_would_misread_is_refused() -> None:
    item = newer(item_of("positions"))
    assert position_of_image(item)[1].position_id == "p-1"
    with pytest.raises(NewerSchema):
        position_of_image(newer(item_of("positions"), min_reader=2))


@pytest.mark.parametrize(("ours", "theirs", "kept"), [(1, 2, 2), (2, 1, 2), (2, 3, 3), (3, 2, 3)])
def test_the_word_on_who_may_read_is_raised_and_never_lowered(
    monkeypatch: pytest.MonkeyPatch, ours: int, theirs: int, kept: int
) -> None:
    monkeypatch.setattr(documents, "SCHEMA", 3)
    monkeypatch.setattr(documents, "MIN_READER", ours)
    item = newer(item_of("orders"), min_reader=theirs)
    value = from_document(Order, item["document"]["S"], 1)
    assert json.loads(to_document(value))["min_reader"] == kept


@dataclass(frozen=True, slots=True)
class NextOrder(Order):
    """An order as the next program knows it: the example of docs/operations.md."""

    desk: str = ""


def test_a_new_field_needs_one_deployment_with_old_programs_beside_it() -> None:
    """The new program writes, the old one changes something else, the new one reads what it wrote."""
    first = to_document(NextOrder(**_fields(order(), to_plain(order())), desk="london"))
    seen_by_old = from_document(Order, first, 1)
    rewritten = to_document(replace(seen_by_old, state=OrderState.FILLED))
    seen_by_new = from_document(NextOrder, rewritten, 2)
    assert (seen_by_new.desk, seen_by_new.state) == ("london", OrderState.FILLED)
    assert from_document(NextOrder, to_document(order()), 1).desk == ""


def _fields(value: Any, names: Iterable[str]) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in names}


def test_a_new_word_of_a_closed_list_needs_two_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    """First a program that reads it (SCHEMA 2), then one that writes it (MIN_READER 2)."""
    monkeypatch.setattr(documents, "SCHEMA", 2)
    monkeypatch.setattr(documents, "MIN_READER", 2)
    written = to_document(order()).replace('"INTENT"', '"TRIGGERED"')
    with pytest.raises(Rejected, match="state must be one of"):
        from_document(Order, written, 1)
    monkeypatch.setattr(documents, "SCHEMA", 1)
    with pytest.raises(NewerSchema):
        from_document(Order, written, 1)


def test_what_is_new_and_what_is_changed_go_in_one_transaction_and_fail_by_name(aws: Stores) -> None:
    put(aws, "positions", newer(item_of("positions")))
    present = READ["position"](aws)
    aws.records.commit(TENANT, [replace(present, quantity=present.quantity * 2), order("new-1")])
    with pytest.raises(StaleWrite, match="Position p-1"):
        aws.records.commit(TENANT, [present, order("new-2")])
    again = READ["position"](aws)
    with pytest.raises(AlreadyExists, match="Order new-1"):
        aws.records.commit(TENANT, [again, order("new-1")])
    assert aws.records.order(*PLACE, "new-2") is None
    assert READ["position"](aws) == again
    assert json.loads(stored(aws, "positions", item_of("positions"))["document"]["S"])["colour"]


def test_an_object_of_a_newer_schema_is_read_unless_it_says_no(
    aws: Stores, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = aws.containers
    value, pack = candles(), columns.pack

    def with_a_column_more(meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
        return pack({**meta, "venue": "x"}, {**arrays, "trades": arrays["volume"]})

    monkeypatch.setattr("chalicelib.stores.object_codec.pack", with_a_column_more)
    one.save_candles("binance", value)
    assert same_candles(two.load_candles("binance", value.timeframe), value)

    monkeypatch.setattr(columns, "MIN_READER", 2)
    assert one.load_candles("binance", value.timeframe) is not None
    key = f"candles/binance/{value.timeframe}"
    arrays = {"open_time": value.open_time}
    aws.clients["s3"].put_object(Bucket=SETTINGS.bucket, Key=key, Body=pack({"symbols": []}, arrays))
    with caplog.at_level(logging.WARNING):
        assert two.load_candles("binance", value.timeframe) is None
    assert "readable from schema 2 on, this program knows 1" in caplog.text


MESSAGES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "tick": (Tick("market", engine_subject(*PLACE), 60, ("BTC/USDT",)), decode_tick),
    "signals": (SignalBatch(TENANT, CONNECTION, "c", (signal(),)), decode_signals),
    "event": (
        Event("e", "positionUpdate", TENANT, CONNECTION, 1.0, "c", to_plain(position())),
        lambda body: decode_event(body.encode()),
    ),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_messages_of_newer_programs_are_read_without_their_new_fields(kind: str) -> None:
    message, decode = MESSAGES[kind]
    plain = {**json.loads(encode(message)), "colour": "blue"}
    assert decode(json.dumps(plain)) == message


def test_messages_of_older_programs_are_read_with_defaults() -> None:
    tick = json.loads(encode(MESSAGES["tick"][0]))
    del tick["symbols"]
    assert decode_tick(json.dumps(tick)).symbols == ()
    batch = json.loads(encode(MESSAGES["signals"][0]))
    for name in ("reasons", "status", "outcome", "client_order_id", "revision"):
        del batch["signals"][0][name]
    assert decode_signals(json.dumps(batch)).signals == (signal(),)


def test_a_message_that_only_a_newer_program_knows_is_refused_not_misread() -> None:
    tick = {**json.loads(encode(MESSAGES["tick"][0])), "kind": "funding"}
    with pytest.raises(Rejected, match="must be one of"):
        decode_tick(json.dumps(tick))
