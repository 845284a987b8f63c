"""The commands `cts export` and `cts import`: everything a stage stores, to a directory and back."""

import argparse
import time
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add both commands to the parser's commands."""
    _register_export(commands)
    _register_import(commands)


def _register_export(commands: Any) -> None:
    parser = commands.add_parser(
        "export",
        help="write everything a stage stores into a directory",
        description="Write all items and objects of a stage into a new directory. Queues, the secret of "
        "tokens and the KMS key stay where they are; exchange credentials go along as KMS encrypted them.",
    )
    _add_stage(parser, "stage to read")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR", help="a directory that is not there yet"
    )
    parser.add_argument(
        "--no-objects",
        action="store_true",
        help="leave out the bucket: its candles and snapshots can be made anew",
    )
    parser.set_defaults(command=export_command)


def _register_import(commands: Any) -> None:
    parser = commands.add_parser(
        "import",
        help="fill a stage from such a directory",
        description="Fill an empty stage from an export. Engines come in stopped and without leases.",
    )
    _add_stage(parser, "stage to fill")
    parser.add_argument("--from", dest="source", required=True, type=Path, metavar="DIR", help="an export")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="export what is there to DIR-replaced-TIME, then put DIR in its place",
    )
    parser.add_argument(
        "--as-is", action="store_true", help="let engines work on at once: only if they work nowhere else"
    )
    parser.set_defaults(command=import_command)


def _add_stage(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--stage", required=True, metavar="S", help=what)
    parser.add_argument("--region", metavar="R", help="its region (default: AWS_REGION)")


def export_command(given: argparse.Namespace) -> int:
    """Export as the command line says."""
    from chalicelib.operations.doctor.errors import explained
    from chalicelib.operations.transfer.exporter import export_stage
    from chalicelib.operations.transfer.stage import open_stage

    with explained():
        stage = open_stage(given.stage, given.region)
        manifest = export_stage(stage, given.out, not given.no_objects, time.time(), print)
    if manifest.working:
        print(f"no single moment: meanwhile worked {', '.join(manifest.working)}")
    if manifest.key:
        print(f"exchange credentials can be decrypted with {manifest.key} only")
    print(f"{stage.title} is in {given.out}")
    return 0


def import_command(given: argparse.Namespace) -> int:
    """Import as the command line says."""
    from chalicelib.operations.doctor.errors import explained
    from chalicelib.operations.transfer.importer import Wish, import_stage
    from chalicelib.operations.transfer.stage import open_stage

    with explained():
        stage = open_stage(given.stage, given.region)
        import_stage(stage, Wish(given.source, given.replace, given.as_is), time.time(), print)
    print(f"{stage.title} is filled from {given.source}")
    return 0
