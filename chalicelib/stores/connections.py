"""Connections of tenants in DynamoDB: one item each."""

from dataclasses import replace

from chalicelib.domain.connection import Connection
from chalicelib.errors import NotFound, StaleWrite
from chalicelib.stores.documents import Write, find, store_all, to_document, value_of
from chalicelib.stores.failures import translated
from chalicelib.stores.tables import ConnectionItem


class DynamoConnectionStore:
    """What `flows.world.ConnectionStore` asks for: 1 call per method; the tables must be bound."""

    def get(self, tenant: str, connection_id: str) -> Connection | None:
        return find(Connection, ConnectionItem, tenant, connection_id)

    def list(self, tenant: str) -> tuple[Connection, ...]:
        with translated("connections"):
            items = tuple(ConnectionItem.query(tenant, consistent_read=True))
        return tuple(value_of(Connection, item) for item in items)

    def create(self, connection: Connection) -> Connection:
        stored = replace(connection, revision=1)
        item = ConnectionItem(
            connection.tenant, connection.connection_id, document=to_document(stored), revision=1
        )
        store_all([Write(item, f"connection {connection.connection_id!r}")])
        return stored

    def delete(self, tenant: str, connection_id: str) -> None:
        try:
            with translated(connection_id):
                ConnectionItem(tenant, connection_id).delete(condition=ConnectionItem.sort.exists())
        except StaleWrite as error:
            raise NotFound(f"no connection {connection_id!r}") from error
