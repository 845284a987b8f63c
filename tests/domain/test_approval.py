"""Only what passed the risk gate can be sent: approved orders are made in one module, from what it judged."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.domain import approval
from chalicelib.domain.approval import ApprovedOrder, approve_again, approve_entry, approve_exit
from chalicelib.domain.decision import Approved, decide_entry
from chalicelib.domain.leaving import decide_exit
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import Order, OrderState
from tests.domain.risk_examples import GOOD, HELD, NOW, D

SOURCES = Path(approval.__file__).parents[1]
MAKER = Path(approval.__file__)


def entry() -> Order:
    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Approved)
    return decision.order


def makes_approved(tree: ast.AST) -> list[int]:
    """Return the lines that make an approved order, put another order into one, or reach for the seal."""
    return [node.lineno for node in ast.walk(tree) if hasattr(node, "lineno") and suspicious(node)]


def suspicious(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        return name in ("ApprovedOrder", "__new__")
    if isinstance(node, ast.Attribute):
        return node.attr == "_SEAL" or (node.attr == "_order" and isinstance(node.ctx, ast.Store))
    return isinstance(node, ast.ImportFrom) and any(name.name == "_SEAL" for name in node.names)


def test_the_scan_sees_every_way_to_make_one() -> None:
    for text in (
        "ApprovedOrder(order, seal)",
        "approval.ApprovedOrder(order, seal)",
        "ApprovedOrder.__new__(ApprovedOrder)",
        "approval._SEAL",
        "approved._order = another",
        "from chalicelib.domain.approval import _SEAL",
    ):
        assert makes_approved(ast.parse(text)), text
    assert len(makes_approved(ast.parse(MAKER.read_text()))) >= 3


def test_no_other_module_makes_an_approved_order() -> None:
    found = {}
    for path in SOURCES.rglob("*.py"):
        text = path.read_text()
        if path != MAKER and ("approval" in text or "ApprovedOrder" in text):
            lines = makes_approved(ast.parse(text))
            if lines:
                found[str(path.relative_to(SOURCES))] = lines
    assert found == {}


@pytest.mark.parametrize("seal", [None, object(), "seal"])
def test_nobody_can_make_one_without_the_seal(seal: object) -> None:
    with pytest.raises(TypeError, match="made by the functions of"):
        ApprovedOrder(entry(), seal)


def test_an_approved_order_cannot_be_exchanged_afterwards() -> None:
    decision = decide_entry(GOOD, "session")
    assert isinstance(decision, Approved)
    with pytest.raises(AttributeError):
        decision.approved.order = entry()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        decision.approved.other = 1  # type: ignore[attr-defined]


def test_an_entry_is_approved_by_what_was_judged_and_nothing_else() -> None:
    order = entry()
    judged = replace(GOOD, quantity=order.quantity)
    assert isinstance(approve_entry(order, judged), ApprovedOrder)
    assert approve_entry(order, replace(judged, coordinator=Status.PAUSED)) == "ENGINE_NOT_RUNNING"
    for other in (replace(order, quantity=order.quantity * 2), replace(order, leg="exit")):
        with pytest.raises(ValueError, match="is not the entry that was judged"):
            approve_entry(other, judged)


def test_an_exit_only_reduces() -> None:
    order = decide_exit(HELD, "stop_loss", NOW, "k").order
    assert isinstance(approve_exit(order, HELD), ApprovedOrder)
    for changes in ({"side": "buy"}, {"reduce_only": False}, {"quantity": D("1.1")}, {"leg": "entry"}):
        with pytest.raises(ValueError, match="does not reduce"):
            approve_exit(replace(order, **changes), HELD)  # type: ignore[arg-type]


def test_an_entry_goes_out_again_only_while_it_is_young_and_entries_are_allowed() -> None:
    order = entry()
    assert approve_again(order, NOW + 300, True) is not None
    assert approve_again(order, NOW + 301, True) is None
    assert approve_again(order, NOW, False) is None
    late = decide_exit(HELD, "stop_loss", NOW, "k").order
    assert approve_again(late, NOW + 9999, False) is not None
    with pytest.raises(ValueError, match="only the unproven"):
        approve_again(replace(order, state=OrderState.FILLED), NOW, True)
