"""Policies against what functions ask for: nothing missing, nothing unused, nothing wider than said."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory

from infra.lambda_permissions import on_behalf
from infra.permissions import FUNCTIONS, Function, Grant, Resource
from infra.policies import CHALICE, ROOT, functions_of, policy, policy_files
from tests.infra.evaluator import allowed, pairs
from tests.infra.iam_needs import ACCOUNT
from tests.infra.lambda_needs import handlers
from tests.infra.recorded import (
    FUNCTIONS_OF_STAGES,
    STAGES,
    all_needs,
    missing,
    own_needs,
    policy_on_disk,
    unused,
)

OTHER_ACCOUNT = "999999999999"
MOST_CHARACTERS = 10_240
"""What IAM takes as inline policies of one role; white space does not count."""

each_function = pytest.mark.parametrize(("stage", "function"), FUNCTIONS_OF_STAGES)


@each_function
def test_a_function_may_do_what_it_does_and_nothing_else(stage: str, function: str) -> None:
    document, needs = policy_on_disk(stage, function), all_needs(stage, function)
    assert missing(document, needs) == []
    assert unused(document, needs) == []


@each_function
def test_a_missing_permission_is_found(stage: str, function: str) -> None:
    document, needs = policy_on_disk(stage, function), all_needs(stage, function)
    for number, statement in enumerate(document["Statement"]):
        for action, resource in pairs(statement):
            planted = copy.deepcopy(document)
            planted["Statement"][number]["Action"].remove(action)
            found = missing(planted, needs)
            assert found, f"nobody misses {action} on {resource}"
            assert all(text.startswith(f"{action} on ") for text in found)


@each_function
def test_a_superfluous_permission_is_found(stage: str, function: str) -> None:
    document, needs = policy_on_disk(stage, function), all_needs(stage, function)
    for planted, text in _with_one_too_many(stage, function, document):
        assert text in unused(planted, needs)


def _with_one_too_many(stage: str, function: str, document: Any) -> Iterator[tuple[Any, str]]:
    """Yield the document with another action per resource, and with each permission of other functions."""
    for number, statement in enumerate(document["Statement"]):
        service = statement["Action"][0].partition(":")[0]
        for action in (f"{service}:DeleteEverything", f"{service}:Tag*"):
            planted = copy.deepcopy(document)
            planted["Statement"][number]["Action"].append(action)
            yield planted, f"{action} on {statement['Resource']}"
    held = {pair for statement in document["Statement"] for pair in pairs(statement)}
    for other in ("api_handler", "decision_tick", "publish_positions"):
        for statement in policy_on_disk(stage, other)["Statement"]:
            for action, resource in set(pairs(statement)) - held:
                single = {**statement, "Action": [action]}
                planted = {**document, "Statement": [*document["Statement"], single]}
                yield planted, f"{action} on {resource}"


@each_function
def test_what_belongs_to_another_account_is_out_of_reach(stage: str, function: str) -> None:
    document = policy_on_disk(stage, function)
    for need in own_needs(stage, function):
        foreign = {**need.context, "aws:ResourceAccount": (OTHER_ACCOUNT,)}
        elsewhere = replace(need, resource=need.resource.replace(ACCOUNT, OTHER_ACCOUNT))
        named_by_account = elsewhere if need.action == "s3:ListBucket" else need
        assert not allowed(document, replace(named_by_account, context=foreign)), need


def test_the_recordings_are_of_all_functions() -> None:
    assert set(FUNCTIONS) == set(handlers())
    assert {name: function.handler for name, function in FUNCTIONS.items()} == handlers()
    for stage, function in FUNCTIONS_OF_STAGES:
        assert own_needs(stage, function), f"{function} of {stage} asked for nothing"


def _grants(function: Function) -> tuple[Grant, ...]:
    return (*function.calls, *on_behalf(function.trigger))


def _unexplained(resources: list[Resource]) -> list[str]:
    """Return the ARNs whose own name, behind region and account, is a pattern, and nobody says why."""
    return [one.arn for one in resources if set("*?") & set(one.arn.split(":", 5)[-1]) and not one.reason]


def test_every_resource_is_named_exactly_or_says_why_not() -> None:
    resources = [grant.resource for function in FUNCTIONS.values() for grant in _grants(function)]
    assert _unexplained(resources) == []
    patterns = [one for one in resources if one.reason]
    assert patterns
    for one in patterns:
        assert _unexplained([replace(one, reason="")]) == [one.arn]


def test_every_action_is_named_exactly() -> None:
    actions = {
        name for function in FUNCTIONS.values() for grant in _grants(function) for name in grant.actions
    }
    assert not [name for name in actions if set("*?") & set(name)]


def test_the_policy_files_are_those_of_the_permissions() -> None:
    files = policy_files()
    present = {path: path.read_text(encoding="utf-8") for path in (CHALICE / "policies").glob("*/*.json")}
    assert present == files, "the permissions have changed: run make policies"


@each_function
def test_a_policy_fits_into_a_role(stage: str, function: str) -> None:
    assert len("".join(json.dumps(policy_on_disk(stage, function)).split())) < MOST_CHARACTERS


@each_function
def test_chalice_gives_each_function_its_own_policy(stage: str, function: str) -> None:
    config = CLIFactory(str(ROOT)).create_config_obj(stage).scope(stage, function)
    assert config.autogen_policy is False
    assert config.iam_policy_file == f"policies/{stage}/{function}.json"


@each_function
def test_chalice_makes_the_log_group_that_the_function_may_not_make(stage: str, function: str) -> None:
    config = CLIFactory(str(ROOT)).create_config_obj(stage).scope(stage, function)
    assert config.log_retention_in_days, "without its log group a function of `chalice deploy` logs nothing"


def test_a_stage_without_key_and_secret_grants_neither() -> None:
    bare = {"CTS_EVENTS": "audit", "CTS_AUTH_ALGORITHM": "RS256", "CTS_KEY": "none"}
    for name in functions_of(bare):
        actions = {action for one in policy("dev", bare, name)["Statement"] for action in one["Action"]}
        assert not [
            action for action in actions if action.startswith(("kms:", "secretsmanager:", "kinesis:"))
        ]
    assert set(FUNCTIONS) - set(functions_of(bare)) == {"record_events"}


def test_the_stages_name_no_resource_that_the_policies_do_not_know() -> None:
    given = {"CTS_BUCKET", "CTS_AUTH_SECRET"}
    for stage, environment in STAGES.items():
        assert not given & environment.keys(), stage
        assert environment.get("CTS_KEY", f"alias/cts-{stage}") in (f"alias/cts-{stage}", "none")
