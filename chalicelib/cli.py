"""The command line `cts`: parses, runs, and turns errors into one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from chalicelib.errors import CtsError, UsageError

EXIT_FAILED = 1
EXIT_USAGE = 2

COMMANDS = (
    "chalicelib.local.options",
    "chalicelib.backtest.options",
    "chalicelib.operations.cost.command",
    "chalicelib.operations.dlq.command",
    "chalicelib.operations.doctor.command",
    "chalicelib.operations.download.command",
    "chalicelib.operations.ladder.command",
    "chalicelib.operations.preset",
    "chalicelib.operations.strategies.command",
    "chalicelib.operations.token",
    "chalicelib.operations.transfer.command",
)
"""Modules that add a command each: `register(commands)` sets its function as default `command`."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = _Parser(prog="cts", description="A trading engine for many exchange accounts.")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        import_module(module).register(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is success, 1 a failure on the way, 2 a wrong command line, file or state."""
    try:
        given = parser().parse_args(arguments)
        return int(given.command(given))
    except UsageError as refused:
        return _say(refused, EXIT_USAGE)
    except CtsError as failed:
        return _say(failed, EXIT_FAILED)


def _say(error: CtsError, code: int) -> int:
    print(f"cts: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
