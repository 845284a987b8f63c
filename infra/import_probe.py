"""Run by `infra.import_check` in an isolated Python: imports what the functions import, from one folder only.

Uses the standard library alone. Reads what to import as JSON, writes problems and loaded modules as JSON.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator

STAGE = {
    "CTS_STAGE": "dev",
    "CTS_EVENTS": "audit",
    "AWS_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_NAME": "x",
}


def main(tree: str) -> None:
    """Import everything and print the answer as the last line."""
    tree = os.path.realpath(tree)
    sys.path.insert(0, tree)
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    os.environ.update(STAGE)
    wanted = json.load(sys.stdin)
    problems: list[str] = []
    for name in wanted["modules"]:
        _try(problems, name, "")
    for handler in wanted["handlers"]:
        module, _, function = handler.rpartition(".")
        _try(problems, module, function)
    for module, member in wanted["names"]:
        _try(problems, module, member)
    load = getattr(sys.modules.get("chalicelib.exchanges.ccxt_loader"), "load_exchange_class", None)
    for exchange in wanted["exchanges"]:
        try:
            load(exchange)({})  # type: ignore[misc]
        except Exception as error:
            problems.append(f"exchange {exchange} cannot be made: {type(error).__name__}: {error}")
    loaded = sorted(set(_loaded(tree, problems)))
    print(json.dumps({"problems": list(dict.fromkeys(problems)), "loaded": loaded}))


def _try(problems: list[str], module: str, member: str) -> None:
    try:
        found = importlib.import_module(module)
        if member and member != "*" and not hasattr(found, member):
            importlib.import_module(f"{module}.{member}")
    except Exception as error:
        problems.append(f"import of {'.'.join(filter(None, (module, member)))} fails: {error}")


def _loaded(tree: str, problems: list[str]) -> Iterator[str]:
    """Yield the files of the package that modules came from; one from anywhere else is a problem."""
    library = os.path.dirname(os.path.realpath(os.__file__))
    for name, module in sorted(sys.modules.items()):
        path = os.path.realpath(getattr(module, "__file__", None) or tree)
        if path.startswith(tree + os.sep):
            yield os.path.relpath(path, tree)
        elif path != tree and not path.startswith(library + os.sep) and name != "__main__":
            problems.append(f"{name} was loaded from {path}, outside of the package")


if __name__ == "__main__":
    main(sys.argv[1])
