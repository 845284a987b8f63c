"""A usage profile, prices and assumptions with round numbers, for tests of the bill."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from chalicelib.operations.cost import data
from chalicelib.operations.cost.bill import Basis
from chalicelib.operations.cost.data import Assumptions, PriceTable
from chalicelib.operations.cost.usage import Profile, Run

MONTH = 730 * 3600.0
ASSUMPTIONS = data.load_assumptions(data.ASSUMPTIONS)


def run(connections: int = 1, symbols: int = 100, **jobs: dict[tuple[str, str], float]) -> Run:
    """Return a run of 100 candles whose jobs have the given totals."""
    return Run(
        connections=connections,
        symbols=symbols,
        candles=100,
        signals=200,
        orders=50,
        jobs=jobs,
        feed_bytes=1e6 * symbols / 100,
        connection_bytes=2e6 * symbols / 100,
    )


def work(records: float, **amounts: float) -> dict[tuple[str, str], float]:
    """Return totals of work; `__` in a name stands for its dot."""
    named = {("work", name.replace("__", ".")): amount for name, amount in amounts.items()}
    return {("work", "records"): records, ("work", "invocations"): records, **named}


def profile(**runs: Run) -> Profile:
    """Return a profile of the given runs; those left out are like `many`."""
    many = runs.get("many", run())
    few = runs.get("few", replace(many, symbols=20))
    return Profile(
        measured="2026-01-01",
        many={"audit": many, "kinesis": runs.get("kinesis", many)},
        few={"audit": few, "kinesis": runs.get("kinesis_few", few)},
        one=runs.get("one", many),
        several=runs.get("several", replace(many, connections=6)),
        exchange_seconds={"candles": 0.001, "tickers": 0.002},
    )


def prices(region: str = "us-east-1") -> PriceTable:
    return data.load_prices(data.PRICES, region)


def basis(given: Profile, always_free: bool = False, **assumed: Any) -> Basis:
    """Return the basis of bills over a profile, in us-east-1, with some assumptions changed."""
    assumptions: Assumptions = replace(ASSUMPTIONS, **assumed)
    return Basis(prices(), given, assumptions, always_free=always_free)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), "ROUND_HALF_UP")
