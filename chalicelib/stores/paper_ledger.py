"""The paper venue's accounts and orders in DynamoDB: a real exchange's database in miniature."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.domain.codec import from_plain, to_plain
from chalicelib.domain.paper import PaperAccount, PaperOrder
from chalicelib.errors import AlreadyExists, Retryable, StaleWrite
from chalicelib.stores.failures import failed_conditions, translated
from chalicelib.stores.records import partition_of
from chalicelib.stores.tables import Item, PaperItem

P = TypeVar("P", PaperAccount, PaperOrder)

_ACCOUNT = "account"
_ORDER = "order#"


class DynamoPaperLedger:
    """What `domain.paper.PaperLedger` asks for."""

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        return _read(PaperAccount, tenant, connection_id, _ACCOUNT)

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> PaperAccount:
        """Write the account and its changed orders in one transaction: 1 call."""
        values: list[tuple[str, PaperAccount | PaperOrder]] = [(_ACCOUNT, account)]
        values.extend((f"{_ORDER}{order.client_order_id}", order) for order in orders)
        partition = partition_of(tenant, account.connection_id)
        connection = PaperItem._get_connection().connection
        try:
            with translated("paper account"), TransactWrite(connection=connection) as transaction:
                for sort, value in values:
                    item = PaperItem(partition, sort, document=_document(value), revision=value.revision + 1)
                    fresh = Item.sort.does_not_exist()
                    unmoved = Item.revision == value.revision if value.revision else fresh
                    transaction.save(item, condition=unmoved)
        except TransactWriteError as error:
            failed = failed_conditions(error)
            if not failed or not any(failed):
                raise Retryable(f"paper account: {error.cause_response_code}") from error
            # An order that is there decides before the account: it proves an earlier attempt.
            for (sort, value), there in list(zip(values, failed, strict=True))[::-1]:
                if there and value.revision == 0:
                    raise AlreadyExists(f"{sort} exists already") from error
            raise StaleWrite("the paper account was written by somebody else") from error
        return replace(account, revision=account.revision + 1)

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        return _read(PaperOrder, tenant, connection_id, f"{_ORDER}{client_order_id}")

    def orders(self, tenant: str, connection_id: str) -> tuple[PaperOrder, ...]:
        partition = partition_of(tenant, connection_id)
        with translated("paper orders"):
            found = PaperItem.query(partition, PaperItem.sort.startswith(_ORDER), consistent_read=True)
            orders = [_value(PaperOrder, item) for item in found]
        return tuple(sorted(orders, key=lambda order: (order.created_at, order.venue_order_id)))

    def delete(self, tenant: str, connection_id: str) -> None:
        with translated("paper account"), PaperItem.batch_write() as batch:
            for item in PaperItem.query(partition_of(tenant, connection_id), consistent_read=True):
                batch.delete(item)


def _document(value: Any) -> str:
    plain = to_plain(value)
    del plain["revision"]
    return json.dumps(plain, separators=(",", ":"))


def _value(kind: type[P], item: PaperItem) -> P:
    plain = {**json.loads(item.document), "revision": int(item.revision)}
    return from_plain(kind, plain, known_only=False)


def _read(kind: type[P], tenant: str, connection_id: str, sort: str) -> P | None:
    try:
        with translated(sort):
            item = PaperItem.get(partition_of(tenant, connection_id), sort, consistent_read=True)
    except PaperItem.DoesNotExist:
        return None
    return _value(kind, item)
