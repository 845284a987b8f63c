"""The bill: each line by hand, what is always free, and how it follows connections, symbols and intervals."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chalicelib.domain.cadence import DEFAULT_INTERVALS
from chalicelib.operations.cost.bill import Bill, Line, make_bill
from chalicelib.operations.cost.scenario import Scenario
from chalicelib.operations.cost.usage import Activity
from chalicelib.operations.cost.workload import Load, billed_seconds
from tests.operations.cost_world import ASSUMPTIONS, MONTH, basis, profile, run, work

RUN_SECONDS = 100 * 300
PER_MONTH = MONTH / RUN_SECONDS


def line(bill: Bill, what: str, service: str = "") -> Line:
    """Return the one line that begins so."""
    (found,) = (one for one in bill.lines if one.what.startswith(what) and service in one.service)
    return found


def lambda_requests(bill: Bill) -> float:
    return line(bill, "requests", "Lambda").quantity / PER_MONTH


def test_a_line_is_a_quantity_times_a_price() -> None:
    many = run(realtime=work(1000, dynamodb__write_units=4000, dynamodb__read_units=5000))
    bill = make_bill(Scenario(), basis(profile(many=many), api_reads=0))
    writes = line(bill, "writes: leases")
    assert writes.quantity == pytest.approx(4000 * PER_MONTH)
    assert float(writes.cost) == pytest.approx(4000 * PER_MONTH * 0.625 / 1e6)
    assert float(line(bill, "reads").cost) == pytest.approx(5000 * PER_MONTH * 0.125 / 1e6)
    assert bill.total == sum(one.cost for one in bill.lines)
    assert sum(bill.by_service().values()) == bill.total


def test_what_is_always_free_is_used_up_line_by_line() -> None:
    many = run(realtime=work(1000))
    listed = make_bill(Scenario(), basis(profile(many=many)))
    free = make_bill(Scenario(), basis(profile(many=many), always_free=True))
    polls = 15 * 43800
    assert line(listed, "idle polls of 3").cost == Decimal(3 * polls) * Decimal("0.40") / 1_000_000
    assert line(free, "idle polls of 3").cost == Decimal(3 * polls - 1_000_000) * Decimal("0.40") / 1_000_000
    assert line(free, "idle polls of the signal").cost == line(listed, "idle polls of the signal").cost
    assert line(free, "dashboard").cost == 0
    assert line(free, "custom metrics").cost == 0
    assert line(free, "alarms").cost == Decimal("0.10") * (ASSUMPTIONS.alarms - 10)
    assert line(free, "requests of people").cost == line(listed, "requests of people").cost


def test_duration_is_processor_time_at_its_share_and_waiting() -> None:
    amounts = {"cpu_seconds": 10.0, "dynamodb.calls": 1000.0, "s3.get": 10.0, "exchange.tickers": 100.0}
    load = Load("realtime", {"work": {"records": 500.0, **amounts}}, 500.0)
    waits = 1000 * 0.006 + 10 * 0.025 + 500 * 0.002
    slower = 1769 / 512
    expected = 10 * slower + waits + 100 * (0.060 + 0.002 * slower)
    assert billed_seconds(load, 512, profile(), ASSUMPTIONS) == pytest.approx(expected)
    whole = billed_seconds(load, 3000, profile(), ASSUMPTIONS)
    assert whole == pytest.approx(10 + waits + 100 * 0.062), "more than one processor is of no use"


def test_candles_are_fetched_at_the_pace_of_the_exchange() -> None:
    load = Load("market", {"work": {"records": 0.0, "exchange.candles": 1000.0}}, 1.0)
    assert billed_seconds(load, 1769, profile(), ASSUMPTIONS) == pytest.approx(100)
    slow = replace(profile(), exchange_seconds={"candles": 0.030, "tickers": 0.0})
    assert billed_seconds(load, 256, slow, ASSUMPTIONS) == pytest.approx(1000 * 0.030 * 1769 / 256)


def test_intervals_and_timeframe_set_how_often_ticks_come() -> None:
    jobs = {kind: work(100, dynamodb__read_units=100) for kind in DEFAULT_INTERVALS}
    given = basis(profile(many=run(**jobs)), api_requests=0)

    def requests(**changes: object) -> float:
        return lambda_requests(make_bill(replace(Scenario(), **changes), given))  # type: ignore[arg-type]

    slower = {**DEFAULT_INTERVALS, "realtime": 60}
    assert requests() == pytest.approx(500)
    assert requests(intervals=slower) == pytest.approx(450)
    assert requests(intervals={**DEFAULT_INTERVALS, "market": 240}) == pytest.approx(500), (
        "a candle is longer"
    )
    assert requests(intervals={**DEFAULT_INTERVALS, "market": 600}) == pytest.approx(450)
    assert requests(timeframe="15m") == pytest.approx(200 + 300 / 3)


def test_connections_multiply_what_is_theirs_and_share_the_rest() -> None:
    one = run(realtime=work(100), health=work(100, dynamodb__read_units=100), market=work(10))
    six = run(6, realtime=work(600), health=work(100, dynamodb__read_units=350), market=work(10))
    given = basis(profile(many=one, one=one, several=six), api_requests=0, api_reads=0)
    bill = make_bill(replace(Scenario(), connections=11), given)
    assert lambda_requests(bill) == pytest.approx(1100 + 100 + 10)
    assert line(bill, "reads").quantity == pytest.approx((100 + 10 * 50) * PER_MONTH)


def test_a_stopped_engine_costs_its_part_of_the_scans_only() -> None:
    one = run(realtime=work(100), health=work(100, dynamodb__read_units=100), heartbeat=work(50))
    six = run(6, realtime=work(600), health=work(100, dynamodb__read_units=350), heartbeat=work(50))
    given = basis(profile(many=one, one=one, several=six), api_requests=0)
    running = make_bill(Scenario(), given)
    stopped = make_bill(replace(Scenario(), stopped=1), given)
    changed = [a.what for a, b in zip(running.lines, stopped.lines, strict=True) if a != b]
    assert changed == ["reads"]
    idle = make_bill(replace(Scenario(), connections=0, stopped=1), given)
    assert lambda_requests(idle) == pytest.approx(50), "the heartbeat goes on"


def test_symbols_lie_on_a_line_through_the_two_measured_points() -> None:
    many = run(strategy=work(10, s3__put=100))
    few = run(symbols=20, strategy=work(10, s3__put=20))
    given = basis(profile(many=many, few=few))
    for symbols, expected in ((100, 100), (20, 20), (60, 60), (200, 200)):
        bill = make_bill(replace(Scenario(), symbols=symbols), given)
        assert line(bill, "snapshots and candles written").quantity == pytest.approx(expected * PER_MONTH)


def test_activity_of_a_report_replaces_the_measured_one() -> None:
    jobs = {"strategy": {**work(100), ("signal", "dynamodb.write_units"): 1000.0}}
    jobs["execute_signals"] = {**work(100), ("order", "dynamodb.write_units"): 1000.0}
    given = basis(profile(many=run(**jobs)))
    busy = replace(given, activity=Activity(signals=6.0, orders=0.25))
    before, after = make_bill(Scenario(), given), make_bill(Scenario(), busy)
    assert line(after, "writes: signals").quantity == pytest.approx(
        3 * line(before, "writes: signals").quantity
    )
    assert line(after, "writes: orders").quantity == pytest.approx(
        line(before, "writes: orders").quantity / 2
    )


def test_settings_take_their_lines_away() -> None:
    given = basis(profile(many=run(heartbeat=work(100))))
    full = make_bill(replace(Scenario(), events="kinesis", key="kms"), given)
    bare = make_bill(replace(Scenario(), auth="rs256", dashboard=False, tracing=False), given)
    services = {one.service for one in full.lines} - {one.service for one in bare.lines}
    assert services == {"Kinesis", "KMS", "Secrets Manager", "X-Ray"}
    assert line(full, "one shard").cost == Decimal("0.015") * 730
    assert "dashboard" not in {one.what for one in bare.lines}


def test_a_second_of_many_invocations_is_traced_once_and_a_twentieth() -> None:
    given = basis(profile(many=run(realtime=work(100))), traced=("realtime_tick",))
    assert line(make_bill(Scenario(), given), "traces").quantity == pytest.approx(100 * PER_MONTH)
    many = make_bill(replace(Scenario(), connections=21), given)
    assert line(many, "traces").quantity == pytest.approx((100 + 2000 / 20) * PER_MONTH)


def test_a_traced_heartbeat_has_every_tick_traced() -> None:
    given = basis(profile(many=run(realtime=work(100), heartbeat=work(50))), traced=("heartbeat",))
    many = make_bill(replace(Scenario(), connections=20), given)
    assert line(many, "traces").quantity == pytest.approx((2000 + 50) * PER_MONTH)
