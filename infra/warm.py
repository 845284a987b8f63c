"""Functions that start faster, at a price: snapshots or warm containers; an option of `infra.template`."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from chalicelib.errors import UsageError

Properties = dict[str, Any]
Resource = dict[str, Any]

SNAPSTART: dict[str, tuple[str, ...]] = {}
"""Functions of a stage that start from a snapshot, as in {"prod": ("api_handler",)}.

Paid per GB and second that the version stands, and per GB restored."""

PROVISIONED: dict[str, dict[str, int]] = {}
"""Containers of a stage that are kept warm, as in {"prod": {"execute_signals": 1}}.

Paid per GB and second, called or not."""

ALIAS = "live"
"""Both need published versions; this alias is the newest, and is what events and routes then call."""

_VERSIONED: Properties = {
    "AutoPublishAlias": ALIAS,
    # A change of memory or variables alone needs a new version too.
    "AutoPublishAliasAllProperties": True,
    # The snapshot of an old version is paid for as long as the version is there.
    "VersionDeletionPolicy": "Delete",
}


def warm_properties(
    functions: Collection[str], snapstart: Collection[str], provisioned: Mapping[str, int]
) -> dict[str, Properties]:
    """Return what each of the named functions needs; UsageError for an unknown one, or both for one."""
    for name in (*snapstart, *provisioned):
        if name not in functions:
            raise UsageError(
                f"there is no function {name!r} to keep warm: use {', '.join(sorted(functions))}"
            )
    if both := sorted(set(snapstart) & set(provisioned)):
        raise UsageError(f"{both[0]} can start from a snapshot or be provisioned, not both")
    for name, number in provisioned.items():
        if number < 1:
            raise UsageError(f"{name} needs at least one provisioned container, not {number}")
    snapshots = {name: {**_VERSIONED, "SnapStart": {"ApplyOn": "PublishedVersions"}} for name in snapstart}
    containers = {
        name: {**_VERSIONED, "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": number}}
        for name, number in provisioned.items()
    }
    return {**snapshots, **containers}


def through_alias(value: Any, logical_ids: Iterable[str]) -> Any:
    """Return a part of the template in which what called the given functions calls their alias.

    Event sources need no help, SAM does it; routes, authorizers and permissions were written by Chalice.
    """
    for logical_id in logical_ids:
        value = _replaced(value, logical_id)
    return value


def _replaced(value: Any, logical_id: str) -> Any:
    if value in ({"Ref": logical_id}, {"Fn::GetAtt": [logical_id, "Arn"]}):
        return {"Ref": f"{logical_id}.Alias"}
    if isinstance(value, str):
        return value.replace(f"${{{logical_id}.Arn}}", f"${{{logical_id}.Arn}}:{ALIAS}")
    if isinstance(value, dict):
        return {key: _replaced(part, logical_id) for key, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, logical_id) for part in value]
    return value
