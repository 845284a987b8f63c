"""Copies with changes: what `dataclasses.replace` makes, of the values that are changed most."""

import dataclasses
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from chalicelib.domain.engine import Engine, Subject
from chalicelib.domain.lease import Lease
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.replacing import replace

ORDER = Order(
    "id",
    "c",
    "BTC/USDT",
    "buy",
    "market",
    Decimal(1),
    None,
    False,
    "entry",
    "p",
    "s",
    OrderState.INTENT,
    1,
    2,
    "x",
)


def test_a_copy_is_that_of_dataclasses() -> None:
    changes = {"state": OrderState.FILLED, "venue_order_id": "7"}
    copy = replace(ORDER, **changes)  # type: ignore[arg-type]
    assert copy == dataclasses.replace(ORDER, **changes)  # type: ignore[arg-type]
    assert type(copy) is Order
    assert (ORDER.state, ORDER.venue_order_id) == (OrderState.INTENT, "")
    engine = Engine(Subject("t", "engine#c"), leases={"realtime": Lease("o")})
    assert replace(engine, health="healthy") == dataclasses.replace(engine, health="healthy")
    assert replace(engine) == engine


def test_what_a_newer_program_stored_stays() -> None:
    """It is no field of comparisons, so it is looked at by itself."""
    newer = dataclasses.replace(ORDER, newer={"colour": "red"})
    assert replace(newer, revision=3).newer == {"colour": "red"}


def test_a_copy_stays_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        replace(ORDER, revision=1).revision = 2  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="Order has no field 'colour'"):
        replace(ORDER, colour="red")  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class Checked:
    number: int

    def __post_init__(self) -> None:
        assert self.number > 0


@dataclass(frozen=True)
class Open:
    parts: dict[str, int] = field(default_factory=dict)


@pytest.mark.parametrize("value", [Checked(1), Open()])
def test_classes_that_a_copy_of_slots_would_not_do_justice_to_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no slotted dataclass of plain fields"):
        replace(value)  # type: ignore[type-var]
