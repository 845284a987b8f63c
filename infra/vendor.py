"""Builds `vendor/`, which Chalice and `infra.package` both ship: ccxt with the exchanges in use and no more.

`python -m infra.vendor` writes it beside `app.py`; needed before `chalice deploy`.
"""

import argparse
import ast
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from zipfile import ZipFile

from chalicelib.errors import CtsError, UsageError
from infra.bytecode import compile_tree
from infra.dependencies import download
from infra.imports import absolute
from infra.requirements import LOCAL, pins

EXCHANGES = ("binance", "bybit", "bingx")
"""Exchanges that are reached through ccxt's classes: what they import of ccxt comes along."""

OWN = "chalicelib/exchanges/*.py"
"""Where ccxt is used: by callers of its classes, and by classes of our own made of its base class."""

_LIBRARY = "ccxt"
_BUNDLED = f"{_LIBRARY}.static_dependencies"
_INIT = '''"""ccxt {version}, of which only the exchanges in use are here."""

__version__ = "{version}"
'''

Sources = Mapping[str, bytes]
"""Contents of files by path."""

NOTHING: Sources = MappingProxyType({})


@dataclass(slots=True)
class _Method:
    """What the functions of one name use: attributes by name, and modules they import when called."""

    attributes: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)


def slim(sources: Sources, exchanges: Iterable[str], own: Sources = NOTHING) -> dict[str, bytes]:
    """Return those files of ccxt's wheel that `exchanges` and our `own` modules can ever import.

    Imports of modules are followed. Those inside functions are followed where a method of the exchange, or an
    own module, can reach the function by name: dozens of signing schemes lie in the base class, of which most
    exchanges use none. UsageError names an exchange or a module that the wheel does not have.
    """
    wanted: set[str] = set()
    for exchange in exchanges:
        if _path(sources, f"{_LIBRARY}.{exchange}") is None:
            raise UsageError(f"ccxt has no exchange {exchange!r}: see EXCHANGES in infra/vendor.py")
        wanted |= _modules(sources, {f"{_LIBRARY}.{exchange}"}, set())
    wanted |= _own_modules(sources, own)
    kept = {path: sources[path] for name in wanted if (path := _path(sources, name))}
    return dict(sorted(kept.items()))


def write(
    wheel: Path, version: str, into: Path, exchanges: Iterable[str] = EXCHANGES, own: Sources = NOTHING
) -> None:
    """Write the slim library as `into/ccxt`, with its license, in place of what was there."""
    with ZipFile(wheel) as zipped:
        sources = {name: zipped.read(name) for name in zipped.namelist() if not name.endswith("/")}
    licenses = [content for name, content in sorted(sources.items()) if "LICENSE" in name]
    files = slim(sources, exchanges, own)
    files[f"{_LIBRARY}/__init__.py"] = _INIT.format(version=version).encode()
    files[f"{_LIBRARY}/LICENSE.txt"] = b"\n".join(licenses)
    shutil.rmtree(into / _LIBRARY, ignore_errors=True)
    for name, content in files.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def build(repository: Path, into: Path) -> None:
    """Download the pinned ccxt and write its slim form as `into/ccxt`."""
    version = pins(repository / LOCAL)[_LIBRARY]
    with tempfile.TemporaryDirectory() as folder:
        wheel = download(f"{_LIBRARY}=={version}", Path(folder))
        write(wheel, version, into, own=own_modules(repository))


def own_modules(repository: Path) -> Sources:
    """Return our modules that use ccxt, by their paths."""
    return {
        path.relative_to(repository).as_posix(): path.read_bytes() for path in sorted(repository.glob(OWN))
    }


