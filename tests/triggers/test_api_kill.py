"""Kill switches and breakers through the API: what they answer, and what a wrong request is told."""

from typing import Any

import pytest

from tests.flows.worlds import with_connections
from tests.triggers.test_api import WISH, Api, api

__all__ = ["api"]


def test_a_switch_of_all_engines_goes_on_and_off(api: Api) -> None:
    with_connections(api.world(), "a", "b")
    api.data("POST", "/trade-engine/start")
    shown = api.data("POST", "/trade-engine/kill", {"flatten": True}, X_Correlation_Id="fire-1")
    assert shown["coordinator"]["kills"] == {
        "*": {"at": api.world().now(), "actor": "ann", "flatten": True},
    }
    assert [(e["trading"], e["kill"]["flatten"]) for e in shown["engines"]] == [(False, True)] * 2
    assert api.data("GET", "/trade-engine/a/status")["trading"] is False
    newest = api.data("GET", "/audit")["items"][0]
    assert (newest["action"], newest["actor"], newest["correlation_id"]) == ("kill", "ann", "fire-1")
    shown = api.data("POST", "/trade-engine/kill/release", {})
    assert shown["coordinator"]["kills"] == {}
    assert [engine["trading"] for engine in shown["engines"]] == [True, True]


def test_a_switch_of_one_connection_leaves_the_others_alone(api: Api) -> None:
    with_connections(api.world(), "a", "b")
    api.data("POST", "/trade-engine/start")
    shown = api.data("POST", "/trade-engine/kill", {"connection_id": "a"})
    assert [engine["trading"] for engine in shown["engines"]] == [False, True]
    assert api.refusal("POST", "/trade-engine/kill/release", {})[:2] == (409, "CONFLICT")
    api.data("POST", "/trade-engine/kill/release", {"connection_id": "a"})


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/trade-engine/kill", {"flatten": "yes"}, "kill.flatten must be true or false"),
        ("/trade-engine/kill", {"all": True}, "kill has no field 'all'"),
        ("/trade-engine/kill?flatten=true", {}, "unknown parameter 'flatten'"),
        ("/trade-engine/kill/release", {"flatten": True}, "release has no field 'flatten'"),
    ],
)
def test_a_wrong_request_is_named_and_switches_nothing(api: Api, path: str, body: Any, text: str) -> None:
    status, _, error = api.refusal("POST", path, body)
    assert status == 400
    assert text in error
    assert not api.memory.tables.engines


@pytest.mark.parametrize(
    ("path", "body"),
    [("/trade-engine/kill", {"connection_id": "nope"}), ("/trade-engine/nope/breakers/reset", None)],
)
def test_an_unknown_connection_is_404(api: Api, path: str, body: Any) -> None:
    assert api.refusal("POST", path, body)[:2] == (404, "NOT_FOUND")


def test_breakers_are_reset_and_shown(api: Api) -> None:
    with_connections(api.world(), "a")
    shown = api.data("POST", "/trade-engine/a/breakers/reset")
    assert shown["breakers"]["tripped"] == {}
    newest = api.data("GET", "/trade-engine/a/logs")["items"][0]
    assert (newest["action"], newest["actor"]) == ("reset_breakers", "ann")


def test_a_live_connection_is_prudent_warned_about_and_starts_with_credentials_only(api: Api) -> None:
    made = api.data("POST", "/connections", {**WISH, "mode": "live", "risk": {"daily_loss": None}})
    assert made["ladder"] == {"enabled": True, "profile": "prudent", "gate_open": False, "preset": None}
    assert [text.split()[0] for text in made["warnings"]] == ["risk.daily_loss"]
    status, code, error = api.refusal("POST", "/trade-engine/main/start")
    assert (status, code) == (409, "CONFLICT")
    assert error == (
        "connection 'main' trades on live and has no credentials: store them first"
        " (PUT /connections/main/credentials)"
    )
    assert api.data("GET", "/trade-engine/main/status")["status"] == "stopped"
    assert api.refusal("POST", "/connections/main/test")[:2] == (409, "CONFLICT")


def test_an_account_is_tried_without_a_trade(api: Api) -> None:
    with_connections(api.world(), "a")
    tried = api.data("POST", "/connections/a/test")
    assert tried == {"works": True, "clock_skew": 0.0, "cash": "10000", "free": "10000"}
    assert api.refusal("POST", "/connections/nope/test")[:2] == (404, "NOT_FOUND")
