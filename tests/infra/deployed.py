"""A deployed stage on an emulated AWS inside this process: resources, a clock, a market, Lambda functions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.session import get_session
from chalice.local import RouteMatcher
from moto import mock_aws

from chalicelib import wiring
from chalicelib.domain.market import Ticker
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.errors import Retryable
from chalicelib.exchanges.ccxt_public import PublicFeed
from chalicelib.flows.world import World
from chalicelib.local.event_shapes import queue_event, scheduled_event, stream_event, table_event
from chalicelib.local.resources import create_resources
from chalicelib.local.simulator import MarketSimulator
from chalicelib.messaging.codec import encode
from chalicelib.settings import Settings, from_environment
from chalicelib.stores.credentials import NO_KEY
from chalicelib.triggers.api import authorizer
from chalicelib.triggers.api.auth_settings import secret_name
from infra.permissions import FUNCTIONS
from tests.fakes.core import FakeExchange
from tests.flows.desk import T0, CountingMetrics
from tests.infra.iam_needs import ACCOUNT, KEY_ALIASES, REGION, SECRET_ARNS
from tests.infra.recorder import Recorder

SECRET = "s" * 64
LIVE_EXCHANGE = "bybit"
"""Where live connections trade; paper ones use the simulated market under the name of another exchange."""


class SteeredMarket(MarketSimulator):
    """The simulated market, in which the test may set a price."""

    def __init__(self) -> None:
        super().__init__(7, Decimal("0.0004"))
        self.prices: dict[str, Decimal] = {}
        self.down = False

    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]:
        if self.down:
            raise Retryable("the exchange is away")
        return {
            symbol: Ticker(symbol, price, price, price, now) if price else ticker
            for symbol, ticker in super().tickers(symbols, now).items()
            for price in [self.prices.get(symbol)]
        }


class Deployed:
    """What a scenario works with; only what happens inside a function's invocation is recorded."""

    def __init__(self, recorder: Recorder, settings: Settings, clients: Mapping[str, Any]) -> None:
        self.recorder = recorder
        self.settings = settings
        self.clients = clients
        self.now = float(T0)
        self.market = SteeredMarket()
        self.exchange: FakeExchange | None = None
        """Where live connections trade while one is served."""
        self.metrics = CountingMetrics()
        table = clients["dynamodb"].describe_table(TableName=settings.table("positions"))["Table"]
        self.position_stream: str = table["LatestStreamArn"]
        self.cold()

    def cold(self) -> World:
        """Start a new container: nothing is warm."""
        overrides = wiring.Overrides(
            now=lambda: self.now,
            owner=lambda: "owner",
            feed=self._feed,
            metrics=self.metrics,
            sleep=self.let_pass,
        )
        self.world = self.recorder.traced(wiring.build(self.settings, overrides))
        wiring.use(self.world)
        return self.world

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the stage and for the exchange."""
        self.now += seconds
        if self.exchange is not None:
            self.exchange.now = self.now

    def _feed(self, name: str) -> Any:
        """Return the market data of a live connection's exchange from there, all other from the simulator."""
        if name != LIVE_EXCHANGE:
            return self.market
        return PublicFeed(name, sleep=self.let_pass, clock=lambda: self.now)

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call a function the way Lambda does: by its handler, with an event and a context."""
        module, _, name = FUNCTIONS[function].handler.rpartition(".")
        with self.recorder.of(function):
            return getattr(import_module(module), name)(event, None)

    def ticks(self, function: str, *ticks: Tick) -> int:
        """Deliver ticks; return how many are to be delivered again."""
        queue = self.settings.tick_queue(function.removesuffix("_tick"))
        return self._delivered(function, queue, [encode(tick) for tick in ticks])

    def signals(self, batch: SignalBatch) -> int:
        """Deliver a batch of signals; return how many are to be delivered again."""
        group = f"{batch.tenant}#{batch.connection_id}"
        return self._delivered("execute_signals", self.settings.execute_queue, [encode(batch)], group)

    def heartbeat(self) -> Any:
        return self.invoke("heartbeat", scheduled_event("heartbeat", REGION, self.now))

    def authorize(self, header: str) -> Any:
        """Ask the authorizer about a header `Authorization`."""
        arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api/api/GET/connections"
        return self.invoke("authorize", {"type": "TOKEN", "authorizationToken": header, "methodArn": arn})

    def stream(self, records: Sequence[Mapping[str, Any]]) -> Any:
        """Deliver records of the event stream."""
        event = stream_event(self.settings.stream, "shardId-000000000000", REGION, records)
        return self.invoke("record_events", event)

    def changes(self, records: Sequence[Mapping[str, Any]]) -> Any:
        """Deliver records of the positions table's stream."""
        return self.invoke("publish_positions", table_event(self.position_stream, REGION, records))

    def api(self, method: str, path: str, body: Any = None, **parameters: str) -> tuple[int, Any]:
        """Call the API the way API Gateway does; return status and the answer's data or error code."""
        answer = self.invoke("api_handler", self._request(method, path, body, parameters))
        content = json.loads(answer["body"])
        return answer["statusCode"], content["data"] if content["success"] else content["code"]

    def data(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """Call the API and return the data of its answer, which must be one."""
        status, data = self.api(method, path, body, **parameters)
        assert status in (200, 201), f"{method} {path} answered {status} {data}"
        return data

    def _delivered(self, function: str, queue: str, bodies: Sequence[str], group: str = "") -> int:
        attributes = {"ApproximateReceiveCount": "1", **({"MessageGroupId": group} if group else {})}
        messages = [
            {"MessageId": f"m{number}", "ReceiptHandle": "r", "Body": body, "Attributes": attributes}
            for number, body in enumerate(bodies)
        ]
        answer = self.invoke(function, queue_event(queue, REGION, messages))
        return len(answer["batchItemFailures"])

    def _request(self, method: str, path: str, body: Any, parameters: Mapping[str, str]) -> dict[str, Any]:
        from app import app

        query = f"?{urlencode(parameters)}" if parameters else ""
        matched = RouteMatcher(list(app.routes)).match_route(f"{path}{query}")
        return {
            "requestContext": {
                "resourcePath": matched.route,
                "httpMethod": method,
                "requestId": "request",
                "path": path,
                "authorizer": {"tenant": "default", "subject": "ann", "roles": "admin"},
            },
            "path": path,
            "headers": {"content-type": "application/json"},
            "multiValueQueryStringParameters": matched.query_params or None,
            "pathParameters": matched.captured or None,
            "stageVariables": None,
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }


@contextmanager
def deployed(environment: Mapping[str, str], recorder: Recorder) -> Iterator[Deployed]:
    """Deploy a stage with the environment variables of its configuration."""
    present = {
        **environment,
        "CTS_ACCOUNT": ACCOUNT,
        "CTS_AUTH_ALGORITHM": "HS256",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch, mock_aws(), recorder.installed():
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        for name, value in present.items():
            patch.setenv(name, value)
        settings = from_environment()
        clients = {
            name: get_session().create_client(name, REGION)
            for name in ("dynamodb", "sqs", "kinesis", "s3", "kms", "secretsmanager")
        }
        create_resources(settings, clients)
        if settings.key != NO_KEY:
            _create_key(clients["kms"], settings.key)
        _create_secret(clients["secretsmanager"], secret_name(settings.stage))
        authorizer._verifier.cache_clear()
        try:
            yield Deployed(recorder, settings, clients)
        finally:
            wiring.use(None)


def _create_key(client: Any, alias: str) -> None:
    key = client.create_key()["KeyMetadata"]
    client.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    KEY_ALIASES[key["Arn"]] = (alias,)


def _create_secret(client: Any, name: str) -> None:
    SECRET_ARNS[name] = client.create_secret(Name=name, SecretString=SECRET)["ARN"]
