"""The REST API through the Chalice app: routes, envelopes, wrong requests, and a life of one engine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory
from chalice.deploy.validate import validate_configuration
from chalice.test import Client

from app import app
from chalicelib import wiring
from chalicelib.domain.connection import Connection
from chalicelib.flows.world import World
from tests.flows.lifecycles import resting
from tests.flows.worlds import Memory, memory_world, with_connections
from tests.triggers.tokens import SECRET, bearer

JSON = {"Content-Type": "application/json"}
WISH = {"connection_id": "main", "exchange": "binance", "symbols": ["BTC/USDT"]}


class Api:
    """The API over a world in memory, asked with a valid token."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.client = Client(app)
        self.token = bearer(subject="ann")

    def world(self) -> World:
        return wiring.world()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**JSON, **self.token, **named}
        answer = self.client.http.request(method, path, headers=sent, body=raw)
        return answer.status_code, answer.json_body

    def data(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        status, answer = self.ask(method, path, body, **headers)
        created = (method, path) == ("POST", "/connections")
        assert (status, answer["success"]) == (201 if created else 200, True), answer
        assert answer.keys() == {"success", "message", "data"}
        return answer["data"]

    def refusal(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str]:
        status, answer = self.ask(method, path, body, **headers)
        assert answer.keys() == {"success", "error", "details", "code"}
        assert not answer["success"]
        assert "\n" not in answer["error"]
        return status, answer["code"], answer["error"]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("CTS_STAGE", "local")
    monkeypatch.setenv("CTS_AUTH_LOCAL_SECRET", SECRET)
    memory = Memory()
    wiring.use(memory_world(memory))
    yield Api(memory)
    wiring.use(None)


def test_a_life_of_one_engine(api: Api) -> None:
    made = api.data("POST", "/connections", WISH)
    assert made["symbols"] == ["BTC/USDT"]
    assert made == api.data("GET", "/connections/main")
    assert api.data("GET", "/connections")["items"] == [made]
    for word, status in [
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("restart", "running"),
        ("stop", "stopped"),
    ]:
        assert api.data("POST", f"/trade-engine/main/{word}")["status"] == status
        assert api.data("GET", "/trade-engine/main/status")["status"] == status
    assert len(api.data("GET", "/sessions?connection_id=main&status=ended")["items"]) == 2
    logs = api.data("GET", "/trade-engine/main/logs?limit=500")["items"]
    assert [entry["after"] for entry in logs[::-1]][-2:] == ["stopping", "stopped"]
    assert len(logs) == 1 + 2 + 2 + 2 + 4 + 2
    assert api.data("DELETE", "/connections/main") == {"deleted": "main"}
    assert api.refusal("GET", "/connections/main")[:2] == (404, "NOT_FOUND")


def test_a_life_of_all_engines(api: Api) -> None:
    with_connections(api.world(), "a", "b")
    for word, status in [
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("restart", "running"),
        ("stop", "stopped"),
    ]:
        seen = api.data("POST", f"/trade-engine/{word}")
        assert seen["coordinator"]["status"] == status
        engines = "running" if status == "paused" else status
        assert [engine["status"] for engine in seen["engines"]] == [engines] * 2
        trading = status == "running"
        assert [engine["trading"] for engine in seen["engines"]] == [trading] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/trade-engine/status",
        "/trade-engine/health",
        "/trade-engine/metrics",
        "/trade-engine/main/status",
        "/trade-engine/main/metrics",
        "/trade-engine/main/logs",
        "/connections",
        "/connections/main",
        "/positions",
        "/orders",
        "/signals",
        "/sessions",
        "/audit",
    ],
)
def test_every_address_to_read_answers_and_refuses_unknown_parameters(api: Api, path: str) -> None:
    with_connections(api.world(), "main")
    assert api.data("GET", path)
    status, code, error = api.refusal("GET", f"{path}?colour=red")
    assert (status, code) == (400, "BAD_REQUEST")
    assert error.startswith("unknown parameter 'colour'")


