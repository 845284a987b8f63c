"""The merged templates of both stages: what Chalice cannot say is there, and fits the stack of resources."""

import copy
import re
from typing import Any

import pytest

from chalicelib.errors import UsageError
from chalicelib.settings import Settings
from infra import monitoring
from infra.sources import MOST_AT_ONCE
from infra.template import function_names, merge
from tests.infra.inventory import FOLDER, functions_inventory, functions_stack, resources_stack, sam_template

STAGES = ("dev", "prod")
both_stages = pytest.mark.parametrize("stage", STAGES)


def functions(stage: str) -> dict[str, dict[str, Any]]:
    stack = functions_stack(stage)
    return {name: stack["Resources"][key]["Properties"] for key, name in function_names(stack).items()}


def sources(stage: str, kind: str) -> dict[str, dict[str, Any]]:
    return {
        name: event["Properties"]
        for name, function in functions(stage).items()
        for event in function.get("Events", {}).values()
        if event["Type"] == kind
    }


def function(name: str, event: dict[str, Any] | None = None, stage: str = "dev") -> dict[str, Any]:
    """Return a function as Chalice writes it."""
    properties: dict[str, Any] = {
        "Handler": f"chalicelib.triggers.{name}.{name}",
        "Role": {"Fn::GetAtt": ["DefaultRole", "Arn"]},
        "Tracing": "Active",
        "Environment": {"Variables": {"CTS_STAGE": stage}},
    }
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {**properties, **({"Events": {"Source": event}} if event else {})},
    }


def template(**resources: dict[str, Any]) -> dict[str, Any]:
    return {"Transform": "AWS::Serverless-2016-10-31", "Outputs": {}, "Resources": resources}


@both_stages
def test_the_stack_is_the_one_that_was_reviewed(stage: str) -> None:
    assert functions_inventory(stage) == (FOLDER / f"{stage}-functions.txt").read_text()


@both_stages
def test_functions_are_those_that_monitoring_watches(stage: str) -> None:
    names = {function["FunctionName"] for function in functions(stage).values()}
    assert names == {f"cts-trade-engine-{stage}-{name}" for name in monitoring.functions(stage)}


