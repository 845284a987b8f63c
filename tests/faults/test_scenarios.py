"""Every scenario of the list on every exchange; `make test-faults` prints the table and keeps it."""

import pytest

from tests.faults import scenarios_environment, scenarios_orders, scenarios_processes  # noqa: F401
from tests.faults.floor import floor
from tests.faults.results import Result, record
from tests.faults.routes import words_of
from tests.faults.scenario import Scenario, cases


@pytest.mark.parametrize(
    ("one", "exchange", "market_type", "variant"),
    [
        pytest.param(*case, id=f"{case[0].number}-{case[1]}-{case[2]}-{case[3]}".rstrip("-"))
        for case in cases()
    ],
)
def test_scenario(one: Scenario, exchange: str, market_type: str, variant: str) -> None:
    with floor(exchange, market_type) as made:  # type: ignore[arg-type]
        outcome = one.play(made, words_of(exchange, market_type), variant)
    if not outcome:
        pytest.skip("this exchange has fewer variants")
    record(Result(one.number, f"{exchange} {market_type}", outcome, variant))
