"""Each thing that may be wrong with functions, sources, schedule, API, clock or rights has its remedy."""

import socket
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.operations import doctor_account, doctor_functions, doctor_machine, doctor_permissions
from chalicelib.operations.doctor_findings import Finding, Identity
from tests.exchanges.binance_loopback import Binance, detour, served
from tests.operations.clinic import ARN, Clinic, only
from tests.operations.stages import ACCOUNT, REGION

DEPLOY = "make package && make deploy STAGE=dev"
MARKET = "arn:aws:sqs:eu-central-1:123456789012:cts-dev-market-tick"


def by_name(clinic: Clinic) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor_functions.functions(clinic.site)}


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
    known = doctor_functions.configuration(clinic.site, "api_handler")
    assert known is not None
    assert known["FunctionArn"] == found["FunctionArn"]
    lambda_.delete_function(FunctionName="cts-trade-engine-dev-api_handler")
    assert doctor_functions.configuration(clinic.site, "api_handler") is None
    clinic.make_functions("api_handler", short=True)
    known = doctor_functions.configuration(clinic.site, "api_handler")
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
    finding = doctor_functions.queue_source(clinic.site, "market_tick")
    return replace(finding, remedy=finding.remedy.replace(uuid, "UUID"))


def test_a_source_that_works(aws: None) -> None:
    assert _sourced(Clinic()) == Finding(
        "source of market_tick", "ok", "batches of 10, partial failures come again"
    )


def test_a_source_that_is_missing(aws: None) -> None:
    finding = doctor_functions.queue_source(Clinic().site, "market_tick")
    assert (finding.state, finding.found) == ("fail", "nothing brings cts-dev-market-tick to it")
    assert finding.remedy == DEPLOY


def test_a_source_of_another_function_does_not_count(aws: None) -> None:
    clinic = Clinic()
    clinic.aws["sqs"].create_queue(QueueName="cts-dev-market-tick")
    clinic.make_functions("decision_tick")
    clinic.make_source("decision_tick", MARKET)
    assert doctor_functions.queue_source(clinic.site, "market_tick").state == "fail"


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
    assert doctor_functions.table_source(clinic.site).state == "fail"
    clinic.make_functions("publish_positions")
    clinic.make_source("publish_positions", clinic.stream_arn())
    assert doctor_functions.table_source(clinic.site).state == "ok"


def test_the_stream_of_events_calls_its_function_where_there_is_one(aws: None) -> None:
    clinic = Clinic(events="kinesis")
    assert doctor_functions.stream_source(clinic.site).found == "nothing brings stream/cts-dev-events to it"
    assert doctor_functions.stream_source(Clinic().site).state == "skipped"


def test_the_schedule(aws: None) -> None:
    clinic = Clinic()
    clinic.make_functions("heartbeat")
    missing = doctor_functions.schedule(clinic.site)
    assert (missing.state, missing.remedy) == ("fail", DEPLOY)
    name = clinic.make_rule("rate(5 minutes)")
    assert "fires by rate(5 minutes), not rate(1 minute)" in doctor_functions.schedule(clinic.site).found
    clinic.make_rule()
    assert doctor_functions.schedule(clinic.site).state == "ok"
    clinic.aws["events"].disable_rule(Name=name)
    finding = doctor_functions.schedule(clinic.site)
    assert (finding.state, finding.remedy) == ("fail", f"aws events enable-rule --name {name}")


