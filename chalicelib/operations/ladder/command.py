"""The command `cts ladder`: asks the API for a connection's ladder and prints it."""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError
from chalicelib.operations.ladder import study_command

LEVELS = ("base", "main", "real")
DEFAULT_URL = "http://127.0.0.1:8000"
TOKEN_VARIABLE = "CTS_TOKEN"
_PAGE = 500
_LARGEST_LIMIT = 100_000
_NAMED = 20


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "ladder",
        help="show the configuration sets of a connection, best first",
        description="Show the configuration sets of a connection by level with their numbers, why and when "
        "each came to its level, and what it lacks for the next. Asks the API of a run or of a stage.",
    )
    add = parser.add_argument
    add("--connection", metavar="ID", help="whose ladder (may be left out if there is only one)")
    add("--level", choices=LEVELS, help="only sets on this level")
    add("--limit", type=int, default=20, metavar="N", help="how many sets (20)")
    add("--url", default=DEFAULT_URL, metavar="URL", help=f"where the API is ({DEFAULT_URL})")
    add("--token", metavar="T", help=f"from cts token (default: {TOKEN_VARIABLE}, else made by --state)")
    add("--state", type=Path, default=Path(".state"), metavar="DIR", help="state of the local run (.state)")
    add("--json", action="store_true", help="print what the API answers")
    parser.set_defaults(command=ladder)
    study_command.register(parser.add_subparsers(metavar="study"))


def ladder(given: argparse.Namespace) -> int:
    """Print the ladder of a connection; UsageError or Rejected says why there is none."""
    if not 1 <= given.limit <= _LARGEST_LIMIT:
        raise UsageError(f"--limit must be between 1 and {_LARGEST_LIMIT}, not {given.limit}")
    found = _asked(given)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        from chalicelib.operations.ladder.table import show

        show(found)
    return 0


def _asked(given: argparse.Namespace) -> Mapping[str, Any]:
    """Follow the pages up to the limit and return them as one."""
    from chalicelib.operations.ladder.client import get

    token = given.token or os.environ.get(TOKEN_VARIABLE) or _own_token(given.state)
    connection = given.connection or _only_connection(get(given.url, "/connections", {}, token)["items"])
    parameters = {"connection_id": connection, "limit": str(min(given.limit, _PAGE))}
    if given.level:
        parameters["level"] = given.level
    whole = dict(get(given.url, "/ladder", parameters, token))
    while whole["cursor"] is not None and len(whole["items"]) < given.limit:
        left = str(min(given.limit - len(whole["items"]), _PAGE))
        page = get(given.url, "/ladder", {**parameters, "limit": left, "cursor": whole["cursor"]}, token)
        whole |= {"items": whole["items"] + page["items"], "cursor": page["cursor"]}
    return whole


def _only_connection(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the id of the only connection; UsageError lists them if there are more."""
    names = [str(one["connection_id"]) for one in found]
    if not names:
        raise UsageError("there is no connection yet, so no ladder: create one with POST /connections")
    if len(names) > 1:
        more = " ..." if len(names) > _NAMED else ""
        raise UsageError(f"name the --connection whose ladder to show: {', '.join(names[:_NAMED])}{more}")
    return names[0]


def _own_token(state: Path) -> str:
    from chalicelib.local.access import new_token, secret_of

    return new_token(secret_of(state), hours=0.1, role="viewer")
