"""Brings one CloudFormation stack to a template by a change set that is shown before it is carried out."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from chalicelib.errors import Conflict, Rejected, Retryable, UsageError
from infra.changes import Change, read_changes

POLL_SECONDS = 3
PREPARED_WITHIN = 300
DONE_WITHIN = 1800

_MENDS = {
    "ROLLBACK_COMPLETE": "its first creation failed: delete what is left of it "
    "(aws cloudformation delete-stack --stack-name {stack}), and run this again",
    "ROLLBACK_FAILED": "its first creation failed and could not be undone: see its events, remove what they "
    "name, delete the stack, and run this again",
    "CREATE_FAILED": "its first creation failed: delete it "
    "(aws cloudformation delete-stack --stack-name {stack}), and run this again",
    "DELETE_FAILED": "its deletion failed: see its events, remove what they name, and delete it again",
    "UPDATE_ROLLBACK_FAILED": "an update could not be undone: mend what its events name, then run "
    "aws cloudformation continue-update-rollback --stack-name {stack}",
}
_NEW = "REVIEW_IN_PROGRESS"
"""The state of a stack that has a change set but no resources yet."""
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_FOLLOWED = "Resource creation cancelled"
"""The reason of those that stopped only because another one failed."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stack shall be; `template` is TemplateBody or TemplateURL.

    Parameters that are not given stay as they are, or as the template has them at first. `adopt`: resources
    that an earlier stack left behind are taken over by their names.
    """

    stack: str
    template: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    adopt: bool = False


class StackUpdate:
    """`client` is a CloudFormation client; `sleep` waits for seconds; `say` prints a line."""

    def __init__(self, client: Any, say: Say, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._say = say
        self._sleep = sleep

    def bring(self, wanted: Wanted, agree: Callable[[], bool]) -> dict[str, str]:
        """Show and carry out the changes, and return the outputs.

        `agree` is asked first where something that holds state would be replaced or removed. Conflict if it
        says no, or if the stack is in a state from which it can't go on; Rejected if CloudFormation fails.
        """
        known = self._changeable(wanted.stack)
        change_set = self._prepared(wanted, known)
        if change_set is None:
            self._say(f"{wanted.stack}: nothing to change")
            return self.outputs(wanted.stack)
        changes = self._changes(change_set)
        for change in changes:
            self._say(f"  {change.words}")
        if any(change.endangers_state for change in changes) and not agree():
            self._client.delete_change_set(ChangeSetName=change_set)
            raise Conflict(
                f"{wanted.stack} stays as it is: the changes above in capitals need consent (--yes)"
            )
        self._carry_out(wanted.stack, change_set)
        return self.outputs(wanted.stack)

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a stack by their names; none if it is not there."""
        found = self._described(stack) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}

    def _described(self, stack: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"].get("Message", ""):
                return None
            raise
        return found

    def _changeable(self, stack: str) -> Mapping[str, Any] | None:
        """Return the stack, None for a new one, or raise if it can't be changed now."""
        found = self._described(stack)
        if found is None or found["StackStatus"] == _NEW:
            return None
        status = found["StackStatus"]
        if mend := _MENDS.get(status):
            raise Conflict(f"{stack} is {status}: {mend.format(stack=stack)}")
        if status.endswith("_IN_PROGRESS"):
            raise Retryable(f"{stack} is {status}: somebody else is changing it, wait until it is done")
        return found

    def _prepared(self, wanted: Wanted, known: Mapping[str, Any] | None) -> str | None:
        """Return the ARN of a change set, or None if there is nothing to change."""
        declared = self._client.get_template_summary(**wanted.template)["Parameters"]
        arn: str = self._client.create_change_set(
            StackName=wanted.stack,
            ChangeSetName=f"cts-{uuid4().hex}",
            ChangeSetType="UPDATE" if known else "CREATE",
            Parameters=_parameters(
                wanted, known or {}, {parameter["ParameterKey"] for parameter in declared}
            ),
            Tags=[{"Key": key, "Value": value} for key, value in wanted.tags.items()],
            Capabilities=list(wanted.capabilities),
            ImportExistingResources=wanted.adopt,
            **wanted.template,
        )["Id"]
        for _ in self._polls(PREPARED_WITHIN):
            found = self._client.describe_change_set(ChangeSetName=arn)
            if found["Status"] == "CREATE_COMPLETE":
                return arn
            if found["Status"] == "FAILED":
                reason = found.get("StatusReason", "")
                self._client.delete_change_set(ChangeSetName=arn)
                if any(words in reason for words in _NO_CHANGES):
                    return None
                raise Rejected(f"CloudFormation refuses the changes of {wanted.stack}: {reason}")
        raise Retryable(f"the changes of {wanted.stack} were not ready in {PREPARED_WITHIN} s: try again")

    def _changes(self, change_set: str) -> tuple[Change, ...]:
        described: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            found = self._client.describe_change_set(ChangeSetName=change_set, **more)
            described += found["Changes"]
            if not found.get("NextToken"):
                return read_changes(described)
            more = {"NextToken": found["NextToken"]}

    def _carry_out(self, stack: str, change_set: str) -> None:
        before = self._newest_event(stack)
        self._say(f"{stack}: carrying it out; it goes on if this is interrupted")
        self._client.execute_change_set(ChangeSetName=change_set)
        for _ in self._polls(DONE_WITHIN):
            found = self._described(stack)
            status = found["StackStatus"] if found else "deleted"
            if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
                self._say(f"{stack}: done")
                return
            if not status.endswith("_IN_PROGRESS"):
                reasons = "\n".join(f"  {reason}" for reason in self._failures(stack, before))
                raise Rejected(f"{stack} is {status}:\n{reasons}")
        raise Retryable(
            f"{stack} is not done after {DONE_WITHIN // 60} minutes: see its events on the console"
        )

    def _polls(self, seconds: int) -> Iterator[None]:
        for _ in range(seconds // POLL_SECONDS):
            # First, because a change that was just begun may still be described as the one before.
            self._sleep(POLL_SECONDS)
            yield

    def _newest_event(self, stack: str) -> str:
        events = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def _failures(self, stack: str, before: str) -> Iterator[str]:
        """Yield why resources failed since an event, the last one first."""
        for page in self._client.get_paginator("describe_stack_events").paginate(StackName=stack):
            for event in page["StackEvents"]:
                if event["EventId"] == before:
                    return
                reason = event.get("ResourceStatusReason", "")
                if event["ResourceStatus"].endswith("_FAILED") and _FOLLOWED not in reason:
                    yield f"{event['LogicalResourceId']}: {reason}"


def _parameters(wanted: Wanted, known: Mapping[str, Any], declared: Collection[str]) -> list[dict[str, Any]]:
    if unknown := sorted(set(wanted.parameters) - set(declared)):
        raise UsageError(f"{wanted.stack} has no parameter {unknown[0]}: use {', '.join(sorted(declared))}")
    values = [{"ParameterKey": key, "ParameterValue": value} for key, value in wanted.parameters.items()]
    previous = {parameter["ParameterKey"] for parameter in known.get("Parameters", ())} & set(declared)
    kept = sorted(previous - set(wanted.parameters))
    return values + [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
