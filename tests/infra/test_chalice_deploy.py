"""`chalice deploy` as users run it, against moto: everything it creates, one by one, and then nothing new.

The zip has no dependencies here; what must be in it is the matter of the packaging tests.
"""

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app import app
from tests.infra.chalice_moto import ACCOUNT, BY_HAND, REGION

ROOT = Path(__file__).resolve().parents[2]
CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text())
STAGES = ("dev", "prod")

HANDLERS = {
    "heartbeat": "chalicelib.triggers.heartbeat.heartbeat",
    "market_tick": "chalicelib.triggers.market_tick.market_tick",
    "decision_tick": "chalicelib.triggers.decision_tick.decision_tick",
    "realtime_tick": "chalicelib.triggers.realtime_tick.realtime_tick",
    "execute_signals": "chalicelib.triggers.execute_signals.execute_signals",
    "publish_positions": "chalicelib.triggers.publish_positions.publish_positions",
    "record_events": "chalicelib.triggers.record_events.record_events",
    "authorize": "chalicelib.triggers.api.authorizer.authorize",
    "api_handler": "app.app",
}
SOURCES = {
    "market_tick": ("sqs", "cts-{stage}-market-tick", 10),
    "decision_tick": ("sqs", "cts-{stage}-decision-tick", 10),
    "realtime_tick": ("sqs", "cts-{stage}-realtime-tick", 10),
    "execute_signals": ("sqs", "cts-{stage}-execute-signals.fifo", 10),
    "publish_positions": ("dynamodb", "table/cts-{stage}-positions/stream/", 100),
    "record_events": ("kinesis", "stream/cts-{stage}-events", 100),
}
"""Service, name and batch size of the one event source of a function."""

ONLY_WITH_KINESIS = frozenset({"record_events"})
INVOKERS = {"heartbeat": "events", "api_handler": "apigateway", "authorize": "apigateway"}
"""Who may invoke a function. Queues and streams are read by Lambda itself, with the function's role."""

REPEATED = {
    "iam.PutRolePolicy": "the same policy again",
    "lambda.UpdateFunctionCode": "the same zip again: CodeSha256 stays",
    "lambda.UpdateFunctionConfiguration": "the same settings again",
    "lambda.DeleteFunctionConcurrency": "what config.json does not reserve is not reserved",
    "lambda.UpdateEventSourceMapping": "batch size and window again, nothing else",
    "events.PutRule": "the same schedule again",
    "events.PutTargets": "the same target under the same id",
    "logs.PutRetentionPolicy": "the same days again",
    "apigateway.PutRestApi": "the same document in place of the old one",
    "apigateway.UpdateRestApi": "compression and endpoint type again",
    "apigateway.CreateDeployment": "a new snapshot of the same API behind the same stage",
}
"""What Chalice says again at every deployment, without comparing first; it changes nothing."""


def functions(stage: str) -> list[str]:
    """Return the names of the functions of a stage."""
    kinesis = CONFIG["stages"][stage]["environment_variables"]["CTS_EVENTS"] == "kinesis"
    return [name for name in HANDLERS if kinesis or name not in ONLY_WITH_KINESIS]


def lambda_name(stage: str, name: str) -> str:
    """Return a function's name on AWS; that of the API has no suffix, as in Chalice's first versions."""
    return f"cts-trade-engine-{stage}" + ("" if name == "api_handler" else f"-{name}")


