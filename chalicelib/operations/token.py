"""`cts token`: a token for the API, of a local run or of a deployed stage whose tokens we sign (HS256)."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from chalicelib.domain.token import ROLES, Identity
from chalicelib.errors import UsageError
from chalicelib.local.access import DEFAULT_HOURS, DEFAULT_SUBJECT, new_token, secret_of
from chalicelib.settings import DEFAULT_STAGE, DEFAULT_TENANT

_HOUR = 3600.0


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "token",
        help="print a token for the API",
        description="Print a token for the API (Authorization: Bearer TOKEN). Who has it can trade with it.",
    )
    add = parser.add_argument
    add("--state", type=Path, default=Path(".state"), metavar="DIR", help="state of the local run (.state)")
    add(
        "--stage", metavar="NAME", help="a deployed stage with HS256 instead; reads its secret with your keys"
    )
    add("--subject", default=DEFAULT_SUBJECT, metavar="S", help="who acts, for the audit log (operator)")
    add("--tenant", default=DEFAULT_TENANT, metavar="T", help="whose data it is about (default)")
    add("--role", default="admin", choices=ROLES, help="what they may do (admin)")
    add("--hours", type=float, default=DEFAULT_HOURS, metavar="H", help="how long it is valid (24)")
    parser.set_defaults(command=token)


def token(given: argparse.Namespace) -> int:
    """Print a token; UsageError or Rejected says why there is none."""
    if not 0 < given.hours < float("inf"):
        raise UsageError(f"--hours {given.hours:g} is not a number of hours above 0")
    if given.stage is None or given.stage == DEFAULT_STAGE:
        secret = secret_of(given.state)
        print(new_token(secret, given.subject, given.hours, given.tenant, given.role))
    else:
        print(_deployed(given))
    return 0


def _deployed(given: argparse.Namespace) -> str:
    """Sign with the current secret of a stage; CTS_AUTH_ variables here as they are set there."""
    from chalicelib.triggers.api.auth_settings import from_environment
    from chalicelib.triggers.api.authorizer import issue
    from chalicelib.triggers.api.signing_keys import read_secrets

    there = {"CTS_STAGE": given.stage, "CTS_AUTH_ALGORITHM": "HS256"}
    settings = from_environment({**os.environ, **there})
    now = time.time()
    current, *_ = read_secrets(settings.secret_name, settings.region, settings.endpoint_url, now)
    identity = Identity(given.tenant, given.subject, (given.role,))
    return issue(identity, settings.terms, current, given.hours * _HOUR, now)