def test_a_forbidden_command_is_409_with_the_allowed_ones(api: Api) -> None:
    with_connections(api.world(), "main")
    assert api.refusal("POST", "/trade-engine/main/pause") == (
        409,
        "CONFLICT",
        "engine 'main' is stopped, which does not allow pause; allowed now: start",
    )
    assert api.refusal("POST", "/trade-engine/resume") == (
        409,
        "CONFLICT",
        "the coordinator is stopped, which does not allow resume; allowed now: start",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/trade-engine/nope/start"),
        ("GET", "/trade-engine/nope/status"),
        ("GET", "/trade-engine/nope/metrics"),
        ("GET", "/trade-engine/nope/logs"),
        ("GET", "/connections/nope"),
        ("DELETE", "/connections/nope"),
        ("GET", "/positions?connection_id=nope"),
        ("GET", "/ladder?connection_id=nope"),
    ],
)
def test_an_unknown_connection_is_404(api: Api, method: str, path: str) -> None:
    assert api.refusal(method, path) == (
        404,
        "NOT_FOUND",
        "no connection 'nope'; GET /connections lists those that exist",
    )


def test_an_unknown_command_is_404_with_the_known_ones(api: Api) -> None:
    with_connections(api.world(), "main")
    status, _, error = api.refusal("POST", "/trade-engine/main/explode")
    assert (status, error) == (404, "no command 'explode': use one of start, stop, pause, resume, restart")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is not valid JSON"),
        (b"{", "the body is not valid JSON"),
        (b"\xff", "the body is not valid JSON"),
        (b"[" * 60000, "the body is not valid JSON"),
        (b'{"position_cost": NaN}', "NaN is not a number in JSON"),
        (b'{"position_cost": -Infinity}', "-Infinity is not a number in JSON"),
        (b'{"risk": {"cooldown": 1e999}}', "a number is too large"),
        (b'{"intervals": {"market": 1' + b"0" * 400 + b"}}", "a number is too large"),
        (b'{"intervals": {"market": -9007199254740993}}', "a number is too large"),
        (b" " * 70000, "the body has 70000 bytes: send at most 65536"),
        (b"[]", "the body is a JSON list: send a JSON object"),
        (b'"text"', "the body is a JSON string: send a JSON object"),
        (b"7", "the body is a JSON number: send a JSON object"),
        (b"null", "the body is a JSON null: send a JSON object"),
        (b"true", "the body is a JSON boolean: send a JSON object"),
        (b"{}", "connection lacks the field 'connection_id'"),
        ({**WISH, "symbols": ["NOPE/USDT"]}, "no symbol 'NOPE/USDT'"),
        ({**WISH, "tenant": "other"}, "connection.tenant is set by the server"),
    ],
)
def test_a_wrong_body_is_400_and_stores_nothing(api: Api, body: Any, text: str) -> None:
    status, _, error = api.refusal("POST", "/connections", body)
    assert status == 400
    assert text in error
    assert not api.memory.tables.connections
    assert not api.memory.tables.engines


def test_the_same_connection_again_is_the_same_and_another_is_409(api: Api) -> None:
    assert api.data("POST", "/connections", WISH) == api.data("POST", "/connections", WISH)
    assert api.refusal("POST", "/connections", {**WISH, "name": "x"})[:2] == (409, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/positions?limit=0", "limit must be a whole number from 1 to 500, not '0'"),
        ("/positions?limit=", "limit must be a whole number"),
        ("/positions?status=lost", "unknown status 'lost'"),
        ("/positions?cursor=garbage", "cursor 'garbage'"),
        ("/positions?limit=1&limit=2", "parameter 'limit' is given more than once"),
        ("/trade-engine/main/logs?symbol=x", "unknown parameter 'symbol'"),
        ("/ladder", "parameter connection_id is missing: every connection has a ladder of its own"),
        ("/ladder?connection_id=", "parameter connection_id is missing"),
        ("/ladder?connection=main", "unknown parameter 'connection': the ladder takes connection_id, level"),
        ("/ladder?connection_id=main&connection_id=other", "'connection_id' is given more than once"),
        ("/ladder?connection_id=main&level=best", "unknown level 'best': use one of base, main, real"),
        ("/ladder?connection_id=main&limit=501", "limit must be a whole number from 1 to 500, not '501'"),
        ("/ladder?connection_id=main&limit=1e2", "limit must be a whole number from 1 to 500"),
    ],
)
def test_a_wrong_parameter_is_400(api: Api, path: str, text: str) -> None:
    with_connections(api.world(), "main")
    status, _, error = api.refusal("GET", path)
    assert status == 400
    assert text in error


