"""The DynamoDB tables as PynamoDB models: keys and what conditions need as attributes, the rest as JSON.

Every partition key begins with the tenant; every item carries schema version, revision and correlation id.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.config import Config
from botocore.session import get_session
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, LocalSecondaryIndex
from pynamodb.models import Model

from chalicelib.settings import SCHEMA, Settings

M = TypeVar("M", bound="Item")

CONFIG = Config(
    parameter_validation=False,
    connect_timeout=5,
    read_timeout=15,
    max_pool_connections=20,
    retries={"total_max_attempts": 4, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class Item(Model):
    """Base of all tables."""

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    sort = UnicodeAttribute(range_key=True, attr_name="sk")
    document = UnicodeAttribute()
    schema_version = NumberAttribute(default=SCHEMA)
    revision = NumberAttribute(default=0)
    correlation_id = UnicodeAttribute(null=True)


class OpenOrders(LocalSecondaryIndex[Any]):
    """Sparse and strongly consistent: only orders that are not terminal have `open_since`."""

    class Meta:
        index_name = "open"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    open_since = UnicodeAttribute(range_key=True)


class OpenPositions(LocalSecondaryIndex[Any]):
    """Sparse and strongly consistent: only positions that are opening or open have `open_since`."""

    class Meta:
        index_name = "open"
        projection = AllProjection()

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    open_since = UnicodeAttribute(range_key=True)


class EngineItem(Model):
    """Coordinators, engines, feeds. One attribute per field, because ticks write different ones at once.

    Leases are `lease_KIND_owner|until|fence|slot`, beats `beat_KIND`: made by expressions, not declared here.
    """

    class Meta:
        table_name = "engines"

    partition = UnicodeAttribute(hash_key=True, attr_name="pk")
    sort = UnicodeAttribute(range_key=True, attr_name="sk")


class ConnectionItem(Item):
    class Meta:
        table_name = "connections"


class OrderItem(Item):
    class Meta:
        table_name = "orders"

    open_since = UnicodeAttribute(null=True)
    open = OpenOrders()


class PositionItem(Item):
    class Meta:
        table_name = "positions"
        stream_view_type = "NEW_AND_OLD_IMAGES"

    open_since = UnicodeAttribute(null=True)
    open = OpenPositions()


class SignalItem(Item):
    class Meta:
        table_name = "signals"


class SessionItem(Item):
    class Meta:
        table_name = "sessions"


class AuditItem(Item):
    class Meta:
        table_name = "audit"


class PaperItem(Item):
    class Meta:
        table_name = "paper"


MODELS: dict[str, type[Model]] = {
    "engines": EngineItem,
    "connections": ConnectionItem,
    "positions": PositionItem,
    "orders": OrderItem,
    "signals": SignalItem,
    "sessions": SessionItem,
    "audit": AuditItem,
    "paper": PaperItem,
}


def bind_tables(settings: Settings, on_call: Callable[[str], None] | None = None) -> Any:
    """Point all models at the stage's tables through one shared client, and return that client.

    `on_call` hears the name of each operation once, retries not counted.
    """
    client = get_session().create_client(
        "dynamodb", settings.region, endpoint_url=settings.endpoint_url or None, config=CONFIG
    )
    if on_call is not None:
        heard = on_call
        client.meta.events.register(
            "before-call.dynamodb", lambda model, **_: heard(f"dynamodb.{model.name}")
        )
    for name, model in MODELS.items():
        meta: Any = model.Meta  # type: ignore[attr-defined]
        meta.table_name = settings.table(name)
        meta.region = settings.region
        meta.host = settings.endpoint_url or None
        meta.billing_mode = "PAY_PER_REQUEST"
        model._connection = None
        # One client for all models: PynamoDB would build one each, at 50 ms of cold start.
        model._get_connection().connection._client = client
    return client
