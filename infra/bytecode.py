"""Compiles a package's modules beforehand: /var/task is read-only, so each cold start would compile them."""

import subprocess
import sys
from pathlib import Path

from chalicelib.errors import UsageError

ROOT = "/var/task"

_COMPILE = """
import py_compile, sys
from pathlib import Path
tree, root = Path(sys.argv[1]), sys.argv[2]
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for path in sorted(tree.rglob("*.py")):
    name = path.relative_to(tree).as_posix()
    py_compile.compile(str(path), dfile=f"{root}/{name}", doraise=True, invalidation_mode=mode)
"""


def compile_tree(tree: Path, root: str = ROOT) -> None:
    """Write the pyc file of every module; `root` is where tracebacks say that the files are.

    The pyc files never check their source, so that they hold whatever times an archive restores. A process of
    its own with fixed hashes makes the same bytes every time. UsageError names a file that does not compile.
    """
    done = subprocess.run(
        [sys.executable, "-B", "-S", "-c", _COMPILE, str(tree), root],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UsageError(f"a module of the package does not compile:\n{done.stderr.strip()[-600:]}")
