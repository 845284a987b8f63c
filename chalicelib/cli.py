"""The command line `cts`: parses, runs, and turns errors into one line and an exit code."""

import sys
from collections.abc import Sequence

from chalicelib.errors import CtsError, UsageError
from chalicelib.local.options import parse

EXIT_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is success, 1 a failure on the way, 2 a wrong command line, file or state."""
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        # What a run needs takes a second to import; a wrong option is told at once.
        from chalicelib.local.run import run

        return run(options)
    except UsageError as refused:
        return _say(refused, EXIT_USAGE)
    except CtsError as failed:
        return _say(failed, EXIT_FAILED)


def _say(error: CtsError, code: int) -> int:
    print(f"cts: {' '.join(str(error).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