def _own_modules(sources: Sources, own: Sources) -> set[str]:
    """Return all modules of ccxt that our own modules can import, at once or later."""
    start: set[str] = set()
    attributes: set[str] = set()
    for path, content in own.items():
        tree = ast.parse(content, filename=path)
        importer = path.removesuffix(".py").replace("/", ".")
        for name in _imports(importer, ast.walk(tree), sources):
            if _path(sources, name) is None:
                raise UsageError(f"{path} imports {name}, which ccxt does not have")
            start.add(name)
        attributes |= _attributes(tree)
    return _modules(sources, start, attributes) if start else set()


def _modules(sources: Sources, start: set[str], attributes: set[str]) -> set[str]:
    """Return the modules of ccxt in `start` and all that they can import, with their packages.

    `attributes` are those that are used beside what the modules of exchanges use themselves.
    """
    found: set[str] = set()
    methods: defaultdict[str, _Method] = defaultdict(_Method)
    waiting = set(start)
    while waiting:
        for name in waiting:
            attributes = attributes | _read(name, sources, methods)
        found |= waiting
        imported = {name for one in waiting for name in _imported(one, sources)}
        waiting = {name for name in imported | _reached(attributes, methods) if _path(sources, name)} - found
    return found


def _read(name: str, sources: Sources, methods: defaultdict[str, _Method]) -> set[str]:
    """Add the functions of a module to `methods`; return the attributes that an exchange's module uses."""
    if _is_bundled(name):
        return set()
    tree = _parsed(name, sources)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            methods[node.name].attributes |= _attributes(node)
            methods[node.name].modules.update(_imports(name, ast.walk(node), sources))
    return set() if name.startswith(f"{_LIBRARY}.base") else _attributes(tree)


def _imported(name: str, sources: Sources) -> set[str]:
    """Return a module's package and what it imports: when it is imported, or ever if ccxt has copied it."""
    tree = _parsed(name, sources)
    nodes = ast.walk(tree) if _is_bundled(name) else _outside_functions(tree)
    package = name.rpartition(".")[0]
    return {found for found in {package, *_imports(name, nodes, sources)} if found != _LIBRARY}


def _is_bundled(name: str) -> bool:
    return name.startswith(f"{_BUNDLED}.")


def _parsed(name: str, sources: Sources) -> ast.Module:
    return ast.parse(sources[str(_path(sources, name))])


def _reached(attributes: Iterable[str], methods: Mapping[str, _Method]) -> set[str]:
    """Return the modules that are imported inside functions which can be reached from `attributes`."""
    seen: set[str] = set()
    modules: set[str] = set()
    waiting = list(attributes)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in methods:
            continue
        seen.add(name)
        modules |= methods[name].modules
        waiting.extend(methods[name].attributes)
    return modules


def _attributes(node: ast.AST) -> set[str]:
    return {found.attr for found in ast.walk(node) if isinstance(found, ast.Attribute)}


def _outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run when the module is imported."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _imports(importer: str, nodes: Iterable[ast.AST], sources: Sources) -> Iterator[str]:
    """Yield the modules of ccxt that import statements among `nodes` of a module name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(f"{_LIBRARY}."))
        elif isinstance(node, ast.ImportFrom):
            is_package = str(_path(sources, importer)).endswith("/__init__.py")
            module = absolute(importer, is_package, node)
            if module.startswith(f"{_LIBRARY}."):
                yield module
                members = (f"{module}.{alias.name}" for alias in node.names)
                yield from (member for member in members if _path(sources, member))


def _path(sources: Sources, module: str) -> str | None:
    """Return the path of a module's source, or None if there is none."""
    base = module.replace(".", "/")
    return next((path for path in (f"{base}.py", f"{base}/__init__.py") if path in sources), None)


def main(arguments: list[str] | None = None) -> int:
    """Write `vendor/` with compiled modules; 0, or 2 if that cannot be done."""
    repository = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(prog="infra.vendor", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, default=repository / "vendor", help="default: vendor")
    options = parser.parse_args(arguments)
    try:
        build(repository, options.out)
        compile_tree(options.out)
    except CtsError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.out}: ccxt with {', '.join(EXCHANGES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
