"""Dead letters as tenants and operators see them: listed, sent again, dropped; nobody touches another's."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.engine import Subject, engine_subject, feed_subject
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.order import OrderState
from chalicelib.domain.records import AuditEntry
from chalicelib.errors import Conflict, NotFound
from chalicelib.flows import dead_letters
from chalicelib.flows.world import World
from chalicelib.messaging.codec import encode
from chalicelib.messaging.memory import MemoryDeadLetters
from chalicelib.settings import DEFAULT_TENANT
from tests.flows.desk import CONNECTION_ID, T0, TENANT, Desk
from tests.flows.test_external import ABLE, SYMBOL, HandVenue, VenueUnknown, swap_desk

Decide = Callable[[World, str | None, str, str, str], None]

BATCH = SignalBatch(TENANT, CONNECTION_ID, "cause", ())
OTHER = Tick("realtime", engine_subject("other", "main"), T0)
PUBLIC = Tick("market", feed_subject("binance", "1m"), T0)


class Office:
    """A world whose dead letters outlive it, with one of each kind."""

    def __init__(self, desk: Desk | None = None) -> None:
        self.desk = desk or Desk()
        self.twin = MemoryDeadLetters()
        self.world = replace(self.desk.world(), dead_letters=self.twin)
        self.own = self.twin.put("execute-signals", "own", encode(BATCH), T0 - 30.0)
        self.other = self.twin.put("realtime-tick", "other", encode(OTHER), T0 - 20.0)
        self.public = self.twin.put("market-tick", "public", encode(PUBLIC), T0 - 10.0)
        self.rubbish = self.twin.put("decision-tick", "rubbish", "no json", T0 - 40.0)

    def ids(self, tenant: str | None) -> list[str]:
        return [letter.letter_id for letter in dead_letters.letters(self.world, tenant)]

    def audit(self, tenant: str = TENANT) -> list[AuditEntry]:
        entries = self.world.records.list_audit(tenant, 50, None).items
        return [entry for entry in entries if entry.action.startswith("dead_letter")]


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_tenant_sees_its_own_and_the_operator_all(office: Office) -> None:
    assert office.ids(TENANT) == ["execute-signals.own"]
    assert office.ids("other") == ["realtime-tick.other"]
    assert office.ids("nobody") == []
    assert office.ids(None) == [
        "decision-tick.rubbish",
        "execute-signals.own",
        "realtime-tick.other",
        "market-tick.public",
    ]


def test_a_shown_letter_has_its_age_and_no_body(office: Office) -> None:
    shown = dead_letters.shown(office.own, T0 + 0.5)
    assert (shown["age"], shown["received"], shown["correlation_id"]) == (30.5, 5, "cause")
    assert "body" not in shown
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize("decide", [dead_letters.retry, dead_letters.drop], ids=["retry", "drop"])
@pytest.mark.parametrize(
    "wanted", ["realtime-tick.other", "market-tick.public", "decision-tick.rubbish", "execute-signals.x", "x"]
)
def test_nobody_decides_on_what_is_not_theirs(office: Office, decide: Decide, wanted: str) -> None:
    before = office.ids(None)
    with pytest.raises(NotFound, match=f"no dead letter '{wanted}'"):
        decide(office.world, TENANT, wanted, "ann", "k")
    assert office.ids(None) == before
    assert office.twin.sent == []
    assert office.audit() == office.audit("other") == []


def test_a_letter_is_sent_again_and_the_audit_log_knows(office: Office) -> None:
    dead_letters.retry(office.world, TENANT, "execute-signals.own", "ann", "k")
    assert office.twin.sent == [("execute-signals", encode(BATCH))]
    assert office.ids(TENANT) == []
    (entry,) = office.audit()
    assert (entry.action, entry.actor, entry.correlation_id) == ("dead_letter_retry", "ann", "k")
    assert entry.subject == CONNECTION_ID
    assert entry.details["caused_by"] == "cause"
    with pytest.raises(NotFound):
        dead_letters.retry(office.world, TENANT, "execute-signals.own", "ann", "k")


def test_a_dropped_letter_stays_in_the_audit_log_with_its_body(office: Office) -> None:
    dead_letters.drop(office.world, TENANT, "execute-signals.own", "ann", "k")
    assert office.twin.sent == []
    assert office.ids(TENANT) == []
    (entry,) = office.audit()
    assert (entry.action, entry.details["body"]) == ("dead_letter_drop", encode(BATCH))


@pytest.mark.parametrize(("characters", "kept"), [(100_000, 100_000), (400_000, 50_000)])
def test_a_body_that_no_item_can_hold_is_kept_in_part(office: Office, characters: int, kept: int) -> None:
    office.twin.put("decision-tick", "long", "x" * characters, float(T0))
    dead_letters.drop(office.world, None, "decision-tick.long", "cts dlq", "k")
    (entry,) = office.audit(DEFAULT_TENANT)
    assert len(entry.details["body"]) == kept


def test_the_operator_decides_on_what_nobody_can_read(office: Office) -> None:
    dead_letters.drop(office.world, None, "decision-tick.rubbish", "cts dlq", "k")
    assert "decision-tick.rubbish" not in office.ids(None)
    (entry,) = office.audit(DEFAULT_TENANT)
    assert (entry.subject, entry.details["body"]) == ("decision-tick", "no json")


def test_an_entry_is_stored_before_the_letter_goes(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise ConnectionError

    for name in ("remove", "send_again"):
        monkeypatch.setattr(office.twin, name, die)
    for decide in (dead_letters.drop, dead_letters.retry):
        with pytest.raises(ConnectionError):
            decide(office.world, TENANT, "execute-signals.own", "ann", f"k-{decide.__name__}")
        office.twin.release(office.own)
    assert sorted(entry.action for entry in office.audit()) == ["dead_letter_drop", "dead_letter_retry"]


def test_places_in_a_stream_can_only_be_dropped(office: Office) -> None:
    place = {"batchSize": 1, "streamArn": "arn", "startSequenceNumber": "1"}
    report = {"requestContext": {"requestId": "r", "condition": "c"}, "KinesisBatchInfo": place}
    office.twin.put("streams", "1", json.dumps(report), float(T0))
    with pytest.raises(Conflict, match="place of records in a stream"):
        dead_letters.retry(office.world, None, "streams.1", "cts dlq", "k")
    assert "streams.1" in office.ids(None)
    dead_letters.drop(office.world, None, "streams.1", "cts dlq", "k")
    assert "streams.1" not in office.ids(None)


@pytest.fixture
def dead_order() -> tuple[Office, HandVenue, str]:
    """An order whose fate the venue can't prove."""
    desk, venue = swap_desk()
    venue.able = replace(ABLE, resend_after_absence=False)
    venue.failing["create_order"] = VenueUnknown("timeout")
    desk.execute(desk.signal(SYMBOL))
    venue.failing.clear()
    for _ in range(3):
        desk.realtime()
    (order,) = desk.orders()
    return Office(desk), venue, f"order.{CONNECTION_ID}.{order.client_order_id}"


