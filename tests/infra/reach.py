"""Reads our source: which lines ask AWS for something, and which of them a function can come to.

Nothing is run here. A scenario that forgets a branch is found because the branch is in the source.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from botocore import xform_name
from botocore.session import get_session

from tests.infra.recorder import MODEL_METHODS, ROOT, TRACED_PARTS, Site

SERVICES = ("dynamodb", "s3", "sqs", "kinesis", "kms", "secretsmanager")
WITH_CLIENTS = (
    "wiring.py",
    "stores/*.py",
    "messaging/*.py",
    "exchanges/**/*.py",
    "triggers/**/*.py",
)
"""Where clients of AWS may be: import-linter keeps them out of domain and flows; the rest is not deployed."""

_ON_MODELS = frozenset(name for names in MODEL_METHODS.values() for name in names)
"""Names that other objects have too (dictionaries, stores): they count on models only."""

_UNREADABLE = frozenset({"get_paginator", "get_waiter", "generate_presigned_url", "_make_api_call"})


@dataclass(frozen=True, slots=True)
class Place:
    """A call in our source that asks for something; `what` is as written (`records.commit`, `put_object`)."""

    file: str
    function: str
    what: str
    first: int
    last: int
    text: str

    @property
    def name(self) -> str:
        """What is asked for and where, without the line."""
        return f"{self.what} in {self.file}, {self.function or 'module'}"

    def at(self, site: Site) -> bool:
        return site.file == self.file and self.first <= site.line <= self.last

    def __str__(self) -> str:
        return f"{self.name}, line {self.first}"


def unreached(places: Iterable[Place], sites: Iterable[Site]) -> list[Place]:
    """Return the places at which no site is."""
    known = list(sites)
    return [place for place in places if not any(place.at(site) for site in known)]


def client_places() -> tuple[Place, ...]:
    """Return every call of an AWS client or a PynamoDB model in the code that may hold one."""
    root = ROOT / "chalicelib"
    paths = [path for part in WITH_CLIENTS for path in sorted(root.glob(part)) if "memory" not in path.stem]
    return tuple(
        place for path in paths for place in places_of_clients(path.relative_to(root).as_posix(), _tree(path))
    )


def places_of_clients(path: str, tree: ast.Module) -> list[Place]:
    """Return the calls of clients and models in one module of chalicelib."""
    models = _model_names(tree) if path.startswith("stores/") else frozenset()
    return [
        _place(f"chalicelib/{path}", function, node, node.func.attr)
        for function, node in _calls(tree)
        if isinstance(node.func, ast.Attribute) and _asks(node.func, models)
    ]


def _asks(called: ast.Attribute, models: frozenset[str]) -> bool:
    if called.attr in _UNREADABLE:
        raise LookupError(f"line {called.lineno}: what {called.attr} asks for can't be read from the source")
    if called.attr in _ON_MODELS:
        return _root(called.value) in models or (called.attr in ("query", "scan") and bool(models))
    return called.attr in _operations()


def _root(node: ast.expr) -> str:
    """Return the name that a receiver is known by: of a class, a variable, or the last attribute."""
    if isinstance(node, ast.Call):
        return _root(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _model_names(tree: ast.Module) -> frozenset[str]:
    """Return the names in a module that stand for models, items, batches and transactions."""
    names = {"item"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "chalicelib.stores.tables":
            names |= {alias.asname or alias.name for alias in node.names if alias.name.endswith("Item")}
        if isinstance(node, ast.arg) and node.annotation is not None:
            names |= {node.arg} if "Item]" in ast.unparse(node.annotation) else set()
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            names.add(node.optional_vars.id)
    return frozenset(names)


@lru_cache(maxsize=1)
def _operations() -> frozenset[str]:
    """Return what the methods of the clients are called."""
    session = get_session()
    models = (session.get_service_model(service) for service in SERVICES)
    return frozenset(xform_name(name) for model in models for name in model.operation_names)


def world_places(handler: str, never: Iterable[str] = ()) -> tuple[Place, ...]:
    """Return every use of a part of the World that can be come to from a handler (`module.name`).

    `never` are names (`flows.module.name`) that the handler does not come to although others do on its way.
    """
    module, _, name = handler.rpartition(".")
    roots = _api_functions() if handler == "app.app" else {(module, name)}
    found: list[Place] = []
    for reached_module, reached_name in sorted(_reached(roots, frozenset(never))):
        file = _path(reached_module).relative_to(ROOT).as_posix()
        definition = _definitions(reached_module)[reached_name]
        aliases = _aliases(definition)
        for node in ast.walk(definition):
            if isinstance(node, ast.Attribute) and (part := _part(node.value, aliases)):
                found.append(_place(file, reached_name, node, f"{part}.{node.attr}"))
    return tuple(found)


def _part(node: ast.expr, aliases: Mapping[str, str]) -> str:
    """Return which part of the World an expression is (`world.records`, `venue`), or an empty text."""
    name = _root(node) if isinstance(node, ast.Attribute | ast.Name) else ""
    if isinstance(node, ast.Call) and _root(node.func) == "venue":
        return "venue"
    if name == "venue":
        return name
    if isinstance(node, ast.Name):
        return aliases.get(name, "")
    return name if name in TRACED_PARTS else ""


def _aliases(definition: ast.AST) -> Mapping[str, str]:
    """Return the local names that a definition gives to parts of the World (`records = world.records`)."""
    assignments = [node for node in ast.walk(definition) if isinstance(node, ast.Assign)]
    return {
        to.id: given.attr
        for node in assignments
        for to, given in zip(_each(node.targets[0]), _each(node.value), strict=False)
        if isinstance(to, ast.Name) and isinstance(given, ast.Attribute) and given.attr in TRACED_PARTS
    }


def _each(expression: ast.expr) -> list[ast.expr]:
    return expression.elts if isinstance(expression, ast.Tuple) else [expression]


Reference = tuple[str, str]


def _reached(roots: set[Reference], never: frozenset[str]) -> set[Reference]:
    """Follow names from definition to definition: too far rather than not far enough."""
    reached: set[Reference] = set()
    ahead = set(roots)
    while ahead:
        module, name = ahead.pop()
        if f"{module.removeprefix('chalicelib.')}.{name}" in never:
            continue
        if (module, name) in reached or name not in _definitions(module):
            continue
        reached.add((module, name))
        ahead |= set(_references(module, _definitions(module)[name]))
    return reached


def _references(module: str, definition: ast.AST) -> Iterator[Reference]:
    imported = _imports(module)
    for node in ast.walk(definition):
        if isinstance(node, ast.Name):
            yield imported.get(node.id, (module, node.id))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package, name = imported.get(node.value.id, ("", ""))
            yield f"{package}.{name}", node.attr


def _api_functions() -> set[Reference]:
    """Return all functions of the modules with routes."""
    paths = (ROOT / "chalicelib/triggers/api").glob("*.py")
    modules = [f"chalicelib.triggers.api.{path.stem}" for path in paths]
    routed = [module for module in modules if "blueprint" in _definitions(module)]
    return {(module, name) for module in routed for name in _definitions(module)}


@cache
def _definitions(module: str) -> Mapping[str, ast.AST]:
    """Return the functions, classes and variables of a module of triggers or flows, by name."""
    if not module.startswith(("chalicelib.triggers", "chalicelib.flows")) or not _path(module).exists():
        return {}
    found: dict[str, ast.AST] = {}
    for node in _tree(_path(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found.update({target.id: node for target in targets if isinstance(target, ast.Name)})
    return found


@cache
def _imports(module: str) -> Mapping[str, Reference]:
    """Return where the names that a module imports come from, also those imported inside functions."""
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(_tree(_path(module)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with the name of the innermost function around it."""
    ahead: list[tuple[str, ast.AST]] = [("", tree)]
    while ahead:
        function, node = ahead.pop()
        if isinstance(node, ast.Call):
            yield function, node
        name = node.name if isinstance(node, ast.FunctionDef) else function
        ahead.extend((name, child) for child in ast.iter_child_nodes(node))


def _place(file: str, function: str, node: ast.expr, what: str) -> Place:
    return Place(file, function, what, node.lineno, node.end_lineno or node.lineno, _line(file, node.lineno))


def _line(file: str, number: int) -> str:
    path = ROOT / file
    return path.read_text(encoding="utf-8").splitlines()[number - 1].strip() if path.exists() else ""


def _path(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
