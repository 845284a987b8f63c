"""What a deployed stage must do: from a token and a schedule to an order, an audit entry, a dead letter."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from chalicelib.domain.ids import digest
from chalicelib.domain.messages import Event, SignalBatch
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.messaging.codec import encode
from chalicelib.settings import DEFAULT_TENANT, Settings, dead_letter_queue

CONNECTION = "paper-1"
SYMBOL = "BTC/USDT"
_MINUTES = 240.0
"""A schedule fires once a minute; some of them and the ticks they send, on a busy machine."""
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """One stage as it is reached from outside: its API with a token, and clients of its services."""

    settings: Settings
    api: str
    token: str
    clients: Mapping[str, Any]

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> requests.Response:
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return requests.request(method, f"{self.api}{path}", json=body, headers=headers, timeout=60)

    def data(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()["data"]


def rest_answers_only_to_a_valid_token(stage: Deployed) -> None:
    """Without one 401, with a wrong one 401 or 403, with ours the envelope."""
    assert stage.call("GET", "/trade-engine/status", token="").status_code in (401, 403)
    forged = stage.token[:-6] + ("A" * 6 if not stage.token.endswith("AAAAAA") else "B" * 6)
    assert stage.call("GET", "/trade-engine/status", token=forged).status_code in (401, 403)
    answer = stage.call("GET", "/trade-engine/status")
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True


def a_connection_is_created_and_started(stage: Deployed) -> None:
    """Its credentials go in and never come out."""
    secret = "canary-" + digest("secret")
    wish = {
        "connection_id": CONNECTION,
        "exchange": "binance",
        "symbols": [SYMBOL, "ETH/USDT"],
        "timeframe": "1m",
        "intervals": {"strategy": 60},
        "credentials": {"api_key": "canary-key", "secret": secret},
    }
    created = stage.call("POST", "/connections", wish)
    assert created.status_code == 201, created.text
    assert "canary" not in created.text + stage.call("GET", f"/connections/{CONNECTION}").text
    for path in ("/trade-engine/start", f"/trade-engine/{CONNECTION}/start"):
        started = stage.call("POST", path)
        assert started.status_code in (200, 409), (path, started.text)
    status = stage.data(f"/trade-engine/{CONNECTION}/status")
    assert status["status"] == "running", status


def the_schedule_becomes_ticks_of_every_kind(stage: Deployed) -> None:
    """The rule fires, the queues deliver, candles come from the exchange and are decided on."""

    def done() -> bool:
        item = _engine_item(stage, DEFAULT_TENANT, f"engine#{CONNECTION}")
        coordinator = _engine_item(stage, DEFAULT_TENANT, "coordinator")
        beats = {name.removeprefix("beat_") for name in item if name.startswith("beat_")}
        fresh = int(item.get("f_last_candle", {"S": "0"})["S"]) > time.time() - 600
        return {"indication", "strategy", "realtime"} <= beats and fresh and "beat_health" in coordinator

    _wait("ticks of every kind", done, _MINUTES)


def a_signal_in_the_queue_becomes_an_order_at_the_paper_venue(stage: Deployed) -> None:
    """SQS FIFO to the executor: one order, filled; the position is open, its change is in the audit log."""
    now = time.time()
    signal = Signal(
        signal_id=f"{SYMBOL}-deployed-{int(now)}",
        connection_id=CONNECTION,
        symbol=SYMBOL,
        action="enter",
        direction="long",
        source="vote",
        strategy="combined",
        confidence=0.9,
        price=Decimal("61437.99"),
        candle_time=int(now // 60 * 60),
        created_at=now,
        correlation_id="deployed/signal",
        exits=ExitProfile(),
    )
    batch = SignalBatch(DEFAULT_TENANT, CONNECTION, "deployed/signal", (signal,))
    queue = stage.settings.execute_queue
    sqs = stage.clients["sqs"]
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"],
        MessageBody=encode(batch),
        MessageGroupId=f"{DEFAULT_TENANT}#{CONNECTION}",
        MessageDeduplicationId=signal.signal_id,
    )

    def filled() -> bool:
        orders = [o for o in stage.data("/orders")["items"] if o["correlation_id"].startswith("deployed/")]
        assert len(orders) <= 1
        return bool(orders) and orders[0]["state"] == "FILLED"

    _wait("the order is filled", filled, _SECONDS)
    (position,) = [p for p in stage.data("/positions")["items"] if p["symbol"] == SYMBOL]
    assert position["state"] == "open"
    assert Decimal(position["quantity"]) > 0
    _wait("the position's change is in the audit log", lambda: _audited(stage, "positionUpdate"), _SECONDS)


def a_record_of_the_stream_is_audited(stage: Deployed) -> None:
    """Kinesis to the recorder."""
    event = Event("deployed-1", "deployedProbe", DEFAULT_TENANT, CONNECTION, time.time(), "deployed/event")
    stage.clients["kinesis"].put_record(
        StreamName=stage.settings.stream, Data=encode(event).encode(), PartitionKey="deployed"
    )
    _wait("the event is in the audit log", lambda: _audited(stage, "deployedProbe"), _SECONDS)


def a_poison_message_ends_in_the_dead_letter_queue(stage: Deployed) -> None:
    """Refused as often as the redrive policy says, then put aside."""
    sqs = stage.clients["sqs"]
    queue = stage.settings.tick_queue("realtime")
    address = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    # Five deliveries a minute apart are five minutes: the redrive policy is what is tested, not patience.
    sqs.set_queue_attributes(QueueUrl=address, Attributes={"VisibilityTimeout": "1"})
    sqs.send_message(QueueUrl=address, MessageBody="no tick at all")
    dead = sqs.get_queue_url(QueueName=dead_letter_queue(queue))["QueueUrl"]

    def arrived() -> bool:
        found = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return any(message["Body"] == "no tick at all" for message in found.get("Messages", ()))

    _wait("the poison message is in the dead-letter queue", arrived, _SECONDS)
    sqs.set_queue_attributes(QueueUrl=address, Attributes={"VisibilityTimeout": "60"})


JOURNEY: tuple[Callable[[Deployed], None], ...] = (
    rest_answers_only_to_a_valid_token,
    a_connection_is_created_and_started,
    the_schedule_becomes_ticks_of_every_kind,
    a_signal_in_the_queue_becomes_an_order_at_the_paper_venue,
    a_record_of_the_stream_is_audited,
    a_poison_message_ends_in_the_dead_letter_queue,
)


def _engine_item(stage: Deployed, tenant: str, name: str) -> dict[str, Any]:
    key = {"pk": {"S": tenant}, "sk": {"S": name}}
    found = stage.clients["dynamodb"].get_item(TableName=stage.settings.table("engines"), Key=key)
    item: dict[str, Any] = found.get("Item", {})
    return item


def _audited(stage: Deployed, action: str) -> bool:
    return any(entry["action"] == action for entry in stage.data("/audit?limit=100")["items"])


def _wait(what: str, happened: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if happened():
            return
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")
