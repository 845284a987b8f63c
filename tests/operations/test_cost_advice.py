"""What follows from a bill: margins, the settings that save most, and when a machine is cheaper."""

from dataclasses import replace
from decimal import Decimal

from chalicelib.operations.cost.advice import (
    machines,
    next_connection,
    nothing_running,
    savings,
    stopped_engine,
)
from chalicelib.operations.cost.bill import make_bill
from chalicelib.operations.cost.scenario import Scenario
from tests.operations.cost_world import basis, cents, profile, run, work

BUSY = {
    "realtime": work(100, dynamodb__write_units=3000, cpu_seconds=3),
    "health": work(100, dynamodb__read_units=100),
    "market": work(10, exchange__candles=1000),
    "heartbeat": work(50, cpu_seconds=1),
}
SIX = {
    **{kind: {key: 6 * amount for key, amount in BUSY[kind].items()} for kind in ("realtime",)},
    "health": work(100, dynamodb__read_units=200),
    "market": BUSY["market"],
    "heartbeat": BUSY["heartbeat"],
}
GIVEN = basis(profile(many=run(**BUSY), several=run(6, **SIX)))


def test_margins_are_differences_of_bills() -> None:
    one = make_bill(Scenario(), GIVEN)
    two = make_bill(replace(Scenario(), connections=2), GIVEN)
    assert next_connection(one, GIVEN) == two.total - one.total > 0
    rested = make_bill(replace(Scenario(), stopped=1), GIVEN)
    assert 0 < stopped_engine(one, GIVEN) == rested.total - one.total < next_connection(one, GIVEN)
    assert nothing_running(one, GIVEN) < one.total


def test_savings_are_computed_by_moving_each_setting_one_step() -> None:
    scenario = replace(Scenario(), events="kinesis", key="kms", architecture="x86_64")
    bill = make_bill(scenario, GIVEN)
    found = savings(bill, GIVEN)
    assert [one.saving for one in found] == sorted((one.saving for one in found), reverse=True)
    amounts = {one.setting: one.saving for one in found}
    assert found[0].setting == "events audit instead of kinesis"
    assert cents(amounts["no dashboard"]) == Decimal("3.00")
    slower = replace(scenario, intervals={**scenario.intervals, "realtime": 60})
    assert amounts["intervals realtime=60 instead of 30"] == bill.total - make_bill(slower, GIVEN).total > 0
    later = make_bill(replace(scenario, timeframe="15m"), GIVEN)
    assert amounts["timeframe 15m instead of 5m"] == bill.total - later.total > 0
    assert not any("market" in setting for setting in amounts), "a market tick comes once per candle anyway"


def test_nothing_is_named_that_saves_nothing() -> None:
    scenario = replace(Scenario(), dashboard=False, tracing=False, auth="rs256", timeframe="1d")
    hour = dict.fromkeys(scenario.intervals, 3600)
    found = savings(make_bill(replace(scenario, intervals=hour), GIVEN), GIVEN)
    assert found == ()


def test_a_machine_costs_its_hours_disk_and_address() -> None:
    nano, micro = machines(make_bill(Scenario(), GIVEN), GIVEN)
    assert nano.cost == Decimal("0.0042") * 730 + Decimal("0.08") * 8 + Decimal("0.005") * 730
    assert micro.cost > nano.cost
    assert nano.processor_share > micro.processor_share > 0


def test_the_machine_is_cheaper_from_the_connection_on_that_passes_its_price() -> None:
    _, micro = machines(make_bill(Scenario(), GIVEN), GIVEN)
    assert micro.cheaper_from is not None
    bills = [
        make_bill(replace(Scenario(), connections=number), GIVEN).total
        for number in (micro.cheaper_from - 1, micro.cheaper_from)
    ]
    assert bills[0] <= micro.cost < bills[1]
    quiet = basis(profile(many=run(heartbeat=work(1)), several=run(6, heartbeat=work(1))))
    assert machines(make_bill(Scenario(), quiet), quiet)[1].cheaper_from is None
