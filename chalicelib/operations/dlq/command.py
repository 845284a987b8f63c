"""The command `cts dlq`: what ran out of deliveries or waits for a decision, and the decisions there are."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chalicelib.domain.dead_letters import DeadLetter
    from chalicelib.flows.world import World

ACTOR = "cts dlq"
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "dlq",
        help="list dead letters, send them again, or drop them",
        description="Messages whose deliveries ran out, and orders that only a person may decide on, of all "
        "tenants of a stage. Remove the cause first, or they come back.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = _add(actions, "list", "show them, orders first, oldest first", list_command)
    listing.add_argument("--json", action="store_true", help="as JSON, with the bodies of messages")
    again = "send messages to their queue again, orders to their exchange"
    _add_ids(_add(actions, "retry", again, retry_command))
    _add_ids(_add(actions, "drop", "remove them; the audit log keeps what they were", drop_command))


def _add(actions: Any, name: str, does: str, command: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=does, description=f"{does.capitalize()}.")
    parser.add_argument("--stage", required=True, metavar="S", help="stage to look at")
    parser.add_argument("--region", metavar="R", help="its region (default: AWS_REGION)")
    parser.set_defaults(command=command)
    return parser


def _add_ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="+", metavar="ID", help="from cts dlq list")


def list_command(given: argparse.Namespace) -> int:
    """Print all dead letters of a stage."""
    from chalicelib.domain.codec import to_plain
    from chalicelib.flows import dead_letters
    from chalicelib.operations.doctor.errors import explained

    with explained():
        world = open_world(given.stage, given.region)
        found = dead_letters.letters(world, None)
    if given.json:
        print(json.dumps([to_plain(letter) for letter in found], indent=1))
    else:
        print("\n".join(described(found, world.now())) or "no dead letters")
    return 0


def retry_command(given: argparse.Namespace) -> int:
    """Send the named letters again, in the order given."""
    from chalicelib.flows import dead_letters

    return _decide(given, dead_letters.retry, "sent again")


def drop_command(given: argparse.Namespace) -> int:
    """Remove the named letters."""
    from chalicelib.flows import dead_letters

    return _decide(given, dead_letters.drop, "dropped")


def _decide(given: argparse.Namespace, decision: Any, done: str) -> int:
    from chalicelib.operations.doctor.errors import explained

    with explained():
        world = open_world(given.stage, given.region)
        correlation_id = f"cts-dlq-{int(world.now())}"
        for wanted in given.ids:
            decision(world, None, wanted, ACTOR, correlation_id)
            print(f"{done}: {wanted}")
    return 0


def described(letters: Sequence[DeadLetter], now: float) -> list[str]:
    """Return the lines that tell of letters."""
    lines = []
    for letter in letters:
        whose = "/".join(filter(None, (letter.tenant, letter.connection_id))) or "nobody known"
        told = f"{letter.kind} of {whose}, {_age(now - letter.sent_at)} old, received {letter.received} times"
        lines += [letter.letter_id, f"    {told}: {letter.what}"]
        lines += [f"    correlation id {letter.correlation_id}"] if letter.correlation_id else []
        lines += [f"    {letter.reason}"] if letter.reason else []
    return lines


def _age(seconds: float) -> str:
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def open_world(stage: str, region: str | None) -> World:
    """Return the world of a stage of the environment's account (or endpoint), as its functions have it."""
    from contextlib import nullcontext
    from dataclasses import replace

    from botocore.session import get_session

    from chalicelib import wiring
    from chalicelib.messaging.dead_letters import SqsDeadLetters
    from chalicelib.operations.doctor.place import stage_settings
    from chalicelib.stores.clients import Clients

    settings = stage_settings(get_session(), stage, region)
    overrides = wiring.Overrides(now=time.time, metrics=_Silent(), span=lambda _: nullcontext())
    letters = SqsDeadLetters(Clients(settings)["sqs"], settings, streams=True)
    return replace(wiring.build(settings, overrides), dead_letters=letters)


class _Silent:
    """Metrics of a command: nobody collects them."""

    def count(self, name: str, value: float = 1, **dimensions: str) -> None: ...

    def duration(self, name: str, milliseconds: float, **dimensions: str) -> None: ...

    def line(self, message: str, **values: str | float) -> None: ...

    def flush(self) -> None: ...
