"""What a bill means: the next connection, a stopped engine, what saves most, an always-on machine instead."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from chalicelib.domain.cadence import TICK_KINDS, TickKind
from chalicelib.domain.timeframes import TIMEFRAMES
from chalicelib.operations.cost.bill import Basis, Bill, make_bill
from chalicelib.operations.cost.scenario import Scenario
from chalicelib.operations.cost.workload import workload

_INTERVAL_STEPS = (10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MACHINES = ("nano", "micro")
_MOST_SEARCHED = 1000


@dataclass(frozen=True, slots=True)
class Saving:
    """One setting moved one step, and the USD a month that it saves."""

    setting: str
    saving: Decimal


@dataclass(frozen=True, slots=True)
class Machine:
    """An always-on machine; `cheaper_from` connections on it costs less, or None if that is not in sight.

    `processor_share` is the part of the processor time included in its price that the connections need.
    """

    name: str
    cost: Decimal
    memory_gigabytes: float
    processor_share: float
    cheaper_from: int | None


def next_connection(bill: Bill, basis: Basis) -> Decimal:
    """Return what one more running connection adds to the bill."""
    more = replace(bill.scenario, connections=bill.scenario.connections + 1)
    return make_bill(more, basis).total - bill.total


def stopped_engine(bill: Bill, basis: Basis) -> Decimal:
    """Return what one more stopped engine adds to the bill."""
    more = replace(bill.scenario, stopped=bill.scenario.stopped + 1)
    return make_bill(more, basis).total - bill.total


def nothing_running(bill: Bill, basis: Basis) -> Decimal:
    """Return the bill when every engine of the scenario is stopped."""
    scenario = bill.scenario
    idle = replace(scenario, connections=0, stopped=scenario.stopped + scenario.connections)
    return make_bill(idle, basis).total


def savings(bill: Bill, basis: Basis) -> tuple[Saving, ...]:
    """Return every setting that saves something when it is moved one step, the largest saving first."""
    found = (
        Saving(setting, bill.total - make_bill(changed, basis).total)
        for setting, changed in _one_step(bill.scenario)
    )
    return tuple(sorted((one for one in found if one.saving > 0), key=lambda one: -one.saving))


def _one_step(scenario: Scenario) -> Iterator[tuple[str, Scenario]]:
    for kind in TICK_KINDS:
        interval = scenario.intervals[kind]
        longer = _next(_INTERVAL_STEPS, interval)
        if longer is not None:
            intervals: dict[TickKind, int] = {**scenario.intervals, kind: longer}
            yield f"intervals {kind}={longer} instead of {interval}", replace(scenario, intervals=intervals)
    names = tuple(TIMEFRAMES)
    later = names[names.index(scenario.timeframe) + 1 :]
    if later:
        text = f"timeframe {later[0]} instead of {scenario.timeframe}"
        yield text, replace(scenario, timeframe=later[0])
    if scenario.events == "kinesis":
        yield "events audit instead of kinesis", replace(scenario, events="audit")
    if scenario.key == "kms":
        yield "key none instead of kms (paper only)", replace(scenario, key="none")
    if scenario.auth == "hs256":
        yield "auth rs256 instead of hs256 (no secret)", replace(scenario, auth="rs256")
    if scenario.architecture == "x86_64":
        yield "architecture arm64 instead of x86_64", replace(scenario, architecture="arm64")
    if scenario.dashboard:
        yield "no dashboard", replace(scenario, dashboard=False)
    if scenario.tracing:
        yield "no traces", replace(scenario, tracing=False)


def _next(steps: tuple[int, ...], value: int) -> int | None:
    return next((step for step in steps if step > value), None)


def machines(bill: Bill, basis: Basis) -> tuple[Machine, ...]:
    """Return the cheapest always-on machines with a disk and a public address, for comparison."""
    prices, assumptions = basis.prices, basis.assumptions
    hours = Decimal(str(assumptions.month_hours))
    held = assumptions.machine
    seconds = workload(bill.scenario, basis.profile, assumptions, basis.activity).total("cpu_seconds")
    found = []
    for size in _MACHINES:
        hourly = prices[f"machine.t4g.{size}"].amount + prices["machine.address"].amount
        cost = hourly * hours + prices["machine.disk"].amount * held["disk_gigabytes"]
        share = seconds / (held["processor_baseline"][size] * assumptions.month_seconds)
        machine = Machine(f"t4g.{size}", cost, held["memory_gigabytes"][size], share, None)
        found.append(replace(machine, cheaper_from=_cheaper_from(bill, basis, cost)))
    return tuple(found)


def _cheaper_from(bill: Bill, basis: Basis, cost: Decimal) -> int | None:
    """Return the first number of connections whose bill is above the cost; bills only grow with them."""

    def above(connections: int) -> bool:
        return make_bill(replace(bill.scenario, connections=connections), basis).total > cost

    return _first(above, 1, _MOST_SEARCHED)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
