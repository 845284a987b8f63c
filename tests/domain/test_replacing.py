"""Values copied with changes and made quickly: those that `dataclasses` makes, and as frozen."""

import dataclasses
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.engine import Engine, Subject
from chalicelib.domain.lease import Lease
from chalicelib.domain.order import Order, OrderState
from chalicelib.domain.replacing import make_quickly, replace
from chalicelib.domain.stored import Stored

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
    with pytest.raises(TypeError, match="no slotted dataclass of plain fields"):
        make_quickly(type(value))


@dataclass(frozen=True, slots=True)
class Plain(Stored):
    name: str
    parts: tuple[int, ...] = ()
    marks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quick(Stored):
    name: str
    parts: tuple[int, ...] = ()
    marks: dict[str, int] = field(default_factory=dict)


make_quickly(Quick)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("a",), {}),
        (("a", (1,), {"b": 2}), {}),
        ((), {"name": "a", "parts": (1,), "newer": {"colour": "red"}}),
    ],
)
def test_what_is_made_quickly_is_what_dataclasses_make(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    plain, quick = Plain(*given, **named), Quick(*given, **named)
    assert dataclasses.astuple(plain) == dataclasses.astuple(quick)
    assert repr(quick) == repr(plain).replace("Plain", "Quick")
    assert type(quick) is Quick
    assert quick.newer == plain.newer
    assert pickle.loads(pickle.dumps(quick)) == quick
    with pytest.raises(dataclasses.FrozenInstanceError):
        quick.name = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del quick.name


def test_values_made_quickly_share_no_default() -> None:
    assert Quick("a").marks == {}
    assert Quick("a").marks is not Quick("a").marks


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), (("a", (), {}, {}), {}), (("a",), {"name": "b"}), (("a",), {"colour": 1})]
)
def test_wrong_arguments_are_refused_as_ever(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Plain, Quick):
        with pytest.raises(TypeError):
            kind(*given, **named)


def test_the_values_of_backtests_can_be_made_quickly() -> None:
    """In a process of its own: elsewhere the classes stay as they are."""
    code = (
        "import dataclasses\n"
        "from chalicelib.backtest.values import MADE_BY_THE_THOUSAND as kinds\n"
        "from chalicelib.domain.replacing import make_quickly\n"
        "def made(kind):\n"
        "    names = [f.name for f in dataclasses.fields(kind) if f.init]\n"
        "    return repr([kind(**dict.fromkeys(names, 7)), kind.__hash__ is None])\n"
        "before = [made(kind) for kind in kinds]\n"
        "make_quickly(*kinds)\n"
        "assert [made(kind) for kind in kinds] == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
