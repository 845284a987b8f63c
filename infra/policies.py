"""Writes the IAM policies of `infra.permissions` to .chalice/policies, where Chalice reads them.

`make policies` runs it; .chalice/config.json names the files (`iam_policy_file`) per function.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.lambda_permissions import LOGGING, TRACING, on_behalf
from infra.permissions import FUNCTIONS, Grant, Only, Resource

ROOT = Path(__file__).parents[1]
CHALICE = ROOT / ".chalice"

Document = dict[str, Any]


def stages(configuration: Path = CHALICE / "config.json") -> dict[str, dict[str, str]]:
    """Return the environment variables of each stage of the Chalice configuration."""
    content = json.loads(configuration.read_text(encoding="utf-8"))
    everywhere = content.get("environment_variables", {})
    return {
        stage: {**everywhere, **settings.get("environment_variables", {})}
        for stage, settings in content["stages"].items()
    }


def functions_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the functions that a stage with these environment variables has."""
    return tuple(name for name, function in FUNCTIONS.items() if _granted(function.only, environment))


def policy(stage: str, environment: Mapping[str, str], function: str) -> Document:
    """Return the policy of a function: one statement per resource, named after it."""
    wanted = FUNCTIONS[function]
    grants = [grant for grant in wanted.calls if _granted(grant.only, environment)]
    statements = _statements([*grants, *on_behalf(wanted.trigger), LOGGING, TRACING])
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    document: Document = json.loads(text.replace("{stage}", stage).replace("{function}", function))
    return document


def _granted(only: Only | None, environment: Mapping[str, str]) -> bool:
    return only is None or only.holds(environment)


def _statements(grants: Iterable[Grant]) -> list[Document]:
    actions: dict[str, set[str]] = {}
    resources: dict[str, Resource] = {}
    for grant in grants:
        sid = grant.resource.sid
        if resources.setdefault(sid, grant.resource) != grant.resource:
            raise ValueError(f"two resources are called {sid}")
        actions.setdefault(sid, set()).update(grant.actions)
    return [_statement(resource, sorted(actions[sid])) for sid, resource in sorted(resources.items())]


def _statement(resource: Resource, actions: list[str]) -> Document:
    statement = {"Sid": resource.sid, "Effect": "Allow", "Action": actions, "Resource": resource.arn}
    return {**statement, "Condition": resource.condition} if resource.condition else statement


def policy_files() -> dict[Path, str]:
    """Return all policy files of all stages and their content."""
    return {
        CHALICE / "policies" / stage / f"{function}.json": _text(policy(stage, environment, function))
        for stage, environment in stages().items()
        for function in functions_of(environment)
    }


def _text(document: Document) -> str:
    return json.dumps(document, indent=2) + "\n"


def write() -> None:
    """Write all policy files and remove those that no function has any more."""
    files = policy_files()
    for path in (CHALICE / "policies").glob("*/*.json"):
        if path not in files:
            path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
