"""A stage without Kinesis keeps the same events, in the audit table."""

from dataclasses import replace

from chalicelib import wiring
from chalicelib.domain.messages import Event
from chalicelib.domain.records import event_entry
from chalicelib.stores.audit_events import AuditEventStream
from chalicelib.stores.records import DynamoRecordStore
from tests.stores.worlds import SETTINGS, Stores

EVENTS = tuple(
    Event(f"e{n}", "positionUpdate", f"tenant-{n % 2}", "paper-1", 100.0 + n, f"k{n}", {"symbol": "BTC/USDT"})
    for n in range(250)
)


def test_events_become_audit_entries_of_their_tenants_once(aws: Stores) -> None:
    stream = AuditEventStream(DynamoRecordStore())
    stream.put(EVENTS)
    assert aws.calls.total() == 4, "125 entries per tenant go by a hundred"
    stream.put(EVENTS[:3])
    for tenant in ("tenant-0", "tenant-1"):
        wanted = [event_entry(event) for event in EVENTS if event.tenant == tenant]
        listed = aws.records.list_audit(tenant, 500, None).items
        assert [replace(entry, revision=0) for entry in reversed(listed)] == wanted


def test_a_stage_chooses_where_its_events_go(aws: Stores) -> None:
    audit = wiring.build(replace(SETTINGS, events="audit"), wiring.Overrides(metrics=object()))  # type: ignore
    kinesis = wiring.build(SETTINGS, wiring.Overrides(metrics=object()))  # type: ignore
    assert type(audit.events).__name__ == "AuditEventStream"
    assert type(kinesis.events).__name__ == "KinesisEventStream"
