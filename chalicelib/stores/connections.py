"""Connections in DynamoDB."""

import json
from dataclasses import replace

from pynamodb.exceptions import DeleteError

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.connection import Connection
from chalicelib.errors import AlreadyExists, NotFound, StaleWrite
from chalicelib.stores.failures import CONDITION_FAILED, translated
from chalicelib.stores.tables import ConnectionItem


class DynamoConnectionStore:
    """What `flows.world.ConnectionStore` asks for: 1 call per method."""

    def get(self, tenant: str, connection_id: str) -> Connection | None:
        try:
            with translated(connection_id):
                item = ConnectionItem.get(tenant, connection_id, consistent_read=True)
        except ConnectionItem.DoesNotExist:
            return None
        return _connection(item)

    def list(self, tenant: str) -> tuple[Connection, ...]:
        with translated("connections"):
            return tuple(_connection(item) for item in ConnectionItem.query(tenant, consistent_read=True))

    def create(self, connection: Connection) -> Connection:
        stored = replace(connection, revision=1)
        item = ConnectionItem(
            connection.tenant,
            connection.connection_id,
            document=json.dumps(to_plain(stored), separators=(",", ":")),
            revision=1,
        )
        try:
            with translated(connection.connection_id):
                item.save(condition=ConnectionItem.sort.does_not_exist())
        except StaleWrite as error:
            raise AlreadyExists(f"connection {connection.connection_id} exists already") from error
        return stored

    def delete(self, tenant: str, connection_id: str) -> None:
        try:
            ConnectionItem(tenant, connection_id).delete(condition=ConnectionItem.sort.exists())
        except DeleteError as error:
            if (error.cause_response_code or "").startswith(CONDITION_FAILED):
                raise NotFound(f"connection {connection_id} does not exist") from error
            with translated(connection_id):
                raise


def _connection(item: ConnectionItem) -> Connection:
    return from_plain(Connection, json.loads(item.document), known_only=False)
