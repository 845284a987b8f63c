"""Which imports a package must satisfy, and that one which is missing is found by reading and by trying."""

import pytest

from chalicelib.exchanges.ccxt_loader import OWN_MODULES
from infra.import_check import absent, probe, read_problems
from infra.imports import Import, imports
from infra.vendor import EXCHANGES
from tests.infra.small_package import ARM, X86, finder, write

HANDLERS = ("app.app", "chalicelib.triggers.tick.tick")
SMALL = {
    "app.py": "from chalicelib.triggers import tick\napp = tick\n",
    "chalicelib/__init__.py": "",
    "chalicelib/triggers/__init__.py": "",
    "chalicelib/triggers/tick.py": """
from typing import TYPE_CHECKING

import outer

if TYPE_CHECKING:
    import mypy_only

def tick(event):
    from outer.deep import helper
    return helper(event)
""",
    "chalicelib/exchanges/__init__.py": "",
    "chalicelib/exchanges/ccxt_loader.py": """
from importlib import import_module

def load_exchange_class(exchange):
    library = "chalicelib.exchanges" if exchange in ("pionex", "orangex") else "ccxt"
    return getattr(import_module(f"{library}.{exchange}"), exchange)
""",
    "outer/__init__.py": "try:\n    import speedups\nexcept ImportError:\n    pass\n",
    "outer/deep.py": "import json\nfrom . import inner\nhelper = inner.VALUE.get\n",
    "outer/inner.py": "VALUE = {}\n",
    "aws_xray_sdk/__init__.py": "",
    "aws_xray_sdk/core.py": "",
    "ccxt/__init__.py": "",
    **{
        f"{folder}/{name}.py": f"class {name}:\n    def __init__(self, _): ...\n"
        for folder, names in (("ccxt", EXCHANGES), ("chalicelib/exchanges", OWN_MODULES))
        for name in names
    },
}


@pytest.fixture
def tree(tmp_path):
    return write(tmp_path, SMALL)


def test_imports_are_read_with_the_moment_they_run(tmp_path):
    write(
        tmp_path,
        {
            "pack/__init__.py": "",
            "pack/module.py": """
import always.one
from . import sibling
from .sibling import name
if condition:
    import guarded
class Body:
    import inside
    def method(self):
        try:
            from called import it
        finally:
            pass
""",
        },
    )
    assert imports(tmp_path / "pack/module.py", tmp_path) == (
        Import(2, "always.one", "", "always"),
        Import(3, "pack", "sibling", "always"),
        Import(4, "pack.sibling", "name", "always"),
        Import(6, "guarded", "", "guarded"),
        Import(8, "inside", "", "always"),
        Import(11, "called", "it", "called"),
    )


def test_a_complete_package_has_no_problem(tree):
    assert read_problems(finder(tree), HANDLERS) == []
    assert probe(tree, HANDLERS).problems == ()


def test_trying_tells_which_files_were_loaded(tree):
    loaded = probe(tree, HANDLERS).loaded
    assert {"app.py", "outer/deep.py", "outer/inner.py", *(f"ccxt/{name}.py" for name in EXCHANGES)} <= loaded


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("outer/deep.py", "outer.deep"),  # imported inside a function only
        ("outer/inner.py", "inner"),  # imported by a dependency
        ("ccxt/bybit.py", "bybit"),  # imported by a name made at run time
        ("chalicelib/exchanges/pionex.py", "pionex"),  # imported by such a name, and ours
        ("aws_xray_sdk/core.py", "aws_xray_sdk.core"),  # imported by a dependency when it is used
        ("chalicelib/triggers/tick.py", "chalicelib.triggers.tick"),
    ],
)
def test_a_missing_module_is_found_both_ways(tree, gone, named):
    (tree / gone).unlink()
    assert any(named in problem for problem in probe(tree, HANDLERS).problems)
    read = read_problems(finder(tree), HANDLERS)
    # What a dependency takes from its own package may be an attribute: only trying can tell.
    assert gone == "outer/inner.py" or any(named in problem for problem in read)


def test_a_missing_name_of_a_module_is_found_by_trying(tree):
    write(tree, {"outer/deep.py": "other = 1\n"})
    assert any("outer.deep.helper" in problem for problem in probe(tree, HANDLERS).problems)


def test_a_handler_without_a_function_is_found(tree):
    problems = probe(tree, (*HANDLERS, "app.nothing")).problems
    assert any("app.nothing" in problem for problem in problems)
    assert any(
        "chalicelib.gone.f" in problem for problem in read_problems(finder(tree), ("chalicelib.gone.f",))
    )


def test_what_is_left_out_may_not_be_imported(tree):
    write(tree, {"chalicelib/triggers/tick.py": "def tick(e):\n    from chalicelib.local import run\n"})
    (problem,) = read_problems(finder(tree), HANDLERS)
    assert "chalicelib/triggers/tick.py:2 imports chalicelib.local, which is left out" in problem


def test_this_machines_packages_are_not_seen(tree):
    write(tree, {"outer/inner.py": "import numpy\nVALUE = {}\n"})
    assert any("numpy" in problem for problem in probe(tree, HANDLERS).problems)
    assert any(
        "outer/inner.py:1 imports numpy" in problem for problem in read_problems(finder(tree), HANDLERS)
    )


def test_shared_objects_of_another_architecture_are_no_modules(tree):
    write(
        tree,
        {
            "outer/inner.py": "from outer import _fast\nVALUE = {}\n",
            "chalicelib/triggers/tick.py": "import outer._fast\nimport outer.deep\ndef tick(e): ...\n",
            "outer/_fast.cpython-312-x86_64-linux-gnu.so": b"",
        },
    )
    assert read_problems(finder(tree, X86), HANDLERS) == []
    assert any("outer._fast" in problem for problem in read_problems(finder(tree, ARM), HANDLERS))


def test_what_was_loaded_elsewhere_needs_a_counterpart(tree):
    loaded = {"outer/_fast.cpython-312-x86_64-linux-gnu.so", "outer/_rust.abi3.so", "outer/deep.py", "app.py"}
    write(tree, {"outer/_fast.cpython-312-aarch64-linux-gnu.so": b"", "outer/_rust.abi3.so": b""})
    assert absent(loaded, finder(tree, ARM)) == []
    (tree / "outer/_fast.cpython-312-aarch64-linux-gnu.so").unlink()
    (problem,) = absent(loaded, finder(tree, ARM))
    assert "outer/_fast.cpython-312-x86_64" in problem
