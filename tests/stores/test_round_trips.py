"""Any value comes back from both worlds as it went in: to the last digit of its money."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.codec import to_plain
from tests.stores import examples
from tests.stores.examples import CONNECTION, TENANT
from tests.stores.worlds import Stores, in_memory

PLACE = (TENANT, CONNECTION)


def _record(read: Callable[[Stores, Any], Any]) -> Callable[[Stores, Any], Any]:
    def stored(stores: Stores, value: Any) -> Any:
        present = read(stores, value)
        revision = present.revision if present else 0
        stores.records.commit(TENANT, [replace(value, revision=revision)])
        return read(stores, value)

    return stored


def _engine(stores: Stores, value: Any) -> Any:
    stores.engines.delete(value.subject)
    stores.engines.create(value)
    return stores.engines.get(value.subject)


def _connection(stores: Stores, value: Any) -> Any:
    if stores.connections.get(*PLACE):
        stores.connections.delete(*PLACE)
    stores.connections.create(value)
    return stores.connections.get(*PLACE)


def _paper_account(stores: Stores, value: Any) -> Any:
    present = stores.ledger.load(*PLACE)
    stores.ledger.commit(TENANT, replace(value, revision=present.revision if present else 0), [])
    return stores.ledger.load(*PLACE)


def _paper_order(stores: Stores, value: Any) -> Any:
    account = stores.ledger.load(*PLACE) or examples.paper_account()
    present = stores.ledger.order(*PLACE, value.client_order_id)
    stores.ledger.commit(TENANT, account, [replace(value, revision=present.revision if present else 0)])
    return stores.ledger.order(*PLACE, value.client_order_id)


def _signal(stores: Stores, value: Any) -> Any:
    return stores.records.signals(*PLACE, [value.signal_id]).get(value.signal_id)


def _entry(stores: Stores, value: Any) -> Any:
    found = stores.records.list_audit(TENANT, 1000, None).items
    key = (value.entry_id, f"{value.at:.3f}")
    return next((one for one in found if (one.entry_id, f"{one.at:.3f}") == key), None)


CASES: dict[str, tuple[st.SearchStrategy[Any], Callable[[Stores, Any], Any]]] = {
    "order": (
        examples.orders,
        _record(lambda stores, value: stores.records.order(*PLACE, value.client_order_id)),
    ),
    "position": (
        examples.positions,
        _record(lambda stores, value: stores.records.position(*PLACE, value.position_id)),
    ),
    "signal": (examples.signals, _record(_signal)),
    "session": (
        examples.sessions,
        _record(lambda stores, value: stores.records.session(*PLACE, value.session_id)),
    ),
    "entry": (examples.entries, _record(_entry)),
    "engine": (examples.engines, _engine),
    "connection": (examples.connections, _connection),
    "paper_account": (examples.paper_accounts, _paper_account),
    "paper_order": (examples.paper_orders, _paper_order),
}


@pytest.mark.parametrize("kind", CASES)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_value_comes_back_as_it_went_in(aws: Stores, kind: str, data: st.DataObject) -> None:
    strategy, write_and_read = CASES[kind]
    value = data.draw(strategy)
    for stores in (in_memory(), aws):
        found = write_and_read(stores, value)
        assert replace(found, revision=value.revision) == value
        # Equal decimals may differ in their digits; what is stored is the text itself.
        assert to_plain(replace(found, revision=0)) == to_plain(replace(value, revision=0))
