"""The command `cts doctor`: looks at a stage and this machine, and says of each thing what to do about it.

It changes nothing. What it may not look at, it says; without network or credentials it says so in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from chalicelib.settings import DEFAULT_STAGE, EventSink

if TYPE_CHECKING:
    from chalicelib.operations.doctor.findings import Finding, Identity, Site
    from chalicelib.settings import Settings

FIRST_STAGE = "dev"
FIRST_SECONDS = 6.0
"""For the first question to AWS and for the exchange; without an answer AWS is not asked again."""

ALL_SECONDS = 30.0

SERVICES = (
    "apigateway",
    "dynamodb",
    "events",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "s3",
    "secretsmanager",
    "sqs",
    "sts",
)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings of one stage."""

    stage: str
    region: str
    findings: Sequence[Finding]

    @property
    def failed(self) -> int:
        return sum(finding.state == "fail" for finding in self.findings)


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "doctor",
        help="say what is wrong with a stage, and what to do about it",
        description="Look at this machine and a deployed stage; change nothing. Exit code 1: a check fails.",
    )
    parser.add_argument("--stage", metavar="S", help="default: CTS_STAGE, else dev; local looks at no AWS")
    parser.add_argument("--region", metavar="R", help="default: AWS_REGION, else that of the profile")
    parser.add_argument("--exchange", default="binance", metavar="NAME", help="whose API and clock (binance)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(command=doctor)


def doctor(given: argparse.Namespace) -> int:
    """Examine as the command line says and print the findings; 1 if any failed."""
    from chalicelib.operations.doctor.machine import check_exchange

    check_exchange(given.exchange)
    stage = given.stage or os.environ.get("CTS_STAGE", FIRST_STAGE)
    site = open_site(stage, given.region, given.exchange)
    examined = examine(site)
    (_print_json if given.json else _print_table)(examined)
    return 1 if examined.failed else 0


def open_site(stage: str, region: str | None, exchange: str) -> Site:
    """Return what is to be examined; UsageError without a region, nothing is asked yet."""
    from botocore.session import get_session

    from chalicelib.operations.doctor.errors import explained
    from chalicelib.operations.doctor.findings import Site
    from chalicelib.operations.doctor.place import stage_settings

    session = get_session()
    with explained():
        if stage == DEFAULT_STAGE:
            region = region or "none"
        settings = stage_settings(session, stage, region)
        clients = {} if stage == DEFAULT_STAGE else _clients(session, settings)
    return Site(settings, exchange, clients)


def _clients(session: Any, settings: Settings) -> Mapping[str, Any]:
    from botocore.config import Config

    # One attempt, and seconds only: a doctor that waits for the network tells nothing.
    config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1, "mode": "standard"})
    endpoint = settings.endpoint_url or None
    return {
        name: session.create_client(name, settings.region, endpoint_url=endpoint, config=config)
        for name in SERVICES
    }


def examine(site: Site) -> Examination:
    """Run all checks of a stage: at first who we are, then, if AWS answered, all the rest."""
    from chalicelib.operations.doctor import account, functions, machine, permissions, state
    from chalicelib.operations.doctor.findings import Check, run, skipped

    cloud = (
        *account.CHECKS,
        *permissions.CHECKS,
        *state.CHECKS,
        *functions.CHECKS,
    )
    if site.stage == DEFAULT_STAGE:
        reason = "a local run makes and compares its own resources whenever it starts"
        findings = run(machine.CHECKS, site, FIRST_SECONDS)
        return Examination(site.stage, site.settings.region, findings + skipped(cloud, reason))
    learned: list[Identity] = []
    who = Check("credentials", lambda one: account.credentials(one, learned.append))
    findings = run((*machine.CHECKS, who), site, FIRST_SECONDS)
    if not learned:
        return Examination(site.stage, site.settings.region, findings + skipped(cloud, "AWS was not asked"))
    known = _as_deployed(site, learned[0])
    return Examination(site.stage, site.settings.region, findings + run(cloud, known, ALL_SECONDS))


def _as_deployed(site: Site, identity: Identity) -> Site:
    """Return the site as the deployed functions know it; without any, as if there were no event stream."""
    from botocore.exceptions import BotoCoreError, ClientError

    from chalicelib.operations.doctor.functions import HEARTBEAT, configuration

    known = replace(site, identity=identity)
    try:
        found = configuration(known, HEARTBEAT) or {}
    except (BotoCoreError, ClientError):
        # The check of the functions says it again, and what to do.
        found = {}
    variables = {**os.environ, **found.get("Environment", {}).get("Variables", {})}
    settings = replace(
        site.settings,
        account=identity.account,
        events=cast(EventSink, variables.get("CTS_EVENTS", "audit")),
        bucket_name=variables.get("CTS_BUCKET", ""),
        key_alias=variables.get("CTS_KEY", ""),
    )
    return replace(known, settings=settings)


def _print_json(examined: Examination) -> None:
    from chalicelib.domain.codec import to_plain

    plain = {"stage": examined.stage, "region": examined.region, "failed": examined.failed}
    print(json.dumps({**plain, "findings": to_plain(list(examined.findings))}, indent=1))


def _print_table(examined: Examination) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    width = max(len(one.name) for one in examined.findings) + 2
    console.print(f"stage {examined.stage}, {examined.region}")
    for one in examined.findings:
        line = Text.assemble((f"{one.state:9}", _STYLES[one.state]), f"{one.name:{width}}", one.found)
        # Lines may be longer than the terminal: a command that was broken in two can't be copied.
        console.print(line, soft_wrap=True)
        if one.remedy:
            console.print(Text(f"{'':9}> {one.remedy}", "cyan"), soft_wrap=True)
    counts = {state: sum(one.state == state for one in examined.findings) for state in _STYLES}
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count))
