"""What each function may do on AWS: data, of which `infra.policies` makes one policy per function and stage.

`calls` is what our code asks for: tests/infra/test_policies.py records every request of every function and
fails for one that is not allowed here and for a permission that no request needs. What Lambda does with a
function's role for itself (poll, log, trace) is in `infra.lambda_permissions`.

Region and account are `*` in the ARNs, because one document serves `chalice deploy`, which uploads it as it
is, and `chalice package`, and IAM puts in variables only behind the fifth colon of an ARN. The account is
pinned by a condition instead: what a function touches belongs to the account of its role. The region stays
open: the names of a stage are its own in every region.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Condition = Mapping[str, Mapping[str, str]]

OWN_ACCOUNT: Condition = {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}


@dataclass(frozen=True, slots=True)
class Only:
    """Where something is granted: in stages whose environment variable has this value, or has not."""

    variable: str
    value: str
    differs: bool = False

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Tell whether it is granted in a stage with these variables."""
        return (environment.get(self.variable) == self.value) != self.differs


KINESIS = Only("CTS_EVENTS", "audit", differs=True)
AUDIT = Only("CTS_EVENTS", "audit")
OWN_SECRET = Only("CTS_AUTH_ALGORITHM", "RS256", differs=True)
OWN_KEY = Only("CTS_KEY", "none", differs=True)


