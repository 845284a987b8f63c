"""A small IAM: decides from policy documents, as they are in their files, whether a need is allowed."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.infra.iam_needs import Need

Document = Mapping[str, Any]
Statement = Mapping[str, Any]
Context = Mapping[str, tuple[str, ...]]

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


def allowed(document: Document, need: Need) -> bool:
    """Tell whether a statement of the document allows the need; documents that deny are not understood."""
    return any(grants(statement, need) for statement in document["Statement"])


def grants(statement: Statement, need: Need) -> bool:
    """Tell whether one statement allows the need."""
    return any(pair_grants(statement, action, resource, need) for action, resource in pairs(statement))


def pairs(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield each action of a statement with each of its resources."""
    unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
    if statement["Effect"] != "Allow" or unknown:
        raise LookupError(f"statement {statement.get('Sid')!r} has parts that are not understood")
    for action in _listed(statement["Action"]):
        for resource in _listed(statement["Resource"]):
            yield action, resource


def pair_grants(statement: Statement, action: str, resource: str, need: Need) -> bool:
    """Tell whether this action on this resource, under the statement's conditions, allows the need."""
    return (
        _matches(action.lower(), need.action.lower())
        and _covers(resource, need)
        and all(
            _holds(operator, key, _listed(wanted), need.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _covers(pattern: str, need: Need) -> bool:
    """Match ARNs part by part: a wildcard never reaches over one of the first five colons."""
    if pattern == "*":
        return True
    resolved, theirs = _resolved(pattern, need.context), need.resource.split(":", 5)
    ours = [] if resolved is None else resolved.split(":", 5)
    return len(ours) == len(theirs) and all(map(_matches, ours, theirs))


def _resolved(text: str, context: Context) -> str | None:
    """Replace policy variables; None if one has no value, which makes a statement void."""
    names = _VARIABLE.findall(text)
    if any(len(context.get(name, ())) != 1 for name in names):
        return None
    return _VARIABLE.sub(lambda found: context[found[1]][0], text)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(mark) or re.escape(mark) for mark in pattern))


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


def _holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    """Decide one condition. Without a set operator an absent key fails; `ForAllValues` holds for none."""
    present = context.get(key, ())
    values = {_resolved(value, context) for value in wanted}
    if operator == "StringEquals":
        return len(present) == 1 and present[0] in values
    if operator == "ForAnyValue:StringEquals":
        return any(value in values for value in present)
    if operator == "ForAllValues:StringEquals":
        return all(value in values for value in present)
    raise LookupError(f"condition operator {operator!r} is not understood")


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
