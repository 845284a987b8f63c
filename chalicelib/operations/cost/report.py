"""Everything `cts cost` tells about a scenario: the bill and what follows from it."""

from dataclasses import dataclass
from decimal import Decimal

from chalicelib.operations.cost.advice import (
    Machine,
    Saving,
    machines,
    next_connection,
    nothing_running,
    savings,
    stopped_engine,
)
from chalicelib.operations.cost.bill import Basis, Bill, make_bill
from chalicelib.operations.cost.scenario import Scenario


@dataclass(frozen=True, slots=True)
class CostReport:
    """A bill, its margins, what would save (largest first), and machines to compare it with."""

    bill: Bill
    basis: Basis
    next_connection: Decimal
    stopped_engine: Decimal
    nothing_running: Decimal
    savings: tuple[Saving, ...]
    machines: tuple[Machine, ...]


def make_report(scenario: Scenario, basis: Basis) -> CostReport:
    """Return the bill of a scenario with what follows from it."""
    bill = make_bill(scenario, basis)
    return CostReport(
        bill=bill,
        basis=basis,
        next_connection=next_connection(bill, basis),
        stopped_engine=stopped_engine(bill, basis),
        nothing_running=nothing_running(bill, basis),
        savings=savings(bill, basis),
        machines=machines(bill, basis),
    )
