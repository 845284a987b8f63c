"""A stack is brought to its template by a change set: what each answer of CloudFormation leads to."""

from collections.abc import Iterator

import pytest

from chalicelib.errors import Conflict, Forbidden, Rejected, Retryable, UsageError
from infra.aws import explained
from infra.change_sets import DONE_WITHIN, POLL_SECONDS, PREPARED_WITHIN, Wanted
from tests.infra.scripted_cloudformation import NAME, Script, change, event, never

WANTED = Wanted(NAME, {"TemplateBody": "{}"}, {"Stage": "dev"}, {"stage": "dev"})


@pytest.fixture
def script() -> Iterator[Script]:
    found = Script()
    yield found
    found.stubber.assert_no_pending_responses()


def test_a_new_stack_is_created(script: Script) -> None:
    script.no_stack()
    script.prepares("CREATE", [{"ParameterKey": "Stage", "ParameterValue": "dev"}])
    script.change_set("CREATE_IN_PROGRESS")
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE", change("Add"), NextToken="more")
    script.change_set("CREATE_COMPLETE", change("Add", "AWS::SNS::Topic"))
    script.executes()
    script.stack("CREATE_IN_PROGRESS")
    script.stack("CREATE_COMPLETE")
    script.stack("CREATE_COMPLETE", Outputs=[{"OutputKey": "A", "OutputValue": "b"}])
    assert script.update.bring(WANTED, never) == {"A": "b"}
    assert script.said[:2] == ["  make table OrdersTable", "  make SNS::Topic OrdersTable"]
    assert script.said[-1] == f"{NAME}: done"
    assert set(script.slept) == {POLL_SECONDS}


def test_an_update_keeps_parameters_that_are_not_given_again(script: Script) -> None:
    known = [{"ParameterKey": key, "ParameterValue": "v"} for key in ("Stage", "AlarmEmail", "Gone")]
    script.stack("UPDATE_COMPLETE", Parameters=known)
    given = [
        {"ParameterKey": "Stage", "ParameterValue": "dev"},
        {"ParameterKey": "AlarmEmail", "UsePreviousValue": True},
    ]
    script.prepares("UPDATE", given, declared=("Stage", "AlarmEmail", "Key"))
    script.change_set("FAILED", StatusReason="The submitted information didn't contain changes.")
    script.deletes_change_set()
    script.stack("UPDATE_COMPLETE")
    assert script.update.bring(WANTED, never) == {}
    assert script.said == [f"{NAME}: nothing to change"]


def test_a_parameter_that_the_template_has_not_is_named(script: Script) -> None:
    script.no_stack()
    script.stubber.add_response("get_template_summary", {"Parameters": [{"ParameterKey": "Key"}]})
    with pytest.raises(UsageError, match="no parameter Stage: use Key"):
        script.update.bring(WANTED, never)


def test_without_consent_state_stays_where_it_is(script: Script) -> None:
    script.stack("CREATE_COMPLETE")
    script.prepares("UPDATE")
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE", change("Modify", Replacement="True"))
    script.deletes_change_set()
    with pytest.raises(Conflict, match="need consent"):
        script.update.bring(WANTED, lambda: False)
    assert script.said[0].startswith("  REPLACE table OrdersTable")


def test_with_consent_it_is_carried_out(script: Script) -> None:
    script.stack("CREATE_COMPLETE")
    script.prepares("UPDATE")
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE", change("Remove"))
    script.executes()
    script.stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    script.stack("UPDATE_COMPLETE")
    script.stack("UPDATE_COMPLETE")
    assert script.update.bring(WANTED, lambda: True) == {}


def test_a_failure_tells_the_reasons_of_this_time_only(script: Script) -> None:
    script.stack("CREATE_COMPLETE")
    script.prepares("UPDATE")
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE", change("Add"))
    script.executes()
    script.stack("UPDATE_ROLLBACK_COMPLETE")
    script.events(
        event("4", "UPDATE_ROLLBACK_COMPLETE"),
        event("3", "CREATE_FAILED", "Resource creation cancelled", "Followed"),
        event("2", "CREATE_FAILED", "already exists"),
        event("before", "CREATE_COMPLETE"),
        event("0", "CREATE_FAILED", "long ago"),
    )
    with pytest.raises(Rejected) as failed:
        script.update.bring(WANTED, never)
    assert str(failed.value) == f"{NAME} is UPDATE_ROLLBACK_COMPLETE:\n  OrdersTable: already exists"


def test_changes_that_cloudformation_refuses_are_taken_back(script: Script) -> None:
    script.stack("CREATE_COMPLETE")
    script.prepares("UPDATE")
    script.change_set("FAILED", StatusReason="Transform failed")
    script.deletes_change_set()
    with pytest.raises(Rejected, match="refuses the changes of cts-dev-resources: Transform failed"):
        script.update.bring(WANTED, never)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        ("ROLLBACK_COMPLETE", Conflict, "delete-stack --stack-name cts-dev-resources"),
        ("ROLLBACK_FAILED", Conflict, "delete the stack"),
        ("CREATE_FAILED", Conflict, "delete it"),
        ("DELETE_FAILED", Conflict, "delete it again"),
        ("UPDATE_ROLLBACK_FAILED", Conflict, "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", Retryable, "somebody else is changing it"),
    ],
)
def test_a_stack_that_cannot_go_on_says_what_to_do(
    script: Script, status: str, error: type[Exception], message: str
) -> None:
    script.stack(status)
    with pytest.raises(error, match=message):
        script.update.bring(WANTED, never)


def test_a_stack_that_was_only_reviewed_is_still_new(script: Script) -> None:
    script.stack("REVIEW_IN_PROGRESS")
    script.prepares("CREATE")
    script.change_set("FAILED", StatusReason="no")
    script.deletes_change_set()
    with pytest.raises(Rejected):
        script.update.bring(WANTED, never)


def test_waiting_ends(script: Script) -> None:
    script.no_stack()
    script.prepares("CREATE")
    for _ in range(PREPARED_WITHIN // POLL_SECONDS):
        script.change_set("CREATE_IN_PROGRESS")
    with pytest.raises(Retryable, match="not ready in 300 s"):
        script.update.bring(WANTED, never)


def test_waiting_for_the_stack_ends(script: Script) -> None:
    script.no_stack()
    script.prepares("CREATE")
    script.change_set("CREATE_COMPLETE")
    script.change_set("CREATE_COMPLETE")
    script.executes()
    for _ in range(DONE_WITHIN // POLL_SECONDS):
        script.stack("CREATE_IN_PROGRESS")
    with pytest.raises(Retryable, match="not done after 30 minutes"):
        script.update.bring(WANTED, never)


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("ExpiredToken", UsageError, "does not accept these credentials"),
        ("AccessDenied", Forbidden, "may not do it: DescribeStacks: you may not"),
        ("Throttling", Retryable, "try again in a minute"),
        ("ValidationError", Rejected, r"DescribeStacks was refused \(ValidationError\): you may not"),
    ],
)
def test_refusals_say_what_to_do(script: Script, code: str, error: type[Exception], message: str) -> None:
    script.stubber.add_client_error("describe_stacks", code, "you may not")
    with pytest.raises(error, match=message), explained():
        script.update.bring(WANTED, never)