def test_an_api_whose_routes_all_ask_for_a_token(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api()
    finding = doctor_functions.api(clinic.site)
    assert finding.state == "ok"
    assert f".execute-api.{REGION}.amazonaws.com/api, every route asks" in finding.found


def test_an_api_with_an_open_route(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api(open_route=True)
    finding = doctor_functions.api(clinic.site)
    assert (finding.state, finding.found) == ("fail", "open to everybody: POST /positions")


@pytest.mark.parametrize("authorizer", ["cts-trade-engine-prod-authorize", "cts-trade-engine-dev-authorizer"])
def test_an_api_of_another_stage_is_not_ours(aws: None, authorizer: str) -> None:
    clinic = Clinic()
    clinic.make_api(authorizer)
    finding = doctor_functions.api(clinic.site)
    assert (finding.state, finding.found) == ("fail", "no API asks the authorizer of stage dev")


def test_the_authorizer_may_be_called_by_its_alias(aws: None) -> None:
    clinic = Clinic()
    clinic.make_api("cts-trade-engine-dev-authorize:live")
    assert doctor_functions.api(clinic.site).state == "ok"


def test_the_one_who_asks(aws: None) -> None:
    learned: list[Identity] = []
    clinic = Clinic()
    finding = doctor_account.credentials(clinic.site, learned.append)
    assert finding.state == "ok"
    assert learned[0].account == ACCOUNT
    assert learned[0].their_time is not None
    elsewhere = replace(clinic.site, settings=replace(clinic.site.settings, account="999"))
    other = doctor_account.credentials(elsewhere, learned.append)
    assert (other.state, other.remedy) == ("fail", "use credentials of that account, or unset CTS_ACCOUNT")


def test_the_root_user_is_warned(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic = Clinic()
    root = {"Arn": f"arn:aws:iam::{ACCOUNT}:root", "Account": ACCOUNT}
    answer = {**root, "ResponseMetadata": {"HTTPHeaders": {}}}
    monkeypatch.setattr(clinic.aws["sts"], "get_caller_identity", lambda: answer)
    assert doctor_account.credentials(clinic.site, lambda _: None).state == "warn"


@pytest.mark.parametrize(
    ("ahead", "took", "state"),
    [
        (0.0, 0.1, "ok"),
        (1.2, 0.1, "ok"),
        (1.7, 0.1, "fail"),
        (-1.7, 0.1, "fail"),
        (300.0, 0.1, "fail"),
        (2.0, 2.5, "ok"),
    ],
)
def test_the_clock_is_compared_with_that_of_aws_as_far_as_its_seconds_tell(
    ahead: float, took: float, state: str
) -> None:
    """Their Date header has whole seconds: the moment may be anywhere within that second."""
    middle = 1000.5 + ahead
    known = Identity(ARN, ACCOUNT, "aws", 1000.0, middle - took / 2, middle + took / 2)
    finding = doctor_account.clock(replace(Clinic().site, identity=known))
    assert finding.state == state
    assert ("ahead" in finding.found) == (ahead > 0)
    assert ("timedatectl" in finding.remedy) == (state == "fail")


def test_an_answer_without_a_date_tells_no_time() -> None:
    known = Identity(ARN, ACCOUNT)
    assert doctor_account.clock(replace(Clinic().site, identity=known)).state == "skipped"
    assert doctor_account.their_time({"date": "Tue, 14 Nov 2023 22:13:20 GMT"}) == 1_700_000_000.0


@pytest.mark.parametrize(("ahead", "state"), [(0.0, "ok"), (5.0, "fail"), (-5.0, "fail")])
def test_the_clock_is_compared_with_that_of_the_exchange(ahead: float, state: str) -> None:
    with served(Binance(time.time() - ahead)) as port:
        site = replace(Clinic().site, prepare=detour(port))
        assert doctor_machine.exchange_answers(site).state == "ok"
        assert doctor_machine.exchange_clock(site).state == state


def test_an_exchange_that_does_not_answer_is_a_warning() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        site = replace(Clinic().site, prepare=detour(unused.getsockname()[1]))
        assert doctor_machine.exchange_answers(site).state == "warn"
        assert doctor_machine.exchange_clock(site).state == "skipped"


@pytest.mark.parametrize(
    ("running", "state"), [((3, 10), "fail"), ((3, 11), "warn"), ((3, 12), "ok"), ((3, 13), "ok")]
)
def test_python_is_new_enough(running: tuple[int, int], state: str) -> None:
    assert doctor_machine.python(Clinic().site, running).state == state
    assert doctor_machine.python(Clinic().site, sys.version_info[:2]).state in ("ok", "warn")


def test_packages_that_are_not_as_pinned_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = ["boto3==0.0.1", "no-such-package==1", 'rich==15.0.0; extra == "local"', "loose>=1"]
    monkeypatch.setattr(doctor_machine, "requires", lambda _: pins)
    finding = doctor_machine.packages(Clinic().site)
    assert finding.state == "fail"
    assert finding.found.startswith("boto3 is ")
    assert finding.found.endswith("not 0.0.1, no-such-package is missing")


def test_whether_we_may_deploy_is_simulated(aws: None) -> None:
    clinic = Clinic()
    assert doctor_permissions.permissions(clinic.site).state == "ok"
    assert {asked["PolicySourceArn"] for asked in clinic.simulator.asked} == {ARN}
    resources = [asked["ResourceArns"][0] for asked in clinic.simulator.asked]
    assert f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/cts-dev-engines" in resources
    clinic.simulator.denied = {"iam:PassRole", "lambda:CreateFunction"}
    finding = doctor_permissions.permissions(clinic.site)
    assert finding.state == "warn"
    assert finding.found == "you may not deploy: iam:PassRole, lambda:CreateFunction"


PRINCIPALS: list[tuple[str, str]] = [
    (f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/me@desk", f"arn:aws:iam::{ACCOUNT}:role/a/path/Admin"),
    (f"arn:aws:iam::{ACCOUNT}:root", ""),
    (f"arn:aws:sts::{ACCOUNT}:federated-user/me", ""),
]


@pytest.mark.parametrize(("arn", "principal"), PRINCIPALS)
def test_policies_hang_on_the_role_behind_a_session(arn: str, principal: str) -> None:
    clinic = Clinic()
    finding = doctor_permissions.permissions(replace(clinic.site, identity=Identity(arn, ACCOUNT)))
    asked = {one["PolicySourceArn"] for one in clinic.simulator.asked}
    assert asked == ({principal} if principal else set())
    assert finding.state == ("ok" if principal else "skipped")


def test_who_may_not_simulate_is_not_blamed() -> None:
    clinic = Clinic()
    clinic.simulator.error = ClientError({"Error": {"Code": "AccessDenied"}}, "SimulatePrincipalPolicy")
    assert doctor_permissions.permissions(clinic.site).state == "skipped"


def test_exchange_keys_wait_for_connectors() -> None:
    assert only(doctor_machine.exchange_keys(Clinic().site)).state == "skipped"
