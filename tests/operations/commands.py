"""Reads shell commands in pages and messages, and finds those that the AWS CLI would not know."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.session import Session

_EVERYWHERE = frozenset({"output", "profile", "query", "region"})
_NOT_IN_MODELS = {
    ("configure", ""): frozenset[str](),
    ("s3", "rm"): frozenset({"recursive"}),
    ("s3", "sync"): frozenset({"delete"}),
    ("sso", "login"): frozenset[str](),
}
"""Commands that the CLI has beyond the operations of AWS, with the options that we use."""

_SERVICES = {"s3api": "s3"}
_START = r"(?<![\w/.-])aws (?=[a-z])"
_WORD = r"(?: ([a-z][a-z0-9-]*))?"
_COMMAND = re.compile(rf"{_START}([a-z0-9-]+){_WORD}{_WORD}((?:(?!{_START})[^\n;#&`])*)")


def blocks(page: str) -> str:
    """Return the code of a page, a command per line."""
    code = "\n".join(re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    return re.sub(r"\s*\\\n\s*", " ", code)


def unreal(text: str) -> list[str]:
    """Return what is wrong with the commands of the AWS CLI in a text."""
    return [problem for found in _COMMAND.finditer(text) for problem in _problems(found)]


def counted(text: str) -> int:
    """Return how many commands of the AWS CLI a text has."""
    return sum(1 for _ in _COMMAND.finditer(text))


def _problems(found: re.Match[str]) -> Iterator[str]:
    service, name, more = found[1], found[2] or "", found[3] or ""
    options = set(re.findall(r"--([a-z][a-z0-9-]*)", f"{more} {found[4]}")) - _EVERYWHERE
    if (service, name) in _NOT_IN_MODELS:
        known: set[str] = set(_NOT_IN_MODELS[service, name])
    elif name == "wait":
        if more not in _waiters(service):
            yield f"aws {service} wait {more}: no such waiter"
            return
        known = _options(service, _waiters(service)[more])
    else:
        operation = _operations(service).get(name)
        if operation is None:
            yield f"aws {service} {name}: no such command"
            return
        known = _options(service, operation)
    yield from (f"aws {service} {name}: no option --{option}" for option in sorted(options - known))


@cache
def _model(service: str) -> Any:
    return Session().get_service_model(_SERVICES.get(service, service))


@cache
def _operations(service: str) -> dict[str, str]:
    return {xform_name(name, "-"): name for name in _model(service).operation_names}


@cache
def _waiters(service: str) -> dict[str, str]:
    model = Session().get_waiter_model(service)
    return {xform_name(name, "-"): model.get_waiter(name).operation for name in model.waiter_names}


def _options(service: str, operation: str) -> set[str]:
    shape = _model(service).operation_model(operation).input_shape
    options: set[str] = set()
    for name, member in shape.members.items():
        option = xform_name(name, "-")
        options |= {option, f"no-{option}"} if member.type_name == "boolean" else {option}
    return options
