"""The monthly bill of a scenario: quantities times list prices, line by line; used by `cts cost`.

Quantities are floats, as measured; money is Decimal and only rounded to cents where it is shown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from chalicelib.domain.cadence import TICK_QUEUES
from chalicelib.operations.cost.data import Assumptions, PriceTable
from chalicelib.operations.cost.scenario import Scenario
from chalicelib.operations.cost.usage import Activity, Profile
from chalicelib.operations.cost.workload import (
    EXECUTE,
    Load,
    Workload,
    billed_seconds,
    function_of,
    workload,
)

_GIGA = 1e9
_TAKEN = 1.5
"""Requests that take a message out of a queue: a deletion, and a poll cut short, on average by half of it."""

_CAUSES = {
    "work": "leases, beats and state of engines",
    "signal": "signals and events",
    "order": "orders, positions, paper account",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """What all bills of one command are made from."""

    prices: PriceTable
    profile: Profile
    assumptions: Assumptions
    activity: Activity | None = None
    always_free: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a quantity of what `price` names; `cost` in USD, after what is free of it."""

    service: str
    what: str
    price: str
    quantity: float
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bill:
    """The lines of one month."""

    scenario: Scenario
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        return sum((line.cost for line in self.lines), Decimal(0))

    def by_service(self) -> dict[str, Decimal]:
        """Return the cost per service, dearest first."""
        sums: dict[str, Decimal] = {}
        for line in self.lines:
            sums[line.service] = sums.get(line.service, Decimal(0)) + line.cost
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def make_bill(scenario: Scenario, basis: Basis) -> Bill:
    """Return the bill of a month; always-free amounts are used up in the order of the lines."""
    load = workload(scenario, basis.profile, basis.assumptions, basis.activity)
    lines = tuple(_lines(scenario, load, basis))
    return Bill(scenario, tuple(_charged(lines, basis)))


def _charged(lines: Iterable[Line], basis: Basis) -> Iterator[Line]:
    left = dict(basis.prices.always_free) if basis.always_free else {}
    for line in lines:
        price = basis.prices[line.price]
        quantity = Decimal(str(round(line.quantity, 9)))
        free = min(quantity, left.get(price.allowance, Decimal(0)))
        if price.allowance in left:
            left[price.allowance] -= free
        yield replace(line, cost=(quantity - free) * price.amount / price.per)


def _lines(scenario: Scenario, load: Workload, basis: Basis) -> Iterator[Line]:
    assumptions = basis.assumptions
    yield from _functions(scenario, load, basis)
    yield from _tables(load, assumptions)
    yield from _queues(load, assumptions)
    yield from _objects(load)
    yield from _stream(scenario, load, assumptions)
    yield from _watching(scenario, load, assumptions)
    yield from _access(scenario, assumptions)
    yield Line("EventBridge", "heartbeats", "eventbridge.schedules", _invocations(load, "heartbeat"))
    requests = load.total("exchange.candles") + load.total("exchange.tickers")
    sent = requests * assumptions.exchange_request_bytes / _GIGA
    yield Line("Data transfer", "requests to the exchange", "transfer.out", sent)


def _functions(scenario: Scenario, load: Workload, basis: Basis) -> Iterator[Line]:
    assumptions, api = basis.assumptions, basis.assumptions.api_requests
    requests = sum(job.invocations for job in load.loads) + api * (1 + assumptions.api_authorizer_share)
    yield Line("Lambda", "requests", "lambda.requests", requests)
    key = f"lambda.gb_seconds.{scenario.architecture}"
    functions = dict.fromkeys(job.function for job in load.loads)
    for function in functions:
        megabytes = _memory(scenario, assumptions, function)
        seconds = sum(
            billed_seconds(job, megabytes, basis.profile, assumptions)
            for job in load.loads
            if job.function == function
        )
        yield Line("Lambda", f"{function}, {megabytes} MB", key, seconds * megabytes / 1024)
    megabytes = _memory(scenario, assumptions, "api_handler")
    seconds = api * assumptions.api_seconds * (1 + assumptions.api_authorizer_share)
    yield Line("Lambda", f"api_handler and authorizer, {megabytes} MB", key, seconds * megabytes / 1024)
    starts = assumptions.month_hours / assumptions.container_hours
    gigabytes = sum(_memory(scenario, assumptions, name) for name in functions) / 1024
    yield Line("Lambda", "cold starts", key, starts * assumptions.cold_start_seconds * gigabytes)


def _memory(scenario: Scenario, assumptions: Assumptions, function: str) -> int:
    known = {**assumptions.memory_megabytes, **scenario.memory}
    return known.get(function, known["*"])


