"""The paper venue's accounts and orders in DynamoDB: a real exchange's database in miniature."""

from collections.abc import Sequence

from chalicelib.domain.paper import Committed, PaperAccount, PaperOrder
from chalicelib.domain.replacing import replace
from chalicelib.stores import keys
from chalicelib.stores.documents import Write, find, store_all, to_document, value_of
from chalicelib.stores.failures import translated
from chalicelib.stores.tables import PaperItem

_ACCOUNT = "account"
_ORDER = "order#"


class DynamoPaperLedger:
    """What `domain.paper.PaperLedger` asks for; the tables must be bound."""

    def load(self, tenant: str, connection_id: str) -> PaperAccount | None:
        """Read the account: 1 call."""
        return find(PaperAccount, PaperItem, keys.account_key(tenant, connection_id), _ACCOUNT)

    def commit(self, tenant: str, account: PaperAccount, orders: Sequence[PaperOrder]) -> Committed:
        """Write the account and its changed orders in one transaction: 1 call."""
        keys.check_batch(order.client_order_id for order in orders)
        partition = keys.account_key(tenant, account.connection_id)
        written = replace(account, revision=account.revision + 1)
        stored = tuple(replace(order, revision=order.revision + 1) for order in orders)
        placed = (_write(partition, f"{_ORDER}{order.client_order_id}", order) for order in stored)
        store_all([_write(partition, _ACCOUNT, written), *placed])
        return written, stored

    def order(self, tenant: str, connection_id: str, client_order_id: str) -> PaperOrder | None:
        """Read one order: 1 call."""
        partition = keys.account_key(tenant, connection_id)
        return find(PaperOrder, PaperItem, partition, f"{_ORDER}{client_order_id}")

    def orders(self, tenant: str, connection_id: str) -> tuple[PaperOrder, ...]:
        """Read all orders, oldest first: 1 call per megabyte."""
        partition = keys.account_key(tenant, connection_id)
        with translated("paper orders"):
            items = list(PaperItem.query(partition, PaperItem.sort.startswith(_ORDER), consistent_read=True))
        orders = [value_of(PaperOrder, item) for item in items]
        return tuple(sorted(orders, key=lambda order: (order.created_at, order.client_order_id)))

    def delete(self, tenant: str, connection_id: str) -> None:
        """Remove the account and its orders: 1 call per megabyte read and 1 per 25 items."""
        with translated("paper account"), PaperItem.batch_write() as batch:
            for item in PaperItem.query(keys.account_key(tenant, connection_id), consistent_read=True):
                batch.delete(item)


def _write(partition: str, sort: str, value: PaperAccount | PaperOrder) -> Write:
    item = PaperItem(partition, sort, document=to_document(value), revision=value.revision)
    return Write(item, f"paper {sort} of {value.connection_id}")