def test_a_connection_without_a_ladder_is_409_with_what_to_do(api: Api) -> None:
    with_connections(api.world(), "main")
    asked = ("GET", "/ladder?connection_id=main")
    has_none = "connection 'main' has no ladder yet: "
    assert api.refusal(*asked) == (409, "CONFLICT", f"{has_none}start its engine")
    api.data("POST", "/trade-engine/main/start")
    status, _, error = api.refusal(*asked)
    assert (status, error) == (
        409,
        f"{has_none}its first snapshot comes with the first strategy tick of its engine, which is running",
    )


def test_pages_follow_each_other_through_the_api(api: Api) -> None:
    world = with_connections(api.world(), "main")
    for number in range(5):
        resting(world, "50000", number)
    first = api.data("GET", "/orders?limit=3&status=pending")
    second = api.data("GET", f"/orders?limit=3&status=pending&cursor={first['cursor']}")
    names = [order["client_order_id"] for order in first["items"] + second["items"]]
    assert sorted(names) == [f"cts-{number}" for number in range(5)]
    assert second["cursor"] is None


def test_the_callers_correlation_id_goes_into_the_audit_log(api: Api) -> None:
    with_connections(api.world(), "main")
    api.data("POST", "/trade-engine/main/start", X_Correlation_Id="ticket-7")
    newest = api.data("GET", "/trade-engine/main/logs")["items"][0]
    assert (newest["after"], newest["correlation_id"], newest["actor"]) == ("running", "ticket-7", "ann")
    assert api.refusal("POST", "/trade-engine/main/stop", X_Correlation_Id="a b")[0] == 400
    api.data("POST", "/trade-engine/main/stop")
    stop, start = (api.data("GET", "/trade-engine/main/logs")["items"][n]["correlation_id"] for n in (0, 2))
    assert stop not in ("", start)


def test_an_engine_that_cannot_start_answers_with_the_reason(api: Api) -> None:
    def away(_: Connection) -> Any:
        raise RuntimeError("no route to the venue")

    with_connections(api.world(), "main")
    wiring.use(memory_world(api.memory, venue=away))
    status, code, error = api.refusal("POST", "/trade-engine/main/start")
    assert (status, code) == (500, "HALT")
    assert error == (
        "engine 'main' went into error: RuntimeError: no route to the venue;"
        " remove the cause, then start it again"
    )
    assert api.data("GET", "/trade-engine/main/status")["status"] == "error"
    assert api.data("GET", "/trade-engine/health")["health"] == "unhealthy"


def test_an_unexpected_failure_tells_nothing_of_the_inside(api: Api) -> None:
    wiring.use(memory_world(api.memory, engines=object()))  # type: ignore[arg-type]
    status, code, error = api.refusal("GET", "/trade-engine/status")
    assert (status, code, error) == (500, "INTERNAL", "unexpected error; see the log of this request")


def test_the_routes_are_those_that_api_gateway_can_tell_apart() -> None:
    """API Gateway allows one name per variable place; a fixed word beats a variable at the same place."""
    variables: dict[str, set[str]] = {}
    for path in app.routes:
        parts = path.split("/")
        for place, part in enumerate(parts):
            if part.startswith("{"):
                variables.setdefault("/".join(parts[:place]), set()).add(part)
    assert all(len(names) == 1 for names in variables.values()), variables
    lifecycle_words = {"start", "stop", "pause", "resume", "restart"}
    posts = {path for path, methods in app.routes.items() if "POST" in methods}
    assert posts == {f"/trade-engine/{word}" for word in lifecycle_words} | {
        "/trade-engine/{connection_id}/{command}",
        "/trade-engine/{connection_id}/breakers/reset",
        "/trade-engine/kill",
        "/trade-engine/kill/release",
        "/connections",
        "/connections/{connection_id}/test",
        "/dead-letters/{letter_id}/retry",
    }


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_app_can_be_deployed_on_every_stage(stage: str) -> None:
    config = CLIFactory(".").create_config_obj(stage)
    validate_configuration(config)
    assert config.app_name == app.app_name
    assert config.api_gateway_stage == "api"
    functions = {event.name for event in app.event_sources} | {"api_handler", "authorize"}
    configured = config.config_from_disk["stages"][stage]["lambda_functions"]
    assert configured.keys() <= functions
    assert config.environment_variables["CTS_STAGE"] == stage