def _tables(load: Workload, assumptions: Assumptions) -> Iterator[Line]:
    for cause, what in _CAUSES.items():
        units = load.total("dynamodb.write_units", cause)
        yield Line("DynamoDB", f"writes: {what}", "dynamodb.write_units", units)
    reads = load.total("dynamodb.read_units") + assumptions.api_requests * assumptions.api_reads
    yield Line("DynamoDB", "reads", "dynamodb.read_units", reads)
    months = assumptions.kept_days / assumptions.month_days
    kept = max(0.0, load.total("dynamodb.growth_bytes")) * months / _GIGA
    yield Line("DynamoDB", f"storage of {assumptions.kept_days:g} days", "dynamodb.storage", kept)
    yield Line("DynamoDB", "point-in-time recovery of it", "dynamodb.recovery", kept)


def _queues(load: Workload, assumptions: Assumptions) -> Iterator[Line]:
    minutes = assumptions.month_hours * 60
    polls = assumptions.pollers * assumptions.polls_per_minute * minutes
    queues = len(set(TICK_QUEUES.values()))
    ticks = sum(job.of("work", "records") for job in load.loads if job.job in TICK_QUEUES)
    batches = sum(job.of("work", "records") for job in load.loads if job.job == EXECUTE)
    yield Line("SQS", f"idle polls of {queues} tick queues", "sqs.standard", queues * polls)
    yield Line("SQS", "idle polls of the signal queue", "sqs.fifo", polls)
    yield Line("SQS", "ticks sent", "sqs.standard", load.total("sqs.standard"))
    yield Line("SQS", "ticks received and deleted", "sqs.standard", _TAKEN * ticks)
    signals = load.total("sqs.fifo") + _TAKEN * batches
    yield Line("SQS", "signals sent, received, deleted", "sqs.fifo", signals)


def _objects(load: Workload) -> Iterator[Line]:
    yield Line("S3", "snapshots and candles written", "s3.put", load.total("s3.put"))
    yield Line("S3", "snapshots and candles read", "s3.get", load.total("s3.get"))
    yield Line("S3", "storage", "s3.storage", load.stored_object_bytes / _GIGA)


def _stream(scenario: Scenario, load: Workload, assumptions: Assumptions) -> Iterator[Line]:
    if scenario.events != "kinesis":
        return
    yield Line("Kinesis", "one shard", "kinesis.shard_hours", assumptions.month_hours)
    yield Line("Kinesis", "events put", "kinesis.put_units", load.total("kinesis.put_units"))


def _watching(scenario: Scenario, load: Workload, assumptions: Assumptions) -> Iterator[Line]:
    yield Line("CloudWatch", "custom metrics", "cloudwatch.metrics", assumptions.metrics)
    yield Line("CloudWatch", "alarms", "cloudwatch.alarms", assumptions.alarms)
    if scenario.dashboard:
        yield Line("CloudWatch", "dashboard", "cloudwatch.dashboards", assumptions.dashboards)
    logged = load.total("log_bytes") / _GIGA
    yield Line("CloudWatch", "log lines taken in", "cloudwatch.log_ingestion", logged)
    kept = logged * assumptions.log_days / assumptions.month_days
    yield Line("CloudWatch", f"logs of {assumptions.log_days:g} days", "cloudwatch.log_storage", kept)
    if scenario.tracing:
        yield Line("X-Ray", "traces", "xray.traces", _traces(load, assumptions))


def _traces(load: Workload, assumptions: Assumptions) -> float:
    """Return the traces recorded: the first invocation of a second, and a twentieth of all others.

    Messages of a traced heartbeat carry its decision, so that then every tick is recorded.
    """
    traced = assumptions.traced
    people = assumptions.api_requests if "api_handler" in traced else 0
    return people + sum(_recorded(job, traced) for job in load.loads)


def _recorded(job: Load, traced: Iterable[str]) -> float:
    if job.job in TICK_QUEUES and "heartbeat" in traced:
        return job.invocations
    if job.function not in traced:
        return 0.0
    first = min(job.invocations, job.moments)
    return first + (job.invocations - first) / 20


def _access(scenario: Scenario, assumptions: Assumptions) -> Iterator[Line]:
    yield Line("API Gateway", "requests of people", "apigateway.requests", assumptions.api_requests)
    starts = assumptions.month_hours / assumptions.container_hours
    if scenario.key == "kms":
        yield Line("KMS", "key of exchange credentials", "kms.keys", 1)
        yield Line("KMS", "credentials decrypted at cold starts", "kms.requests", 2 * starts)
    if scenario.auth == "hs256":
        yield Line("Secrets Manager", "secret that signs tokens", "secrets.secrets", 1)
        yield Line("Secrets Manager", "secret read at cold starts", "secrets.requests", starts)


def _invocations(load: Workload, function: str) -> float:
    return sum(job.invocations for job in load.loads if function_of(job.job) == function)
