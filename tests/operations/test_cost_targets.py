"""What running the engine may cost: bills of the measured profile, at list price and with what is free."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.operations import bill_data, bill_usage
from chalicelib.operations.bill import Basis, make_bill
from chalicelib.operations.bill_advice import next_connection, stopped_engine
from chalicelib.operations.bill_scenario import Scenario
from chalicelib.settings import DEFAULT_REGION

FIRST, FIRST_FREE = Decimal(10), Decimal(2)
FURTHER, STOPPED = Decimal("1.50"), Decimal("0.10")
FIFTY = 50
REGIONS = (DEFAULT_REGION, "us-east-1")

pytestmark = pytest.mark.parametrize("region", REGIONS)


def basis(region: str, always_free: bool = False) -> Basis:
    return Basis(
        prices=bill_data.load_prices(bill_data.PRICES, region),
        profile=bill_usage.load_usage(bill_data.USAGE),
        assumptions=bill_data.load_assumptions(bill_data.ASSUMPTIONS),
        always_free=always_free,
    )


def scenario(region: str, connections: int = 1) -> Scenario:
    """Paper accounts with 100 symbols and default intervals, Kinesis left out."""
    return replace(Scenario(), region=region, connections=connections)


def test_the_first_connection_at_list_price(region: str) -> None:
    assert make_bill(scenario(region), basis(region)).total <= FIRST


@pytest.mark.xfail(
    strict=True,
    reason="not reached: 2.78 USD in eu-central-1, 2.58 in us-east-1; the secret is 0.40 of it, alarms 0.30",
)
def test_the_first_connection_after_what_is_always_free(region: str) -> None:
    assert make_bill(scenario(region), basis(region, always_free=True)).total <= FIRST_FREE


@pytest.mark.parametrize("connections", [1, FIFTY])
def test_each_further_connection(region: str, connections: int) -> None:
    given = basis(region)
    assert next_connection(make_bill(scenario(region, connections), given), given) <= FURTHER


@pytest.mark.parametrize("connections", [0, 1, FIFTY])
def test_a_stopped_engine(region: str, connections: int) -> None:
    given = basis(region)
    assert stopped_engine(make_bill(scenario(region, connections), given), given) <= STOPPED
