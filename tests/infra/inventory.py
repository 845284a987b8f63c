"""Tells what a stage consists of, as text: tests compare it with the files in inventory/, reviews read these.

After a change that is meant: python -m tests.infra.inventory
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from infra.sam import chalice_template, stages
from infra.stack import RESOURCES, resource_parameters
from infra.template import function_names, merge
from infra.templates import REPOSITORY
from tests.infra.cloudformation import ACCOUNT, REGION, load, resolved

FOLDER = Path(__file__).parent / "inventory"
_BODIES = frozenset({"AttributeDefinitions", "DashboardBody", "DefinitionBody", "QueryString"})
"""Too long to be read here: other tests look at them, and routes are listed."""
_ELSEWHERE = frozenset(
    {"FunctionName", "Handler", "CodeUri", "Environment", "Events", "Role", "Runtime", "Tags"}
)
"""Of a function: shown in lines of their own, or different with the Python that packages."""
_METHODS = ("get", "put", "post", "patch", "delete", "any")


@cache
def sam_template(stage: str) -> dict[str, Any]:
    """Return what Chalice writes for a stage: it runs once for all tests."""
    return chalice_template(REPOSITORY, stage)


@cache
def functions_stack(stage: str) -> dict[str, Any]:
    """Return the template of a stage's functions with its references worked out."""
    return resolved(merge(stage, sam_template(stage)))


def resources_stack(stage: str, **given: str) -> dict[str, Any]:
    """Return what infra/resources.yaml is for a stage, with the parameters that `make infra` gives it."""
    return resolved(load(RESOURCES), resource_parameters(stage, given))


def resources_inventory(stage: str) -> str:
    """Return a paragraph per resource of the stack of resources, then its outputs."""
    stack = resources_stack(stage)
    lines: list[str] = []
    for name, resource in sorted(stack["Resources"].items()):
        lines += _other(name, resource)
    for name, output in stack["Outputs"].items():
        export = f", exported as {output['Export']['Name']}" if "Export" in output else ""
        lines.append(f"output {name}: {output['Value']}{export}")
    return _text(lines)


def functions_inventory(stage: str) -> str:
    """Return a paragraph per function, with its role and log group, and one per other resource."""
    stack = functions_stack(stage)
    resources = stack["Resources"]
    names = function_names(stack)
    lines: list[str] = []
    shown = set(names)
    for logical_id, name in sorted(names.items(), key=lambda item: item[1]):
        properties = resources[logical_id]["Properties"]
        parts = [properties["Role"].split(".")[0], properties["LoggingConfig"]["LogGroup"]]
        lines += [*_function(name, properties, *(resources[part]["Properties"] for part in parts)), ""]
        shown.update(parts)
    for logical_id, resource in sorted(resources.items()):
        if logical_id not in shown:
            lines += _other(logical_id, resource)
    return _text(lines)


def _function(
    name: str, properties: Mapping[str, Any], role: Mapping[str, Any], group: Mapping[str, Any]
) -> Iterator[str]:
    yield f"function {name}: {properties['FunctionName']} = {properties['Handler']}"
    settings = {key: value for key, value in properties.items() if key not in _ELSEWHERE}
    yield from _lines(settings)
    yield f"  variables: {_inline(properties['Environment']['Variables'])}"
    for event in properties.get("Events", {}).values():
        yield f"  called by {event['Type']}: {_inline(event['Properties'])}"
    for policy in role["Policies"]:
        yield from (f"  {_statement(statement)}" for statement in policy["PolicyDocument"]["Statement"])
    yield f"  logs: {group['LogGroupName']} for {group['RetentionInDays']} days"


def _statement(statement: Mapping[str, Any]) -> str:
    actions, resources = (_listed(statement[key]) for key in ("Action", "Resource"))
    condition = f" if {_inline(statement['Condition'])}" if "Condition" in statement else ""
    verb = {"Allow": "may", "Deny": "may not"}[statement["Effect"]]
    return f"{verb} {' '.join(actions)} on {' '.join(resources)}{condition}"


def _other(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    kept = ", kept" if resource.get("DeletionPolicy") == "RetainExceptOnCreate" else ""
    yield f"{name}: {resource['Type'].removeprefix('AWS::')}{kept}"
    yield from _lines(resource["Properties"])
    if "DefinitionBody" in resource["Properties"]:
        yield from _routes(resource["Properties"]["DefinitionBody"])
    yield ""


def _routes(body: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in sorted(body["paths"].items()):
        for method in (method for method in _METHODS if method in methods):
            guards = [name for guard in methods[method].get("security", ()) for name in guard]
            yield f"  {method.upper()} {path}: {' '.join(guards) or 'NOBODY GUARDS IT'}"


def _lines(properties: Mapping[str, Any]) -> Iterator[str]:
    return (f"  {key}: {_inline(value)}" for key, value in sorted(properties.items()) if key not in _BODIES)


def _inline(value: Any) -> str:
    """Return a nested value in one line; of key schemas only the names."""
    if isinstance(value, list):
        return f"[{', '.join(map(_nested, value))}]"
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {_nested(part)}" for key, part in value.items())


def _nested(value: Any) -> str:
    if not isinstance(value, dict):
        return _inline(value)
    if value.keys() == {"AttributeName", "KeyType"}:
        return str(value["AttributeName"])
    return f"({_inline(value)})"


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _text(lines: list[str]) -> str:
    return "\n".join(lines).replace(ACCOUNT, "ACCOUNT").replace(REGION, "REGION").strip() + "\n"


def files() -> dict[Path, str]:
    """Return all inventories by the files that hold what is expected."""
    kinds = {"resources": resources_inventory, "functions": functions_inventory}
    return {
        FOLDER / f"{stage}-{kind}.txt": made(stage)
        for stage in stages(REPOSITORY)
        for kind, made in kinds.items()
    }


def main() -> int:
    """Write the inventories."""
    for path, text in files().items():
        path.write_text(text)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
