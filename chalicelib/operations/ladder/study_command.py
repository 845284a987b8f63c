"""The command `cts ladder study`: how far luck and skill climb, and how sets did after their promotion."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.errors import UsageError

if TYPE_CHECKING:
    from chalicelib.backtest.study import Study

JSON_FILE, PICTURE_FILE = "ladder-study.json", "ladder-study.svg"


def register(actions: Any) -> None:
    """Add `study` to the actions of `cts ladder`."""
    parser = actions.add_parser(
        "study",
        help="measure on recorded candles what luck and skill reach",
        description="Lets sets with random entries, and sets with planted skill, compete beside those of the "
        "signal sources under every profile, on recorded candles, and says how many reach which level, after "
        "how long, and how sets did afterwards.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="candles: SYMBOL-TIMEFRAME.csv.gz files")
    add("--timeframe", default="1h", metavar="T", help="of the candles (1h)")
    add("--symbols", type=int, default=100, metavar="N", help="how many symbols (100)")
    add("--placebo", type=int, default=10_000, metavar="N", help="how many sets with random entries (10000)")
    add("--skilled", type=int, default=10_000, metavar="N", help="sets with planted skill (10000; 0: none)")
    add("--rate", type=float, default=1.0, metavar="F", help="their signals, times those of the sources (1)")
    add("--costs", type=float, default=1.0, metavar="F", help="fee and slippage, times the usual (1)")
    add("--preset", type=Path, metavar="FILE", help="configuration sets (default: the default preset)")
    add("--seed", type=int, default=1, metavar="N", help="of the random entries and intervals (1)")
    add("--out", type=Path, metavar="DIR", help=f"write {JSON_FILE} and {PICTURE_FILE} there")
    parser.set_defaults(command=study)


def study(given: argparse.Namespace) -> int:
    """Run the study, print its tables, write its files."""
    from rich.console import Console

    from chalicelib.backtest.study import StudyOptions, run_study
    from chalicelib.domain.ladder.preset import plain_preset
    from chalicelib.domain.timeframes import timeframe_seconds
    from chalicelib.local.preset_files import read_preset

    timeframe_seconds(given.timeframe)
    options = StudyOptions(
        data=given.data,
        timeframe=given.timeframe,
        symbols=given.symbols,
        placebo=given.placebo,
        skilled=given.skilled,
        rate=given.rate,
        costs=given.costs,
        seed=given.seed,
    )
    preset = None if given.preset is None else plain_preset(read_preset(given.preset))
    out = _directory(given.out)
    started = time.monotonic()
    aside = Console(stderr=True, highlight=False)
    found = run_study(
        options, preset, lambda what: aside.print(f"{time.monotonic() - started:6.1f} s  {what}", style="dim")
    )
    _show(Console(highlight=False), found)
    if out is not None:
        _write(out, found, options)
        print(f"written: {out / JSON_FILE}, {out / PICTURE_FILE}")
    return 0


def _show(console: Any, found: Study) -> None:
    from rich.table import Table

    from chalicelib.backtest import study_report as report

    for line in (report.described(found), *report.overall(found)):
        console.print(line, soft_wrap=True)
    for title, head, rows in (
        (
            "Sets that ever reached a level; judged: with as many positions as it asks for",
            *report.reached(found),
        ),
        ("Mean net return per trade after promotion, and of others on the same days", *report.after(found)),
        ("Win rate and profit factor of the same trades", *report.quality(found)),
        ("Planted skill: random entries, a share of the losing ones left out", *report.skills(found)),
        ("Sets with planted skill that ever reached a level; medians at that moment", *report.power(found)),
        ("Sets with planted skill on real, of those judged, by how fast they trade", *report.paces(found)),
    ):
        if not rows:
            continue
        table = Table(*head, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def _write(out: Path, found: Study, options: Any) -> None:
    from chalicelib.backtest.study_picture import picture
    from chalicelib.backtest.study_report import as_json

    text = json.dumps(as_json(found, options), indent=1)
    (out / JSON_FILE).write_text(f"{text}\n", encoding="utf-8")
    (out / PICTURE_FILE).write_text(picture(found), encoding="utf-8")


def _directory(path: Path | None) -> Path | None:
    """Return the directory, made if need be; UsageError if it cannot be one."""
    if path is not None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {path}: {error.strerror}: name a directory to write to") from None
    return path
