"""Shows what `cts cost` found: as a table in the terminal, or as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from chalicelib.operations.cost.advice import Machine
from chalicelib.operations.cost.bill import Bill, Line
from chalicelib.operations.cost.report import CostReport

NAMED_SAVINGS = 2
_CENT = Decimal("0.01")
_SHOWN = _CENT / 2
_THOUSAND = 1000
_LACKS = (
    "Such a machine stands in one place: what fails there stops all engines. It lacks restore to any second, "
    "alarms, queues that outlast a restart and updates without a gap, and somebody has to patch it. "
    "Whether all connections fit into its memory was not measured."
)


def show(report: CostReport) -> None:
    """Print the report as a table and some sentences."""
    console = Console(highlight=False)
    console.print(_heading(report), markup=False, soft_wrap=True)
    console.print(_table(report.bill))
    for sentence in _sentences(report):
        console.print(sentence, markup=False, soft_wrap=True)


def money(amount: Decimal) -> str:
    """Return USD rounded to cents, halves up; a price that rounds to nothing as `<0.01`."""
    if 0 < amount < _SHOWN:
        return "<0.01"
    return f"{amount.quantize(_CENT, 'ROUND_HALF_UP'):,}"


def _heading(report: CostReport) -> str:
    scenario, basis = report.bill.scenario, report.basis
    engines = f"{scenario.connections} running" + (
        f", {scenario.stopped} stopped" if scenario.stopped else ""
    )
    price = "after what is always free" if basis.always_free else "at list price"
    return (
        f"CTS Trade Engine on AWS, a month in {scenario.region}, USD without tax, {price}\n"
        f"{engines}; {scenario.symbols} symbols, {scenario.timeframe} candles, events to {scenario.events}, "
        f"auth {scenario.auth}, key {scenario.key}, {scenario.architecture}"
    )


def _table(bill: Bill) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, pad_edge=False)
    table.add_column("service", footer="total")
    table.add_column("line")
    table.add_column("quantity", justify="right")
    table.add_column("USD", justify="right", footer=money(bill.total))
    for service, total in bill.by_service().items():
        lines = sorted((line for line in bill.lines if line.service == service), key=lambda line: -line.cost)
        shown = [line for line in lines if line.cost >= _SHOWN]
        table.add_row(service, "", "", money(total), style="bold")
        for line in shown:
            table.add_row("", line.what, _quantity(line.quantity), money(line.cost))
        if rest := len(lines) - len(shown):
            table.add_row("", f"{rest} more below a cent", "", "", style="dim")
    return table


def _quantity(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= _THOUSAND else f"{amount:.3g}"


def _sentences(report: CostReport) -> Iterator[str]:
    yield (
        f"One connection more: {money(report.next_connection)}. "
        f"One stopped engine more: {money(report.stopped_engine)}. "
        f"The stage with every engine stopped: {money(report.nothing_running)}."
    )
    if report.savings:
        named = report.savings[:NAMED_SAVINGS]
        yield "What would save most: " + "; ".join(f"{one.setting} ({money(one.saving)})" for one in named)
    for machine in report.machines:
        yield _comparison(machine, report.bill)
    if report.machines:
        yield _LACKS
    yield from _sources(report)


def _comparison(machine: Machine, bill: Bill) -> str:
    compared = "less than this bill" if machine.cost < bill.total else "more than this bill"
    text = (
        f"An always-on {machine.name} ({machine.memory_gigabytes:g} GB) with disk and public address: "
        f"{money(machine.cost)}, {compared}; handlers need {machine.processor_share:.1%} of its processor"
    )
    if machine.cheaper_from is None:
        return f"{text}."
    if machine.cheaper_from == 1:
        return f"{text}; cheaper already for one connection."
    return f"{text}; cheaper from {machine.cheaper_from} connections on."


def _sources(report: CostReport) -> Iterator[str]:
    basis = report.basis
    used = {line.price for line in report.bill.lines}
    unverified = sorted(key for key in used if not basis.prices[key].verified)
    yield (
        f"Prices of {basis.prices.dated}, to be checked against AWS's list"
        + (f" (not verified: {', '.join(unverified)})" if unverified else "")
        + f". Usage measured {basis.profile.measured}; assumptions of {basis.assumptions.dated}."
    )


def as_json(report: CostReport) -> dict[str, Any]:
    """Return the report as JSON-ready values; money as decimal strings, not rounded."""
    bill, basis = report.bill, report.basis
    return {
        "scenario": asdict(bill.scenario),
        "always_free": basis.always_free,
        "total": _plain(bill.total),
        "services": {service: _plain(total) for service, total in bill.by_service().items()},
        "lines": [_line(line, report) for line in bill.lines],
        "next_connection": _plain(report.next_connection),
        "stopped_engine": _plain(report.stopped_engine),
        "nothing_running": _plain(report.nothing_running),
        "savings": [{"setting": one.setting, "saving": _plain(one.saving)} for one in report.savings],
        "machines": [{**asdict(machine), "cost": _plain(machine.cost)} for machine in report.machines],
        "prices_dated": basis.prices.dated,
        "usage_measured": basis.profile.measured,
        "assumptions": asdict(basis.assumptions),
    }


def _line(line: Line, report: CostReport) -> dict[str, Any]:
    price = report.basis.prices[line.price]
    return {
        "service": line.service,
        "what": line.what,
        "quantity": line.quantity,
        "unit": price.unit,
        "price": _plain(price.amount),
        "per": price.per,
        "verified": price.verified,
        "cost": _plain(line.cost),
    }


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
