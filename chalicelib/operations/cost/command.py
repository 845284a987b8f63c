"""`cts cost`: what a number of accounts costs on AWS in a month, from measured usage and list prices."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.settings import DEFAULT_REGION

if TYPE_CHECKING:
    from chalicelib.operations.cost.bill import Basis
    from chalicelib.operations.cost.scenario import Scenario

_CONFIG = Path(".chalice") / "config.json"


def register(commands: Any) -> None:
    """Add the command to the parser's commands."""
    parser = commands.add_parser(
        "cost",
        help="what running it on AWS costs in a month",
        description="Print the monthly AWS bill of paper accounts with the same settings, and what saves.",
    )
    add = parser.add_argument
    add("--connections", type=int, default=1, metavar="N", help="running accounts (1)")
    add("--symbols", type=int, default=100, metavar="M", help="symbols of each (100)")
    add("--stopped", type=int, default=0, metavar="N", help="stopped engines besides (0)")
    add("--timeframe", default="5m", metavar="T", help="candles (5m)")
    add("--intervals", default="", metavar="LIST", help="seconds per kind of tick: market=60,realtime=30,...")
    add("--region", default=DEFAULT_REGION, metavar="R", help=f"whose prices ({DEFAULT_REGION})")
    add("--events", choices=("audit", "kinesis"), default="audit", help="where events go (audit)")
    add("--auth", choices=("hs256", "rs256"), default="hs256", help="hs256 keeps a secret on AWS (hs256)")
    add("--key", choices=("none", "kms"), default="none", help="kms for exchange credentials (none)")
    add("--architecture", choices=("arm64", "x86_64"), default="arm64", help="of the functions (arm64)")
    add("--no-dashboard", action="store_true", help="without the CloudWatch dashboard")
    add("--no-traces", action="store_true", help="without X-Ray traces")
    add("--free-tier", action="store_true", help="take off what is always free, if nothing else uses it")
    add(
        "--stage",
        default="dev",
        metavar="S",
        help="whose memory sizes to take from .chalice/config.json (dev)",
    )
    add("--prices", type=Path, metavar="FILE", help="price table instead of the package's")
    add("--usage", type=Path, metavar="FILE", help="measured usage instead of the package's")
    add("--assumptions", type=Path, metavar="FILE", help="assumptions instead of the package's")
    add(
        "--report",
        type=Path,
        metavar="FILE",
        help="report of a cts run with as many connections: its activity",
    )
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=cost)


def cost(given: argparse.Namespace) -> int:
    """Print the bill; UsageError says what is wrong with an option or a file."""
    # Not at the top: numpy comes with them, and the other commands must not wait for it.
    from chalicelib.operations.cost.page import as_json, show
    from chalicelib.operations.cost.report import make_report

    report = make_report(_scenario(given), _basis(given))
    if given.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        show(report)
    return 0


def _scenario(given: argparse.Namespace) -> "Scenario":
    from chalicelib.operations.cost.data import memory_of_stage
    from chalicelib.operations.cost.scenario import Scenario, parse_intervals, validate

    return validate(
        Scenario(
            connections=given.connections,
            symbols=given.symbols,
            timeframe=given.timeframe,
            intervals=parse_intervals(given.intervals),
            region=given.region,
            events=given.events,
            auth=given.auth,
            key=given.key,
            stopped=given.stopped,
            architecture=given.architecture,
            dashboard=not given.no_dashboard,
            tracing=not given.no_traces,
            memory=memory_of_stage(_CONFIG, given.stage),
        )
    )


def _basis(given: argparse.Namespace) -> "Basis":
    from chalicelib.domain.timeframes import timeframe_seconds
    from chalicelib.operations.cost import data, usage
    from chalicelib.operations.cost.bill import Basis

    activity = None
    if given.report is not None:
        seconds = timeframe_seconds(given.timeframe)
        activity = usage.activity_of_report(given.report, seconds, given.connections)
    return Basis(
        prices=data.load_prices(given.prices or data.PRICES, given.region),
        profile=usage.load_usage(given.usage or data.USAGE),
        assumptions=data.load_assumptions(given.assumptions or data.ASSUMPTIONS),
        activity=activity,
        always_free=given.free_tier,
    )
