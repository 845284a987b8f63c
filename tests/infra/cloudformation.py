"""Reads CloudFormation templates and works out what they say for given parameters; for tests of infra/."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

ACCOUNT, REGION = "123456789012", "eu-central-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
_ABSENT = object()
_VARIABLE = re.compile(r"\$\{([^!}]+)\}")


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _function(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(f"!{name} of a mapping")
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


def load(path: Path) -> dict[str, Any]:
    """Read a template in YAML; functions have their long form."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, Any]:
    """Read the text of a template in YAML."""
    template: dict[str, Any] = yaml.load(text, _Loader)
    return template


def resolved(template: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the template as it is with these parameters.

    What their conditions exclude is left out. A reference to a resource becomes its logical name, one to an
    attribute `Name.Attribute`, an import `import NAME`.
    """
    values = {key: parameter.get("Default") for key, parameter in template.get("Parameters", {}).items()}
    resolver = _Resolver(template.get("Conditions", {}), {**values, **PSEUDO, **(parameters or {})})
    parts: dict[str, Any] = {}
    for section in ("Resources", "Outputs"):
        present = {
            name: item
            for name, item in template.get(section, {}).items()
            if "Condition" not in item or resolver.holds({"Condition": item["Condition"]})
        }
        parts[section] = resolver.value(present)
    return {**template, **parts}


class _Resolver:
    def __init__(self, conditions: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = conditions
        self._values = values

    def holds(self, condition: Mapping[str, Any]) -> bool:
        ((name, operand),) = condition.items()
        tests: dict[str, Callable[[], bool]] = {
            "Condition": lambda: self.holds(self._conditions[operand]),
            "Fn::Equals": lambda: self.value(operand[0]) == self.value(operand[1]),
            "Fn::And": lambda: all(map(self.holds, operand)),
            "Fn::Or": lambda: any(map(self.holds, operand)),
            "Fn::Not": lambda: not self.holds(operand[0]),
        }
        return tests[name]()

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [part for part in map(self.value, value) if part is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, operand),) = value.items()
            functions: dict[str, Callable[[], Any]] = {
                "Ref": lambda: _ABSENT if operand == "AWS::NoValue" else self._values.get(operand, operand),
                "Fn::GetAtt": lambda: ".".join(operand),
                "Fn::If": lambda: self.value(operand[1 if self.holds({"Condition": operand[0]}) else 2]),
                "Fn::Sub": lambda: self._substituted(operand),
                "Fn::ImportValue": lambda: f"import {self.value(operand)}",
            }
            if name in functions:
                return functions[name]()
        found = {key: self.value(part) for key, part in value.items()}
        return {key: part for key, part in found.items() if part is not _ABSENT}

    def _substituted(self, operand: Any) -> str:
        text, own = operand if isinstance(operand, list) else (operand, {})
        values = {**self._values, **self.value(own)}
        return _VARIABLE.sub(lambda found: str(values.get(found[1], found[1])), text)