def lambda_arn(stage: str, name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{lambda_name(stage, name)}"


def setting(stage: str, name: str, key: str) -> Any:
    """Return a setting of config.json as the function sees it: its own, its stage's, or everybody's."""
    whole = CONFIG["stages"][stage]
    places = (whole.get("lambda_functions", {}).get(name, {}), whole, CONFIG)
    return next(place[key] for place in places if key in place)


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that deploys a stage twice, once per test run, and returns what was written down."""

    @cache
    def deployed(stage: str) -> dict[str, Any]:
        place = tmp_path_factory.mktemp(stage)
        project, answer = place / "project", place / "answer.json"
        unwanted = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
        for folder in ("chalicelib", ".chalice"):
            shutil.copytree(ROOT / folder, project / folder, ignore=unwanted)
        shutil.copy(ROOT / "app.py", project)
        (project / "requirements.txt").touch()
        command = [sys.executable, "-m", "tests.infra.chalice_moto", str(project), stage, str(answer)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found: dict[str, Any] = json.loads(answer.read_text())
        assert Path(found["app"]) == project / "app.py"
        return found

    return deployed


EVERY_FUNCTION = [(stage, name) for stage in STAGES for name in functions(stage)]


@pytest.mark.parametrize("stage", STAGES)
def test_the_functions_are_those_of_the_stage(deployments: Any, stage: str) -> None:
    made = deployments(stage)["made"]
    assert set(made["functions"]) == {lambda_name(stage, name) for name in functions(stage)}
    assert set(made["roles"]) == {f"cts-trade-engine-{stage}-{name}" for name in functions(stage)}


@pytest.mark.parametrize(("stage", "name"), EVERY_FUNCTION)
def test_a_function_has_its_handler_and_its_settings(deployments: Any, stage: str, name: str) -> None:
    made = deployments(stage)["made"]["functions"][lambda_name(stage, name)]
    assert made["Handler"] == HANDLERS[name]
    assert made["Runtime"] == f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert made["Architectures"] == [setting(stage, name, "lambda_architecture")]
    assert made["MemorySize"] == setting(stage, name, "lambda_memory_size")
    assert made["Timeout"] == setting(stage, name, "lambda_timeout")
    assert made["TracingConfig"] == {"Mode": "PassThrough"}
    assert made["Role"] == f"arn:aws:iam::{ACCOUNT}:role/cts-trade-engine-{stage}-{name}"
    own = CONFIG["stages"][stage]["lambda_functions"].get(name, {}).get("environment_variables", {})
    common = CONFIG["stages"][stage]["environment_variables"]
    assert made["Environment"]["Variables"] == {**CONFIG.get("environment_variables", {}), **common, **own}


@pytest.mark.parametrize(("stage", "name"), EVERY_FUNCTION)
def test_a_role_has_the_policy_of_its_function_and_no_other(deployments: Any, stage: str, name: str) -> None:
    role = deployments(stage)["made"]["roles"][f"cts-trade-engine-{stage}-{name}"]
    policy = json.loads((ROOT / ".chalice" / setting(stage, name, "iam_policy_file")).read_text())
    assert list(role["policies"].values()) == [policy]
    assert role["attached"] == []
    (statement,) = role["trust"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")


@pytest.mark.parametrize("stage", STAGES)
def test_the_heartbeat_is_called_every_minute(deployments: Any, stage: str) -> None:
    (rule,) = deployments(stage)["made"]["rules"].values()
    assert rule["Name"] == f"cts-trade-engine-{stage}-heartbeat-event"
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert rule["State"] == "ENABLED"
    assert rule["targets"] == [{"Id": "1", "Arn": lambda_arn(stage, "heartbeat")}]


@pytest.mark.parametrize("stage", STAGES)
def test_only_functions_of_queues_and_streams_have_event_sources(deployments: Any, stage: str) -> None:
    mappings = deployments(stage)["made"]["mappings"].values()
    fed = sorted(mapping["FunctionArn"] for mapping in mappings)
    assert fed == sorted(lambda_arn(stage, name) for name in functions(stage) if name in SOURCES)


@pytest.mark.parametrize(("stage", "name"), [pair for pair in EVERY_FUNCTION if pair[1] in SOURCES])
def test_an_event_source_feeds_its_function(deployments: Any, stage: str, name: str) -> None:
    service, resource, batch_size = SOURCES[name]
    mappings = deployments(stage)["made"]["mappings"].values()
    (mapping,) = (found for found in mappings if found["FunctionArn"] == lambda_arn(stage, name))
    prefix = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource.format(stage=stage)}"
    if resource.endswith("/"):
        # The ARN of a table's stream ends in the time of its creation.
        assert mapping["EventSourceArn"].startswith(prefix)
        assert mapping["EventSourceArn"] != prefix
    else:
        assert mapping["EventSourceArn"] == prefix
    assert mapping["BatchSize"] == batch_size
    assert mapping["State"] == "Enabled"
    assert mapping.get("StartingPosition") == (None if service == "sqs" else "TRIM_HORIZON")


@pytest.mark.parametrize("stage", STAGES)
def test_the_api_has_the_routes_of_the_app_and_no_other(deployments: Any, stage: str) -> None:
    (api,) = deployments(stage)["made"]["apis"].values()
    assert set(api["routes"]) == {f"{verb} {path}" for path, verbs in app.routes.items() for verb in verbs}
    assert api["stages"] == ["api"]
    (snapshot,) = (
        call for call in deployments(stage)["first"] if call["call"] == "apigateway.CreateDeployment"
    )
    assert snapshot["parameters"]["tracingEnabled"] is False


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("route", [f"{verb} {path}" for path, verbs in app.routes.items() for verb in verbs])
def test_a_route_reaches_the_api_function_behind_the_authorizer(
    deployments: Any, stage: str, route: str
) -> None:
    (api,) = deployments(stage)["made"]["apis"].values()
    made = api["routes"][route]
    assert made["type"] == "aws_proxy"
    assert made["uri"].endswith(f"/functions/{lambda_arn(stage, 'api_handler')}/invocations")
    assert (made["authorization"], made["authorizer"]) == ("CUSTOM", "authorize")


@pytest.mark.parametrize("stage", STAGES)
def test_the_authorizer_asks_its_function_about_the_token(deployments: Any, stage: str) -> None:
    (api,) = deployments(stage)["made"]["apis"].values()
    (authorizer,) = api["authorizers"].values()
    assert authorizer["name"] == "authorize"
    assert authorizer["type"] == "TOKEN"
    assert authorizer["identitySource"] == "method.request.header.Authorization"
    assert authorizer["authorizerUri"].endswith(f"/functions/{lambda_arn(stage, 'authorize')}/invocations")


@pytest.mark.parametrize(("stage", "name"), EVERY_FUNCTION)
def test_a_function_may_be_invoked_by_its_trigger_alone(deployments: Any, stage: str, name: str) -> None:
    made = deployments(stage)["made"]
    (api,) = made["apis"].values()
    sources = {
        "events": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/cts-trade-engine-{stage}-heartbeat-event",
        "apigateway": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api['key']}/*",
    }
    allowed = [
        (
            statement["Effect"],
            statement["Action"],
            statement["Principal"],
            statement["Condition"]["ArnLike"]["AWS:SourceArn"],
        )
        for statement in made["functions"][lambda_name(stage, name)]["permissions"]
    ]
    service = INVOKERS.get(name)
    invoker = {"Service": f"{service}.amazonaws.com"}
    expected = [("Allow", "lambda:InvokeFunction", invoker, sources[service])] if service else []
    assert allowed == expected


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_deployment_changes_nothing(deployments: Any, stage: str) -> None:
    found = deployments(stage)
    for part, before in found["before"].items():
        assert found["after"][part] == before, part


@pytest.mark.parametrize("stage", STAGES)
def test_a_second_deployment_only_says_again_what_is(deployments: Any, stage: str) -> None:
    calls = {call["call"] for call in deployments(stage)["second"]}
    assert calls <= set(REPEATED)
    assert "lambda.UpdateFunctionCode" in calls


@pytest.mark.parametrize("stage", STAGES)
def test_a_deployment_keeps_what_was_set_by_hand_on_event_sources(deployments: Any, stage: str) -> None:
    found = deployments(stage)
    for mapping in found["after"]["mappings"].values():
        by_hand = BY_HAND[mapping["EventSourceArn"].split(":")[2]]
        assert {name: mapping[name] for name in by_hand} == by_hand
    said = [c["parameters"] for c in found["second"] if c["call"] == "lambda.UpdateEventSourceMapping"]
    assert len(said) == len(found["after"]["mappings"])
    assert all(set(one) == {"UUID", "BatchSize", "MaximumBatchingWindowInSeconds"} for one in said)
