"""What a change set of CloudFormation will do, in plain words, and whether it touches what holds state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HOLDS_STATE = {
    "AWS::DynamoDB::Table": "table",
    "AWS::S3::Bucket": "bucket",
    "AWS::KMS::Key": "key",
    "AWS::SecretsManager::Secret": "secret",
    "AWS::Kinesis::Stream": "stream",
    "AWS::SQS::Queue": "queue",
}
"""A queue holds what is under way, a secret what tokens are signed with: both are missed when they go."""

_LOSSES = {
    "table": "what is stored in it stays in the old one or is lost",
    "bucket": "what is stored in it stays in the old one or is lost",
    "key": "credentials encrypted with it can't be read",
    "secret": "all tokens become invalid",
    "stream": "events not yet recorded are lost",
    "queue": "messages under way are lost",
}
_VERBS = {"Add": "make", "Modify": "change", "Remove": "REMOVE", "Import": "adopt", "Dynamic": "may change"}
_KEPT = frozenset({"Retain", "RetainExceptOnCreate"})


@dataclass(frozen=True, slots=True)
class Change:
    """One resource in a change set; `replaced` also if CloudFormation can't tell before it does it."""

    action: str
    logical_id: str
    kind: str
    name: str = ""
    properties: tuple[str, ...] = ()
    replaced: bool = False
    kept: bool = False

    @property
    def endangers_state(self) -> bool:
        """Tell whether something that holds state is replaced, or leaves the stack."""
        return self.kind in HOLDS_STATE and (self.replaced or self.action == "Remove")

    @property
    def words(self) -> str:
        verb = "REPLACE" if self.replaced else _VERBS.get(self.action, self.action)
        thing = HOLDS_STATE.get(self.kind, self.kind.removeprefix("AWS::"))
        text = f"{verb} {thing} {self.name or self.logical_id}"
        text += f" ({', '.join(self.properties)})" if self.properties else ""
        if not self.endangers_state:
            return text
        return f"{text}: it is kept, outside of the stack" if self.kept else f"{text}: {_LOSSES[thing]}"


def read_changes(described: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Read `Changes` of DescribeChangeSet; those that endanger state come first."""
    changes = [_read(change["ResourceChange"]) for change in described if "ResourceChange" in change]
    return tuple(sorted(changes, key=lambda change: (not change.endangers_state, change.logical_id)))


def _read(change: Mapping[str, Any]) -> Change:
    targets = [detail.get("Target", {}) for detail in change.get("Details", ())]
    names = {str(target.get("Name") or target.get("Attribute", "")) for target in targets}
    return Change(
        action=change["Action"],
        logical_id=change["LogicalResourceId"],
        kind=change["ResourceType"],
        name=change.get("PhysicalResourceId", ""),
        properties=tuple(sorted(filter(None, names))),
        replaced=change.get("Replacement") in ("True", "Conditional"),
        kept=change["Action"] == "Remove" and change.get("PolicyAction") in _KEPT,
    )
