"""Each thing that may be wrong with functions, their sources, the schedule and the API has its remedy."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.operations.doctor import functions
from chalicelib.operations.doctor.findings import Finding
from tests.operations.clinic import Clinic
from tests.operations.commands import unreal
from tests.operations.stages import REGION

DEPLOY = "make package && make deploy STAGE=dev"
MARKET = "arn:aws:sqs:eu-central-1:123456789012:cts-dev-market-tick"


def by_name(clinic: Clinic) -> dict[str, Finding]:
    return {finding.name: finding for finding in functions.functions(clinic.site)}


def test_functions_that_are_there(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions()
    found = by_name(clinic)
    assert {finding.state for finding in found.values()} == {"ok"}
    assert found["function heartbeat"].found.startswith("python3.12 arm64, 128 MB, deployed 20")
    assert found["versions"].found.startswith("all functions run package ")


def test_a_function_that_is_missing_or_of_another_stage_or_package(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions("heartbeat", "market_tick")
    clinic.make_functions("decision_tick", CTS_STAGE="prod")
    clinic.make_functions("realtime_tick", code="2")
    found = by_name(clinic)
    assert found["function execute_signals"] == Finding(
        "function execute_signals", "fail", "is not deployed", DEPLOY
    )
    assert found["function decision_tick"].found == "works for stage prod, not dev"
    assert found["versions"] == Finding(
        "versions", "fail", "another package than the rest: realtime_tick", DEPLOY
    )


def test_the_function_of_the_api_has_two_names(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions("api_handler")
    lambda_ = clinic.aws["lambda"]
    found = lambda_.get_function_configuration(FunctionName="cts-trade-engine-dev-api_handler")
    known = functions.configuration(clinic.site, "api_handler")
    assert known is not None
    assert known["FunctionArn"] == found["FunctionArn"]
    lambda_.delete_function(FunctionName="cts-trade-engine-dev-api_handler")
    assert functions.configuration(clinic.site, "api_handler") is None
    clinic.make_functions("api_handler", short=True)
    known = functions.configuration(clinic.site, "api_handler")
    assert known is not None
    assert known["FunctionName"] == "cts-trade-engine-dev"


@pytest.mark.parametrize(
    ("change", "state", "found"),
    [
        ({"State": "Failed", "StateReason": "the role is gone"}, "fail", "State is Failed: the role is gone"),
        ({"LastUpdateStatus": "Failed"}, "fail", "LastUpdateStatus is Failed: no reason given"),
        ({"State": "Pending"}, "warn", "is Pending"),
        ({"State": "Inactive"}, "warn", "is Inactive"),
    ],
)
def test_a_function_that_is_not_ready(
    aws: None, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], state: str, found: str
) -> None:
    clinic = Clinic()
    clinic.make_functions("heartbeat")
    name = "cts-trade-engine-dev-heartbeat"
    described = clinic.aws["lambda"].get_function_configuration(FunctionName=name)
    monkeypatch.setattr(
        clinic.aws["lambda"], "get_function_configuration", lambda **_: {**described, **change}
    )
    finding = by_name(clinic)["function heartbeat"]
    assert (finding.state, finding.found) == (state, found)


def _sourced(clinic: Clinic, **changes: Any) -> Finding:
    clinic.aws["sqs"].create_queue(QueueName="cts-dev-market-tick")
    clinic.make_functions("market_tick")
    uuid = clinic.make_source("market_tick", MARKET, **changes)
    finding = functions.queue_source(clinic.site, "market_tick")
    assert unreal(finding.remedy) == []
    return replace(finding, remedy=finding.remedy.replace(uuid, "UUID"))


def test_a_source_that_works(aws: None) -> None:
    assert _sourced(Clinic()) == Finding(
        "source of market_tick", "ok", "batches of 10, partial failures come again"
    )


def test_a_source_that_is_missing(aws: None) -> None:
    finding = functions.queue_source(Clinic().site, "market_tick")
    assert (finding.state, finding.found) == ("fail", "nothing brings cts-dev-market-tick to it")
    assert finding.remedy == DEPLOY


def test_a_source_of_another_function_does_not_count(aws: None) -> None:
    clinic = Clinic()
    clinic.aws["sqs"].create_queue(QueueName="cts-dev-market-tick")
    clinic.make_functions("decision_tick")
    clinic.make_source("decision_tick", MARKET)
    assert functions.queue_source(clinic.site, "market_tick").state == "fail"


def test_a_source_that_is_switched_off(aws: None) -> None:
    finding = _sourced(Clinic(), Enabled=False)
    assert (finding.state, finding.found) == ("fail", "is switched off")
    assert finding.remedy == "aws lambda update-event-source-mapping --uuid UUID --enabled"


def test_a_source_that_loses_what_fails(aws: None) -> None:
    finding = _sourced(Clinic(), FunctionResponseTypes=[])
    assert (finding.state, finding.found) == ("fail", "what fails is lost: partial batch responses are off")
    assert finding.remedy.endswith("--uuid UUID --function-response-types ReportBatchItemFailures")


def test_the_stream_of_positions_calls_its_function(aws: None) -> None:
    clinic = Clinic()
    clinic.make_table("positions")
    assert functions.table_source(clinic.site).state == "fail"
    clinic.make_functions("publish_positions")
    clinic.make_source("publish_positions", clinic.stream_arn())
    assert functions.table_source(clinic.site).state == "ok"


def test_the_stream_of_events_calls_its_function_where_there_is_one(aws: None) -> None:
    clinic = Clinic(events="kinesis")
    assert functions.stream_source(clinic.site).found == "nothing brings stream/cts-dev-events to it"
    assert functions.stream_source(Clinic().site).state == "skipped"


def test_the_schedule(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions("heartbeat")
    missing = functions.schedule(clinic.site)
    assert (missing.state, missing.remedy) == ("fail", DEPLOY)
    name = clinic.make_rule("rate(5 minutes)")
    assert "fires by rate(5 minutes), not rate(1 minute)" in functions.schedule(clinic.site).found
    clinic.make_rule()
    assert functions.schedule(clinic.site).state == "ok"
    clinic.aws["events"].disable_rule(Name=name)
    finding = functions.schedule(clinic.site)
    assert (finding.state, finding.remedy) == ("fail", f"aws events enable-rule --name {name}")
    assert unreal(finding.remedy) == []


def test_an_api_whose_routes_all_ask_for_a_token(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api()
    finding = functions.api(clinic.site)
    assert finding.state == "ok"
    assert f".execute-api.{REGION}.amazonaws.com/api, every route asks" in finding.found


def test_an_api_with_an_open_route(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api(open_route=True)
    finding = functions.api(clinic.site)
    assert (finding.state, finding.found) == ("fail", "open to everybody: POST /positions")


@pytest.mark.parametrize("authorizer", ["cts-trade-engine-prod-authorize", "cts-trade-engine-dev-authorizer"])
def test_an_api_of_another_stage_is_not_ours(aws: None, authorizer: str) -> None:
    clinic = Clinic()
    clinic.make_api(authorizer)
    finding = functions.api(clinic.site)
    assert (finding.state, finding.found) == ("fail", "no API asks the authorizer of stage dev")


def test_the_authorizer_may_be_called_by_its_alias(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api("cts-trade-engine-dev-authorize:live")
    assert functions.api(clinic.site).state == "ok"
