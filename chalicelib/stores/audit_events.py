"""Events straight into the audit table: the durable copy of a stage that leaves Kinesis out."""

from collections.abc import Sequence

from chalicelib.domain.messages import Event
from chalicelib.domain.records import event_entries
from chalicelib.stores.records import DynamoRecordStore


class AuditEventStream:
    """What `flows.world.EventStream` asks for: 1 call per hundred events of one tenant."""

    def __init__(self, records: DynamoRecordStore) -> None:
        self._records = records

    def put(self, events: Sequence[Event]) -> None:
        """Store events as audit entries; one that is there already is left as it is."""
        for tenant, batch in event_entries(events).items():
            self._records.put_new(tenant, batch)
