"""Finds import statements by reading modules, and the files they mean in a package; for the checks."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

When = Literal["always", "guarded", "called"]
"""An import runs when its module is imported; the same under an `if` or `try`; or in a function."""

_TYPE_CHECKING = "TYPE_CHECKING"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `module`, and what is taken of it ("" for the module itself)."""

    line: int
    module: str
    member: str
    when: When


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds modules in the folder of a package as its runtime would."""

    root: Path
    extension_suffixes: tuple[str, ...]

    def find(self, module: str) -> Path | None:
        """Return the file of a module, or the folder of a package without a file; None if it is absent."""
        base = self.root.joinpath(*module.split("."))
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
        extensions = (base.with_name(base.name + suffix) for suffix in self.extension_suffixes)
        found = next((path for path in extensions if path.is_file()), None)
        return found or (base if base.is_dir() and any(base.glob("*.py")) else None)

    def provides(self, found: Import) -> bool:
        """Tell whether an import's module is in the package or in the standard library."""
        return in_standard_library(found.module) or self.find(found.module) is not None


def in_standard_library(module: str) -> bool:
    """Tell whether the running Python brings a module."""
    return module.partition(".")[0] in sys.stdlib_module_names


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a source file in a package."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, root: Path) -> tuple[Import, ...]:
    """Return all imports of a source file but those for type checkers."""
    name = module_name(path, root)
    tree = ast.parse(path.read_bytes(), filename=str(path))
    return tuple(_imports(tree, name, path.name == "__init__.py", "always"))


def absolute(importer: str, is_package: bool, node: ast.ImportFrom) -> str:
    """Return the full name of the module that an import statement names, maybe relative to the importer."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *filter(None, [node.module])])


def _imports(node: ast.AST, importer: str, is_package: bool, when: When) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(node.lineno, alias.name, "", when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = absolute(importer, is_package, node)
        yield from (Import(node.lineno, module, alias.name, when) for alias in node.names)
    elif isinstance(node, ast.If) and _is_for_type_checkers(node.test):
        for alternative in node.orelse:
            yield from _imports(alternative, importer, is_package, when)
    else:
        inside = _inside(node, when)
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, importer, is_package, inside)


def _inside(node: ast.AST, when: When) -> When:
    """Return when the statements directly inside a node run."""
    if when == "called" or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return "called"
    if isinstance(node, ast.If | ast.Try):
        return "guarded"
    return when


def _is_for_type_checkers(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == _TYPE_CHECKING
