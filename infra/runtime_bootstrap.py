"""Starts a handler under Lambda's runtime, in a Python that sees the package and the runtime alone.

Run by `infra.runtime_function` as `python -S -I -B runtime_bootstrap.py PACKAGE RUNTIME HANDLER`; uses the
standard library alone. As on Lambda, the package comes first and the runtime's own modules last.
"""

import os
import runpy
import sys


def main(package: str, runtime: str, handler: str) -> None:
    """Hand this process over to the runtime; it ends with it."""
    sys.path.insert(0, package)
    sys.path.append(runtime)
    # An isolated Python looks at no PYTHONPATH: what stands in for the network is led in by hand.
    for folder in filter(None, os.environ.pop("PYTHONPATH", "").split(os.pathsep)):
        runpy.run_path(os.path.join(folder, "sitecustomize.py"))
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
