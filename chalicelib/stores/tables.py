"""The DynamoDB tables as PynamoDB models: keys and what conditions need as attributes, the rest as JSON.

Every partition key begins with the tenant; every item carries schema version, revision and correlation id.
"""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.indexes import AllProjection, LocalSecondaryIndex
from pynamodb.models import Model

from chalicelib.settings import SCHEMA, Settings


class OpenIndex(LocalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """Sparse and strongly consistent: only items of open orders and positions have `open_since`."""

    class Meta:
        index_name = "open"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    open_since = UnicodeAttribute(range_key=True)


class TimeIndex(LocalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """By creation, for listings of records whose ids do not sort by time."""

    class Meta:
        index_name = "by_time"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    created = UnicodeAttribute(range_key=True)


class KeyedItem(Model):
    """What every table has: partition and sort key."""

    Meta: Any

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    sort = UnicodeAttribute(range_key=True, attr_name="sk")
    revision = NumberAttribute()
    schema_version = NumberAttribute(default=SCHEMA)
    correlation_id = UnicodeAttribute(default="")


class EngineItem(KeyedItem):
    """Coordinators, engines, feeds. One attribute per field, because ticks write different ones at once.

    Leases are `lease_KIND_owner|until|fence|slot`, beats `beat_KIND`: made by expressions, not declared here.
    """

    class Meta:
        table_name = "engines"


class Item(KeyedItem):
    """An item whose value is one JSON document."""

    document = UnicodeAttribute()


class ConnectionItem(Item):
    class Meta:
        table_name = "connections"


class TimedItem(Item):
    """A record that is listed by time; `open_since` only while it is open."""

    created = UnicodeAttribute()
    open_since = UnicodeAttribute(null=True)
    by_time = TimeIndex()


class OrderItem(TimedItem):
    class Meta:
        table_name = "orders"

    open = OpenIndex()


class PositionItem(TimedItem):
    class Meta:
        table_name = "positions"
        stream_view_type = "NEW_AND_OLD_IMAGES"

    open = OpenIndex()


class SessionItem(TimedItem):
    class Meta:
        table_name = "sessions"


class ExpiringItem(Item):
    """A record that DynamoDB removes by itself, some days after the epoch second `expires`."""

    expires = NumberAttribute()


class SignalItem(ExpiringItem):
    class Meta:
        table_name = "signals"


class AuditItem(ExpiringItem):
    class Meta:
        table_name = "audit"


class PaperItem(Item):
    class Meta:
        table_name = "paper"


class LimitItem(ExpiringItem):
    class Meta:
        table_name = "limits"


MODELS: dict[str, type[KeyedItem]] = {
    "engines": EngineItem,
    "connections": ConnectionItem,
    "positions": PositionItem,
    "orders": OrderItem,
    "signals": SignalItem,
    "sessions": SessionItem,
    "audit": AuditItem,
    "paper": PaperItem,
    "limits": LimitItem,
}


def bind_tables(settings: Settings, client: Any) -> None:
    """Point all models at the stage's tables through one botocore client of DynamoDB."""
    for name, model in MODELS.items():
        model.Meta.table_name = settings.table(name)
        model.Meta.region = settings.region
        model.Meta.host = settings.endpoint_url or None
        model.Meta.billing_mode = "PAY_PER_REQUEST"
        model._connection = None
        # One client for all models: PynamoDB would build one for each, at 50 ms of cold start.
        connection_of(model)._client = client


def table_definition(settings: Settings, name: str) -> dict[str, Any]:
    """Return what CreateTable takes for one of MODELS: keys, indexes, stream, paid per request."""
    model = MODELS[name]
    schema = model._get_schema()
    definition: dict[str, Any] = {
        "TableName": settings.table(name),
        "KeySchema": _hash_first(schema["key_schema"]),
        "AttributeDefinitions": schema["attribute_definitions"],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if indexes := schema["local_secondary_indexes"]:
        definition["LocalSecondaryIndexes"] = [
            {
                "IndexName": index["index_name"],
                "KeySchema": _hash_first(index["key_schema"]),
                "Projection": index["projection"],
            }
            for index in indexes
        ]
    if view := getattr(model.Meta, "stream_view_type", None):
        definition["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    return definition


def _hash_first(key_schema: Any) -> list[dict[str, str]]:
    return sorted(key_schema, key=lambda key: str(key["KeyType"]))


def connection_of(model: type[KeyedItem]) -> Connection:
    """Return the connection of a bound model; transactions over several tables may use any."""
    return model._get_connection().connection