@dataclass(frozen=True, slots=True)
class Resource:
    """Something on AWS; `{stage}` and `{function}` in the ARN are filled in. A wider ARN has its `reason`."""

    sid: str
    arn: str
    condition: Condition = field(default_factory=lambda: OWN_ACCOUNT)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on one resource; everywhere, or `only` in some stages."""

    resource: Resource
    actions: tuple[str, ...]
    only: Only | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What calls a function: a queue or the stream of a table by its name without `cts-{stage}-`."""

    kind: Literal["schedule", "queue", "stream", "table", "api", "authorizer"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function: where its code is, what calls it, and what it calls."""

    handler: str
    trigger: Trigger
    calls: tuple[Grant, ...]
    only: Only | None = None


def table(name: str) -> Resource:
    """Return a table."""
    return Resource(name.title(), f"arn:aws:dynamodb:*:*:table/cts-{{stage}}-{name}")


def index(name: str, index_name: str) -> Resource:
    """Return an index; a query of it is checked on the index alone."""
    sid = name.title() + index_name.title().replace("_", "")
    return Resource(sid, f"{table(name).arn}/index/{index_name}")


def queue(name: str) -> Resource:
    """Return a queue."""
    return Resource(_sid(name), f"arn:aws:sqs:*:*:cts-{{stage}}-{name}")


def _sid(name: str) -> str:
    return name.removesuffix(".fifo").title().replace("-", "")


_BUCKET = "arn:aws:s3:::cts-{stage}-${aws:PrincipalAccount}-objects"
BUCKET = Resource("Bucket", _BUCKET, {})
CANDLES = Resource("CandleObjects", f"{_BUCKET}/candles/*", reason="an object per exchange and timeframe")
INDICATIONS = Resource("IndicationObjects", f"{_BUCKET}/indications/*", reason="an object per connection")
LADDER = Resource("LadderObjects", f"{_BUCKET}/ladder/*", reason="two objects per connection")
KEY = Resource(
    "CredentialsKey",
    "arn:aws:kms:*:*:key/*",
    {**OWN_ACCOUNT, "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/cts-{stage}"}},
    "AWS makes up the ids of keys, and takes no alias for a resource: the condition names it",
)
TOKEN_SECRET = Resource(
    "TokenSecret",
    "arn:aws:secretsmanager:*:*:secret:cts-{stage}-jwt-??????",
    reason="AWS puts six characters of its own behind the name",
)
EVENT_STREAM = Resource("EventStream", "arn:aws:kinesis:*:*:stream/cts-{stage}-events")


def on(resource: Resource, service: str, names: str, only: Only | None = None) -> Grant:
    """Return a grant of the actions in `names` of a service on a resource."""
    return Grant(resource, tuple(f"{service}:{name}" for name in names.split()), only)


def _items(name: str, operations: str, only: Only | None = None) -> Grant:
    return on(table(name), "dynamodb", operations, only)


def _query(name: str, index_name: str, only: Only | None = None) -> Grant:
    return on(index(name, index_name), "dynamodb", "Query", only)


def _objects(resource: Resource, operations: str) -> Grant:
    return on(resource, "s3", operations)


def _sends(name: str) -> Grant:
    return on(queue(name), "sqs", "SendMessage")


# Without this a missing object answers 403, which can't be told from a real refusal. S3 asks for it by itself
# while it answers GetObject, so nothing hangs on a condition here; the account is in the bucket's name.
_SEES_MISSING_OBJECTS = _objects(BUCKET, "ListBucket")

_EVENTS = (
    on(EVENT_STREAM, "kinesis", "PutRecords", KINESIS),
    _items("audit", "PutItem", AUDIT),
)

_TICK = (_items("engines", "GetItem UpdateItem"),)

# Looks every open order up at the venue, adopts what it says, sends again what is proved absent; asks for the
# trades that no order of ours explains.
_RECONCILIATION = (
    _query("orders", "open"),
    _query("orders", "by_time"),
    _items("orders", "UpdateItem"),
    _query("positions", "open"),
    _items("positions", "GetItem UpdateItem"),
    _items("paper", "GetItem PutItem Query UpdateItem"),
)

# The venue of a real account: its key, decrypted, and the rate limit that all processes share.
_LIVE = (
    on(KEY, "kms", "Decrypt", OWN_KEY),
    _items("connections", "GetItem", OWN_KEY),
    _items("limits", "GetItem UpdateItem", OWN_KEY),
)

# An engine pauses where its exchange refuses the key; if somebody stops it meanwhile, its session ends.
_REFUSED_KEY = (
    _items("sessions", "GetItem UpdateItem", OWN_KEY),
    _query("positions", "by_time", OWN_KEY),
    _items("audit", "PutItem", OWN_KEY),
)

# An order is stored together with its position under the fence of the engine's lease.
_NEW_ORDERS = (
    _items("engines", "ConditionCheckItem"),
    _items("orders", "PutItem"),
)

# Starting, stopping and settling: the API does it on command, the heartbeat for what died on its way.
_LIFECYCLE = (
    *_RECONCILIATION,
    _items("engines", "GetItem PutItem Scan UpdateItem"),
    _items("connections", "GetItem Query"),
    _items("sessions", "GetItem PutItem UpdateItem"),
    _items("orders", "GetItem"),
    _query("positions", "by_time"),
    _items("audit", "PutItem"),
    *_LIVE,
    _items("orders", "PutItem", OWN_KEY),
    _items("positions", "PutItem", OWN_KEY),
)

# Credentials go in by the API alone, and come out only for the venue of a real account.
_CREDENTIALS = (
    on(KEY, "kms", "Encrypt", OWN_KEY),
    _items("connections", "ConditionCheckItem", OWN_KEY),
)

# Looks at what died in a queue, gives it back to others' eyes, removes it, or sends it to its queue again.
_DEAD_LETTERS = tuple(
    grant
    for name, dead in (
        ("market-tick", "market-tick-dlq"),
        ("decision-tick", "decision-tick-dlq"),
        ("realtime-tick", "realtime-tick-dlq"),
        ("execute-signals.fifo", "execute-signals-dlq.fifo"),
    )
    for grant in (
        on(queue(dead), "sqs", "ChangeMessageVisibility DeleteMessage ReceiveMessage"),
        _sends(name),
    )
)

FUNCTIONS: Mapping[str, Function] = {
    "heartbeat": Function(
        "chalicelib.triggers.heartbeat.heartbeat",
        Trigger("schedule"),
        (*_LIFECYCLE, _sends("market-tick"), _sends("decision-tick"), _sends("realtime-tick")),
    ),
    "market_tick": Function(
        "chalicelib.triggers.market_tick.market_tick",
        Trigger("queue", "market-tick"),
        (
            _items("engines", "UpdateItem"),
            _objects(CANDLES, "GetObject PutObject"),
            _SEES_MISSING_OBJECTS,
        ),
    ),
    "decision_tick": Function(
        "chalicelib.triggers.decision_tick.decision_tick",
        Trigger("queue", "decision-tick"),
        (
            *_TICK,
            *_EVENTS,
            _objects(CANDLES, "GetObject"),
            _objects(INDICATIONS, "GetObject PutObject"),
            _objects(LADDER, "GetObject PutObject"),
            _SEES_MISSING_OBJECTS,
            _sends("execute-signals.fifo"),
        ),
    ),
    "realtime_tick": Function(
        "chalicelib.triggers.realtime_tick.realtime_tick",
        Trigger("queue", "realtime-tick"),
        (
            *_TICK,
            _items("engines", "Scan"),
            *_RECONCILIATION,
            *_NEW_ORDERS,
            *_LIVE,
            *_REFUSED_KEY,
            _items("orders", "GetItem", OWN_KEY),
        ),
    ),
    "execute_signals": Function(
        "chalicelib.triggers.execute_signals.execute_signals",
        Trigger("queue", "execute-signals.fifo"),
        (
            *_TICK,
            *_RECONCILIATION,
            *_NEW_ORDERS,
            *_LIVE,
            *_REFUSED_KEY,
            _items("positions", "PutItem"),
            _items("signals", "BatchGetItem PutItem"),
            _objects(CANDLES, "GetObject"),
            _SEES_MISSING_OBJECTS,
            _query("positions", "by_time"),
        ),
    ),
    "record_events": Function(
        "chalicelib.triggers.record_events.record_events",
        Trigger("stream", "events"),
        (_items("audit", "PutItem"),),
        only=KINESIS,
    ),
    "publish_positions": Function(
        "chalicelib.triggers.publish_positions.publish_positions", Trigger("table", "positions"), _EVENTS
    ),
    "authorize": Function(
        "chalicelib.triggers.api.authorizer.authorize",
        Trigger("authorizer"),
        (on(TOKEN_SECRET, "secretsmanager", "GetSecretValue", OWN_SECRET),),
    ),
    "api_handler": Function(
        "app.app",
        Trigger("api"),
        (
            *_LIFECYCLE,
            _items("engines", "DeleteItem"),
            _items("connections", "DeleteItem PutItem"),
            *_CREDENTIALS,
            *_DEAD_LETTERS,
            _objects(INDICATIONS, "DeleteObject"),
            _objects(LADDER, "DeleteObject GetObject"),
            _SEES_MISSING_OBJECTS,
            _query("orders", "by_time"),
            _query("sessions", "by_time"),
            _items("signals", "Query"),
            _items("audit", "Query"),
        ),
    ),
}