@pytest.mark.parametrize("tenant", [TENANT, None], ids=["tenant", "operator"])
def test_an_order_that_only_a_person_may_decide_on_comes_first(
    dead_order: tuple[Office, HandVenue, str], tenant: str | None
) -> None:
    office, _, wanted = dead_order
    letter = dead_letters.letters(office.world, tenant)[0]
    assert (letter.letter_id, letter.kind, letter.tenant) == (wanted, "order", TENANT)
    assert letter.reason.startswith("dead letter")
    assert f"buy {office.desk.orders()[0].quantity} {SYMBOL}, market" in letter.what
    assert letter.correlation_id
    assert wanted not in office.ids("other")


@pytest.mark.parametrize("tenant", [TENANT, None], ids=["tenant", "operator"])
@pytest.mark.parametrize(
    ("decide", "state"), [(dead_letters.retry, OrderState.FILLED), (dead_letters.drop, OrderState.REJECTED)]
)
def test_an_order_is_decided_on_like_a_message(
    dead_order: tuple[Office, HandVenue, str], tenant: str | None, decide: Decide, state: OrderState
) -> None:
    office, venue, wanted = dead_order
    with pytest.raises(NotFound):
        decide(office.world, "other", wanted, "eve", "k")
    decide(office.world, tenant, wanted, "ann", "k")
    assert office.desk.orders()[0].state == state
    assert venue.calls.count("create_order") == 1 + (state == OrderState.FILLED)
    with pytest.raises(NotFound):
        decide(office.world, tenant, wanted, "ann", "k")


@pytest.mark.parametrize("wanted", ["order.", "order.main", "order.main.cts-x", "order.nobody.cts-x.y"])
def test_an_order_that_is_not_there_is_not_found(office: Office, wanted: str) -> None:
    for tenant in (TENANT, None):
        with pytest.raises(NotFound, match="no dead letter"):
            dead_letters.retry(office.world, tenant, wanted, "ann", "k")


def test_the_subject_of_a_public_tick_is_no_connection(office: Office) -> None:
    assert office.public.connection_id == ""
    assert office.public.tenant == Subject(PUBLIC.subject.tenant, "").tenant
