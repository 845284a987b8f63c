"""What a scenario does in a month, in the units that AWS charges for: from measured usage, no prices."""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.cadence import DEFAULT_INTERVALS, PER_CANDLE, TICK_KINDS, TICK_QUEUES, TickKind
from chalicelib.exchanges.ccxt_public import REQUESTS_PER_SECOND
from chalicelib.operations.cost.data import Assumptions
from chalicelib.operations.cost.scenario import Scenario
from chalicelib.operations.cost.usage import INVOCATIONS, MEASURED_TIMEFRAME, RECORDS, Activity, Profile

SHARED_JOBS = ("heartbeat", "health", "market")
"""Jobs that all connections of a stage share; the others are done for each connection."""

EXECUTE = "execute_signals"
_FUNCTIONS: dict[str, str] = {kind: f"{queue}_tick" for kind, queue in TICK_QUEUES.items()}
_CALLS = {"dynamodb": "dynamodb.calls", "sqs": "sqs.calls", "kinesis": "kinesis.calls"}


@dataclass(frozen=True, slots=True)
class Load:
    """What one job does in a month: amounts by cause and name, and distinct moments at which it begins."""

    job: str
    amounts: Mapping[str, Mapping[str, float]]
    moments: float

    @property
    def function(self) -> str:
        return function_of(self.job)

    @property
    def invocations(self) -> float:
        """Lambda requests: every record of a queue is taken to come alone, which is the most there can be."""
        return self.of("work", RECORDS if self.job in _FUNCTIONS or self.job == EXECUTE else INVOCATIONS)

    def of(self, cause: str, name: str) -> float:
        return self.amounts.get(cause, {}).get(name, 0.0)

    def total(self, name: str) -> float:
        return sum(amounts.get(name, 0.0) for amounts in self.amounts.values())


@dataclass(frozen=True, slots=True)
class Workload:
    """A month of a scenario, by job."""

    loads: tuple[Load, ...]
    stored_object_bytes: float

    def total(self, name: str, cause: str | None = None) -> float:
        """Return an amount over all jobs, for one cause or for all."""
        return sum(load.total(name) if cause is None else load.of(cause, name) for load in self.loads)


def function_of(job: str) -> str:
    """Return the Lambda function that does a job."""
    return _FUNCTIONS.get(job, job)


def workload(
    scenario: Scenario, profile: Profile, assumptions: Assumptions, activity: Activity | None = None
) -> Workload:
    """Return a month of the scenario; `activity` replaces that of the measured runs."""
    rates = _rates(scenario, profile, activity)
    loads = []
    for job, names in profile.names(scenario.events).items():
        amounts: dict[str, dict[str, float]] = {}
        for cause, name in names:
            per_second = _per_second(scenario, profile, job, cause, name)
            month = per_second * rates[_pace(job, cause)] * assumptions.month_seconds
            amounts.setdefault(cause, {})[name] = month
        loads.append(Load(job, amounts, _moments(scenario, profile, job) * assumptions.month_seconds))
    return Workload(tuple(loads), profile.stored_bytes(scenario.symbols, scenario.connections))


def _rates(scenario: Scenario, profile: Profile, activity: Activity | None) -> dict[str, float]:
    """Return how often ticks, signals and orders come, as multiples of the measured runs."""
    rates: dict[str, float] = {kind: _tick_rate(scenario, kind) for kind in TICK_KINDS}
    rates["heartbeat"] = 1.0
    measured = profile.activity
    wanted = activity or measured
    rates["signal"] = rates["strategy"] * _ratio(wanted.signals, measured.signals)
    rates["order"] = rates["strategy"] * _ratio(wanted.orders, measured.orders)
    return rates


def _ratio(wanted: float, measured: float) -> float:
    return wanted / measured if measured else 1.0


def _tick_rate(scenario: Scenario, kind: TickKind) -> float:
    interval = DEFAULT_INTERVALS[kind]
    measured = max(interval, MEASURED_TIMEFRAME) if kind in PER_CANDLE else interval
    return measured / scenario.period(kind)


def _pace(job: str, cause: str) -> str:
    """Return what decides how often an amount comes: a kind of tick, the heartbeat, signals or orders."""
    if cause != "work":
        return cause
    if job == "publish_positions":
        return "order"
    if job == "record_events":
        return "signal"
    return "strategy" if job == EXECUTE else job


def _per_second(scenario: Scenario, profile: Profile, job: str, cause: str, name: str) -> float:
    """Return an amount of all connections together, at the pace of the measured runs."""
    each = profile.of_symbols(scenario.symbols, scenario.events, job, cause, name)
    if job not in SHARED_JOBS:
        return scenario.connections * each
    if scenario.connections == 0 and job != "heartbeat":
        return 0.0
    if job == "market":
        return each
    more = profile.of_engine(job, cause, name)
    # A stopped engine is read by every scan, but nothing is sent for it.
    idle = scenario.stopped if name in ("dynamodb.read_units", "cpu_seconds") else 0
    return max(0.0, each + (scenario.connections - 1 + idle) * more)


def _moments(scenario: Scenario, profile: Profile, job: str) -> float:
    """Return at how many distinct moments per second a job begins: those of one connection."""
    kind = _pace(job, "work")
    rate = _tick_rate(scenario, kind) if kind in TICK_KINDS else 1.0
    return rate * profile.of_symbols(scenario.symbols, scenario.events, job, "work", INVOCATIONS)


def billed_seconds(load: Load, megabytes: int, profile: Profile, assumptions: Assumptions) -> float:
    """Return the seconds Lambda charges for a job in a month, cold starts apart.

    Processor time grows as memory shrinks, because Lambda gives a share of a processor in proportion to it;
    waiting for AWS and the exchange does not. Requests for candles keep the exchange's rate limit.
    """
    slower = max(1.0, assumptions.full_processor_megabytes / megabytes)
    latency = assumptions.latency_seconds
    seconds = load.total("cpu_seconds") * slower + load.invocations * assumptions.runtime_seconds
    seconds += sum(load.total(calls) * latency[service] for service, calls in _CALLS.items())
    seconds += sum(load.total(name) * latency[name] for name in ("s3.get", "s3.put"))
    candle = max(
        1 / REQUESTS_PER_SECOND[assumptions.exchange],
        latency["exchange"] / assumptions.exchange_threads,
        profile.exchange_seconds["candles"] * slower,
    )
    ticker = latency["exchange"] + profile.exchange_seconds["tickers"] * slower
    return seconds + load.total("exchange.candles") * candle + load.total("exchange.tickers") * ticker
