"""Every scenario of the list on every exchange; `make test-faults` prints the table and keeps it.

The ordinary suite plays each variant on some of the venues, in turn: all venues have their share.
"""

from collections.abc import Iterator

import pytest
from _pytest.mark import ParameterSet

from tests.faults import scenarios_environment, scenarios_orders, scenarios_processes  # noqa: F401
from tests.faults.floor import VENUES, floor
from tests.faults.results import Result, record
from tests.faults.routes import words_of
from tests.faults.scenario import Scenario, cases

EVERY = 3
"""The ordinary suite plays one of so many cases."""


def _parameters() -> Iterator[ParameterSet]:
    numbers: dict[tuple[int, str], int] = {}
    for case in cases():
        one, exchange, market_type, variant = case
        number = numbers.setdefault((one.number, variant), len(numbers))
        ordinary = (number + VENUES.index((exchange, market_type))) % EVERY == 0
        identity = f"{one.number}-{exchange}-{market_type}-{variant}".rstrip("-")
        yield pytest.param(*case, id=identity, marks=() if ordinary else pytest.mark.faults)


@pytest.mark.parametrize(("one", "exchange", "market_type", "variant"), list(_parameters()))
def test_scenario(one: Scenario, exchange: str, market_type: str, variant: str) -> None:
    with floor(exchange, market_type) as made:  # type: ignore[arg-type]
        outcome = one.play(made, words_of(exchange, market_type), variant)
    if not outcome:
        pytest.skip("this exchange has fewer variants")
    record(Result(one.number, f"{exchange} {market_type}", outcome, variant))
