"""A CloudFormation client with scripted answers in their real shapes: botocore checks requests and answers.

No emulator's CloudFormation knows change sets, conditions, outputs and failures well enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.session import get_session
from botocore.stub import ANY, Stubber

from infra.change_sets import StackUpdate
from tests.infra.cloudformation import ACCOUNT, REGION

NAME = "cts-dev-resources"
CHANGE_SET = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/x/1"
THEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Script:
    """A CloudFormation client that gives the scripted answers, in this order, and nothing else."""

    client: Any = field(
        default_factory=lambda: get_session().create_client(
            "cloudformation", REGION, aws_access_key_id="x", aws_secret_access_key="x"
        )
    )
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stubber = Stubber(self.client)
        self.stubber.activate()
        self.update = StackUpdate(self.client, self.said.append, self.slept.append)

    def stack(self, status: str, **more: Any) -> None:
        found = {"StackName": NAME, "StackStatus": status, "CreationTime": THEN, **more}
        self.stubber.add_response("describe_stacks", {"Stacks": [found]}, {"StackName": ANY})

    def no_stack(self) -> None:
        message = f"Stack with id {NAME} does not exist"
        self.stubber.add_client_error("describe_stacks", "ValidationError", message)

    def prepares(
        self, kind: str, parameters: Any = ANY, declared: Sequence[str] = ("Stage",), **more: Any
    ) -> None:
        keys = [{"ParameterKey": name} for name in declared]
        self.stubber.add_response("get_template_summary", {"Parameters": keys})
        asked = {
            "StackName": NAME,
            "ChangeSetName": ANY,
            "ChangeSetType": kind,
            "Parameters": parameters,
            "Tags": ANY,
            "Capabilities": ANY,
            "ImportExistingResources": ANY,
            "TemplateBody": ANY,
            **more,
        }
        self.stubber.add_response("create_change_set", {"Id": CHANGE_SET}, asked)

    def change_set(self, status: str, *changes: dict[str, Any], **more: Any) -> None:
        answer = {"Status": status, "Changes": list(changes), **more}
        self.stubber.add_response("describe_change_set", answer)

    def deletes_change_set(self) -> None:
        self.stubber.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})

    def executes(self) -> None:
        self.events(event("before", "CREATE_COMPLETE"))
        self.stubber.add_response("execute_change_set", {}, {"ChangeSetName": CHANGE_SET})

    def events(self, *events: dict[str, Any]) -> None:
        self.stubber.add_response("describe_stack_events", {"StackEvents": list(events)})


def event(identity: str, status: str, reason: str = "", name: str = "OrdersTable") -> dict[str, Any]:
    return {
        "StackId": "s",
        "EventId": identity,
        "StackName": NAME,
        "Timestamp": THEN,
        "LogicalResourceId": name,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def change(action: str, kind: str = "AWS::DynamoDB::Table", **more: Any) -> dict[str, Any]:
    described = {"Action": action, "LogicalResourceId": "OrdersTable", "ResourceType": kind, **more}
    return {"Type": "Resource", "ResourceChange": described}


def never() -> bool:
    raise AssertionError("nobody was to be asked")
