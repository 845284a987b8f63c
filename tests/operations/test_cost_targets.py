"""What running the engine may cost: bills of the measured profile, at list price and with what is free."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.operations.cost import data, usage
from chalicelib.operations.cost.advice import next_connection, stopped_engine
from chalicelib.operations.cost.bill import Basis, make_bill
from chalicelib.operations.cost.scenario import Scenario
from chalicelib.settings import DEFAULT_REGION

FIRST, FIRST_FREE = Decimal(10), Decimal(2)
FURTHER, STOPPED = Decimal("1.50"), Decimal("0.10")
CENT = Decimal("0.01")
FIFTY = 50
REGIONS = (DEFAULT_REGION, "us-east-1")

pytestmark = pytest.mark.parametrize("region", REGIONS)


def basis(region: str, always_free: bool = False) -> Basis:
    return Basis(
        prices=data.load_prices(data.PRICES, region),
        profile=usage.load_usage(data.USAGE),
        assumptions=data.load_assumptions(data.ASSUMPTIONS),
        always_free=always_free,
    )


def scenario(region: str, connections: int = 1) -> Scenario:
    """Paper accounts with 100 symbols and default intervals, Kinesis left out."""
    return replace(Scenario(), region=region, connections=connections)


def test_the_first_connection_at_list_price(region: str) -> None:
    assert make_bill(scenario(region), basis(region)).total <= FIRST


def test_the_first_connection_after_what_is_always_free(region: str) -> None:
    """With tokens of an issuer of one's own; signing them with a secret costs what the secret costs."""
    given = basis(region, always_free=True)
    own_issuer = make_bill(replace(scenario(region), auth="rs256"), given).total
    assert own_issuer <= FIRST_FREE
    secret = given.prices.prices["secrets.secrets"].amount
    assert abs(make_bill(scenario(region), given).total - own_issuer - secret) < CENT


@pytest.mark.parametrize("connections", [1, FIFTY])
def test_each_further_connection(region: str, connections: int) -> None:
    given = basis(region)
    assert next_connection(make_bill(scenario(region, connections), given), given) <= FURTHER


@pytest.mark.parametrize("connections", [0, 1, FIFTY])
def test_a_stopped_engine(region: str, connections: int) -> None:
    given = basis(region)
    assert stopped_engine(make_bill(scenario(region, connections), given), given) <= STOPPED
