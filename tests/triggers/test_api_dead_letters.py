"""Routes of dead letters: listed, sent again, dropped, by their tenant alone."""

from dataclasses import replace

import pytest

from chalicelib import wiring
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.messages import Tick
from chalicelib.messaging.codec import encode
from chalicelib.messaging.memory import MemoryDeadLetters
from tests.flows.desk import T0
from tests.flows.worlds import TENANT
from tests.triggers.test_api import Api, api  # noqa: F401
from tests.triggers.tokens import bearer


@pytest.fixture
def letters(api: Api) -> MemoryDeadLetters:  # noqa: F811
    twin = MemoryDeadLetters()
    wiring.use(replace(api.world(), dead_letters=twin))
    for number, tenant in enumerate((TENANT, TENANT, "other")):
        tick = Tick("realtime", engine_subject(tenant, "main"), T0 + number)
        twin.put("realtime-tick", f"m-{number}", encode(tick), T0 - 60.0 + number)
    return twin


def ids(api: Api) -> list[str]:  # noqa: F811
    return [item["letter_id"] for item in api.data("GET", "/dead-letters")["items"]]


def test_a_life_of_letters(api: Api, letters: MemoryDeadLetters) -> None:  # noqa: F811
    (first, _) = api.data("GET", "/dead-letters")["items"]
    assert first["letter_id"] == "realtime-tick.m-0"
    assert (first["kind"], first["queue"], first["age"], first["received"]) == (
        "tick",
        "realtime-tick",
        60,
        5,
    )
    assert "body" not in first
    sent = api.data("POST", "/dead-letters/realtime-tick.m-0/retry", x_correlation_id="mine")
    assert sent == {"sent_again": "realtime-tick.m-0"}
    assert ids(api) == ["realtime-tick.m-1"]
    assert api.data("DELETE", "/dead-letters/realtime-tick.m-1") == {"dropped": "realtime-tick.m-1"}
    assert ids(api) == []
    assert len(letters.sent) == 1
    audit = api.data("GET", "/audit")["items"]
    assert {entry["action"] for entry in audit} == {"dead_letter_drop", "dead_letter_retry"}
    assert {entry["actor"] for entry in audit} == {"ann"}
    assert "mine" in {entry["correlation_id"] for entry in audit}


@pytest.mark.parametrize("wanted", ["realtime-tick.m-2", "realtime-tick.gone", "nonsense", "order.main.x"])
@pytest.mark.parametrize(("method", "end"), [("POST", "/retry"), ("DELETE", "")])
def test_anothers_letter_is_as_good_as_none(
    api: Api,  # noqa: F811
    letters: MemoryDeadLetters,
    wanted: str,
    method: str,
    end: str,
) -> None:
    status, code, error = api.refusal(method, f"/dead-letters/{wanted}{end}")
    assert (status, code) == (404, "NOT_FOUND")
    assert wanted in error
    assert len(letters.all()) == 3
    assert letters.sent == []


def test_the_other_tenant_sees_its_own(api: Api, letters: MemoryDeadLetters) -> None:  # noqa: F811
    api.token = bearer(subject="eve", tenant="other")
    assert ids(api) == ["realtime-tick.m-2"]


def test_parameters_are_refused(api: Api, letters: MemoryDeadLetters) -> None:  # noqa: F811
    for method, path in (
        ("GET", "/dead-letters"),
        ("POST", "/dead-letters/realtime-tick.m-0/retry"),
        ("DELETE", "/dead-letters/realtime-tick.m-0"),
    ):
        assert api.refusal(method, f"{path}?x=1")[:2] == (400, "BAD_REQUEST")
    assert len(letters.all()) == 3