@both_stages
def test_queues_are_worked_on_in_parts_and_by_so_many_at_once(stage: str) -> None:
    found = sources(stage, "SQS")
    assert {
        name: queue["ScalingConfig"]["MaximumConcurrency"] for name, queue in found.items()
    } == MOST_AT_ONCE
    assert all(queue["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for queue in found.values())


@both_stages
def test_event_sources_are_in_the_stack_of_resources(stage: str) -> None:
    stack = resources_stack(stage)
    names = {resource["Properties"].get("QueueName") for resource in stack["Resources"].values()}
    exports = {output["Export"]["Name"] for output in stack["Outputs"].values() if "Export" in output}
    for queue in sources(stage, "SQS").values():
        assert queue["Queue"].rpartition(":")[2] in names
    for source in (*sources(stage, "DynamoDB").values(), *sources(stage, "Kinesis").values()):
        assert source["DestinationConfig"]["OnFailure"]["Destination"].rpartition(":")[2] in names
    imports = set(re.findall(r"import (\S+?)[',\]}]", str(functions_stack(stage)["Resources"])))
    assert imports == {f"cts-{stage}-positions-stream", f"cts-{stage}-alarms"}
    assert imports <= exports


@pytest.mark.parametrize(("stage", "streams"), [("dev", []), ("prod", ["record_events"])])
def test_the_stream_of_events_has_a_reader_where_it_is(stage: str, streams: list[str]) -> None:
    assert list(sources(stage, "Kinesis")) == streams
    kinds = {resource["Type"] for resource in resources_stack(stage)["Resources"].values()}
    assert ("AWS::Kinesis::Stream" in kinds) is bool(streams)
    for source in sources(stage, "Kinesis").values():
        assert source["Stream"].endswith(f"stream/{Settings(stage=stage).stream}")


@both_stages
def test_a_record_that_fails_is_cornered_and_given_up(stage: str) -> None:
    (positions,) = sources(stage, "DynamoDB").values()
    for source in (positions, *sources(stage, "Kinesis").values()):
        assert source["BisectBatchOnFunctionError"] is True
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 0 < source["MaximumRetryAttempts"] <= 10
        assert source["MaximumRecordAgeInSeconds"] <= 3600
        assert source["StartingPosition"] == "TRIM_HORIZON"
    assert positions["FilterCriteria"] == {"Filters": [{"Pattern": '{"eventName": ["INSERT", "MODIFY"]}'}]}


@both_stages
def test_no_function_runs_longer_than_its_message_is_hidden(stage: str) -> None:
    queues = {
        resource["Properties"]["QueueName"]: resource["Properties"].get("VisibilityTimeout")
        for resource in resources_stack(stage)["Resources"].values()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    for name, queue in sources(stage, "SQS").items():
        assert functions(stage)[name]["Timeout"] < queues[queue["Queue"].rpartition(":")[2]]


@both_stages
def test_a_late_heartbeat_is_dropped(stage: str) -> None:
    (schedule,) = sources(stage, "Schedule").values()
    assert schedule["Schedule"] == "rate(1 minute)"
    assert schedule["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60
    invoked = functions(stage)["heartbeat"]["EventInvokeConfig"]
    assert invoked == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


@pytest.mark.parametrize(("stage", "days"), [("dev", 14), ("prod", 90)])
def test_logs_are_kept_for_some_time_and_only_once(stage: str, days: int) -> None:
    resources = functions_stack(stage)["Resources"]
    groups = {
        name: part["Properties"] for name, part in resources.items() if part["Type"] == "AWS::Logs::LogGroup"
    }
    used = [function["LoggingConfig"]["LogGroup"] for function in functions(stage).values()]
    assert sorted(used) == sorted(groups)
    assert {group["RetentionInDays"] for group in groups.values()} == {days}
    assert {group["LogGroupName"] for group in groups.values()} == set(monitoring.log_groups(stage))


@both_stages
def test_the_api_has_one_stage_modern_tls_and_a_limit(stage: str) -> None:
    (api,) = (
        part["Properties"]
        for part in functions_stack(stage)["Resources"].values()
        if part["Type"] == "AWS::Serverless::Api"
    )
    assert (api["StageName"], api["OpenApiVersion"]) == ("api", "2.0")
    assert api["SecurityPolicy"].startswith("SecurityPolicy_TLS13_1_2_PFS")
    assert api["EndpointConfiguration"] == {"Type": "REGIONAL"}
    (settings,) = api["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["ThrottlingRateLimit"] <= 50


@both_stages
def test_every_route_is_guarded(stage: str) -> None:
    guards = re.findall(r"^  (?:GET|PUT|POST|PATCH|DELETE|ANY) \S+: (.+)$", functions_inventory(stage), re.M)
    assert len(guards) > 20
    assert set(guards) == {"authorize"}


@both_stages
def test_traces_begin_where_they_are_few(stage: str) -> None:
    traced = {name for name, function in functions(stage).items() if function["Tracing"] == "Active"}
    assert traced == {"execute_signals", "api_handler"}


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_all_functions_are_of_the_architecture_asked_for(architecture: Any) -> None:
    merged = merge("dev", sam_template("dev"), architecture)
    found = [merged["Resources"][key]["Properties"]["Architectures"] for key in function_names(merged)]
    assert found == [[architecture]] * len(function_names(merged))


def test_the_template_of_chalice_stays_as_it_was() -> None:
    queue = {"Type": "SQS", "Properties": {"Queue": "arn:queue", "BatchSize": 10}}
    sam = template(MarketTick=function("market_tick", queue))
    before = copy.deepcopy(sam)
    merged = merge("dev", sam)
    assert sam == before
    properties = merged["Resources"]["MarketTick"]["Properties"]
    assert properties["Role"] == {"Fn::GetAtt": ["DefaultRole", "Arn"]}
    assert properties["Events"]["Source"]["Properties"]["BatchSize"] == 10


def test_the_account_is_told_beside_the_variables_of_the_stage() -> None:
    merged = merge("dev", template(Authorize=function("authorize")))
    variables = merged["Resources"]["Authorize"]["Properties"]["Environment"]["Variables"]
    assert variables == {"CTS_STAGE": "dev", "CTS_ACCOUNT": {"Ref": "AWS::AccountId"}}


def test_log_groups_of_chalice_give_way_to_those_with_a_fixed_name() -> None:
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "/aws/lambda/${X}"}}}
    merged = merge("dev", template(Authorize=function("authorize"), AuthorizeLogGroup=group))
    kept = merged["Resources"]["AuthorizeLogGroup"]["Properties"]
    assert kept == {"LogGroupName": "/aws/lambda/cts-trade-engine-dev-authorize", "RetentionInDays": 14}


def test_a_template_of_another_stage_is_refused() -> None:
    with pytest.raises(UsageError, match="packaged for stage prod, not dev"):
        merge("dev", template(Authorize=function("authorize", stage="prod")))


def test_a_new_queue_needs_a_limit_of_its_own() -> None:
    queue = {"Type": "SQS", "Properties": {"Queue": "arn:queue"}}
    with pytest.raises(UsageError, match="how many of webhook_tick"):
        merge("dev", template(WebhookTick=function("webhook_tick", queue)))


def test_an_event_source_of_another_kind_is_left_alone() -> None:
    topic = {"Type": "SNS", "Properties": {"Topic": "arn:topic"}}
    merged = merge("dev", template(Authorize=function("authorize", topic)))
    assert merged["Resources"]["Authorize"]["Properties"]["Events"]["Source"] == topic


def test_two_resources_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two resources of the template are called Dashboard"):
        merge("dev", template(Dashboard={"Type": "AWS::SNS::Topic", "Properties": {}}))
