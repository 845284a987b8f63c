"""Snapshots and warm containers: off unless asked for, and then all that calls goes through the alias."""

import json

import pytest

from chalicelib.errors import UsageError
from infra.template import merge
from infra.warm import ALIAS, PROVISIONED, SNAPSTART
from tests.infra.inventory import sam_template


def test_nothing_is_kept_warm_unless_asked_for() -> None:
    assert (SNAPSTART, PROVISIONED) == ({}, {})
    text = json.dumps(merge("prod", sam_template("prod")))
    assert "AutoPublishAlias" not in text
    assert "SnapStart" not in text
    assert "ProvisionedConcurrency" not in text


def test_warm_functions_publish_versions() -> None:
    sam = sam_template("prod")
    merged = merge("prod", sam, snapstart=("api_handler",), provisioned={"execute_signals": 2})["Resources"]
    api, executor = (merged[name]["Properties"] for name in ("APIHandler", "ExecuteSignals"))
    assert api["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert executor["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    for properties in (api, executor):
        assert properties["AutoPublishAlias"] == ALIAS
        # Or a new setting would not reach the alias, and old snapshots would be paid for.
        assert properties["AutoPublishAliasAllProperties"] is True
        assert properties["VersionDeletionPolicy"] == "Delete"
    assert "AutoPublishAlias" not in merged["RealtimeTick"]["Properties"]


def test_routes_and_permissions_of_a_warm_function_name_its_alias() -> None:
    sam = sam_template("prod")
    merged = merge("prod", sam, snapstart=("api_handler", "authorize"))["Resources"]
    body = json.dumps(merged["RestAPI"])
    for name in ("APIHandler", "Authorize"):
        assert f"${{{name}.Arn}}:{ALIAS}/invocations" in body
        assert f"${{{name}.Arn}}/invocations" not in body
        permission = merged[f"{name}InvokePermission"]["Properties"]
        assert permission["FunctionName"] == {"Ref": f"{name}.Alias"}
    cold = json.dumps(merge("prod", sam)["Resources"]["RestAPI"])
    assert "${APIHandler.Arn}/invocations" in cold


@pytest.mark.parametrize(
    ("snapstart", "provisioned", "message"),
    [
        (("api",), {}, "no function 'api' to keep warm: use api_handler"),
        ((), {"nobody": 1}, "no function 'nobody'"),
        (("api_handler",), {"api_handler": 1}, "not both"),
        ((), {"api_handler": 0}, "at least one provisioned container"),
    ],
)
def test_what_cannot_be_kept_warm_is_refused(
    snapstart: tuple[str, ...], provisioned: dict[str, int], message: str
) -> None:
    sam = sam_template("dev")
    with pytest.raises(UsageError, match=message):
        merge("dev", sam, snapstart=snapstart, provisioned=provisioned)
