"""Prints what the fault scenarios came to, and writes docs/faults.md: python -m tests.faults.table.

It reads the rows of the last run (`make test-faults`); where one is missing it writes nothing and fails.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.faults import scenarios_environment, scenarios_orders, scenarios_processes  # noqa: F401
from tests.faults.floor import VENUES
from tests.faults.results import Result, recorded
from tests.faults.scenario import SCENARIOS

FILE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"

SWEEP = 9
"""The scenario that is played with real processes; see test_kill_sweep.py."""

EXPECTED: Mapping[int, str] = {
    1: "UNKNOWN; found by client id; adopted; 1 order",
    2: "proved absent twice; sent again under the same id; 1 order",
    3: "found among closed orders or trades; not sent again",
    4: "as 1, never REJECTED",
    5: "the earlier attempt is adopted",
    6: "nothing was sent",
    7: "the next run looks up, then sends once",
    8: "adopted",
    9: "the four checks, at each call",
    10: "one lease; the loser does no venue I/O",
    11: "the fence refuses its writes; no second order",
    12: "one intent; stale ones dropped and recorded",
    13: "counted once; warning",
    14: "position 60 %, order CANCELED keeps its fills",
    15: "PENDING_CANCEL until proved",
    16: "FILLED; the position goes on",
    17: "alarm; the venue's figure wins",
    18: "EXTERNAL, shown; cancelled only as configured",
    19: "noticed; books flat; not reopened",
    20: "*not* flat; skipped, alarm",
    21: "one resync, same id; then no entries",
    22: "every engine on that key or address stops; no call before the time",
    23: "stale; no entries; exits go on",
    24: "no signal from an unclosed one; gaps are filled later",
    25: "refused here; no call",
    26: "one refresh after the reject, no loop",
    27: "final; bounded",
    28: "as 8; no second POST",
    29: "a parse error is ambiguous; no crash",
    30: "that connection pauses, others run",
    31: "nothing more is sent; cancels and exits allowed",
    32: "entries refused",
    33: "dead-letter queue; the others flow",
}

HEAD = """# What is survived, and how

Every scenario runs on a fake of each exchange that speaks its wire format over TLS, with the real connectors
and flows, and ends with the same four checks: **(1)** one intent has at most one order at the exchange,
**(2)** our books equal the exchange's, **(3)** the same inputs again change nothing, **(4)** nothing that was
acknowledged is lost. `make test-faults` plays them all and writes this page; `make test` plays a part.

"""


def venues() -> list[str]:
    return [f"{exchange} {market_type}" for exchange, market_type in VENUES]


def titles() -> dict[int, str]:
    """Return the title of every scenario by number."""
    found = {one.number: one.title for one in SCENARIOS}
    return {**found, SWEEP: "killed at every call to the outside, one by one"}


def outcomes(results: Iterable[Result]) -> dict[tuple[int, str], str]:
    """Return what came of each scenario on each venue; variants with different ends are all told."""
    found: dict[tuple[int, str], list[str]] = {}
    for result in results:
        told = found.setdefault((result.scenario, result.venue), [])
        if result.outcome not in told:
            told.append(result.outcome)
    told_apart = {place: "; ".join(sorted(told)) for place, told in found.items()}
    return told_apart | not_applicable()


def not_applicable() -> dict[tuple[int, str], str]:
    """Return why scenarios do not apply where they don't."""
    return {
        (one.number, f"{exchange} {market_type}"): f"does not apply: {why}"
        for one in SCENARIOS
        for exchange, market_type in VENUES
        if (why := one.elsewhere(exchange, market_type))
    }


def missing(found: Mapping[tuple[int, str], str]) -> list[tuple[int, str]]:
    """Return the places that failed or were not run."""
    places = [(number, venue) for number in EXPECTED for venue in venues()]
    return [place for place in places if "FAILED" in found.get(place, "FAILED")]


def grouped(found: Mapping[tuple[int, str], str], number: int) -> list[tuple[str, str]]:
    """Return the outcomes of a scenario with the venues that share each."""
    groups: dict[str, list[str]] = {}
    for venue in venues():
        groups.setdefault(found.get((number, venue), "FAILED"), []).append(venue)
    return [
        (outcome, "all" if len(where) == len(VENUES) else ", ".join(where))
        for outcome, where in groups.items()
    ]


def page(found: Mapping[tuple[int, str], str]) -> str:
    """Return docs/faults.md."""
    names = titles()
    lines = [
        f"Venues: {', '.join(venues())}.",
        "",
        "| # | what happens | expected | what came of it | where |",
    ]
    lines.append("|---|---|---|---|---|")
    for number, expected in EXPECTED.items():
        first = f"| {number} | {names[number]} | {expected} "
        for outcome, where in grouped(found, number):
            lines.append(f"{first}| {outcome} | {where} |")
            first = "| | | "
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Print the table; write the page if nothing is missing from it."""
    found = outcomes(recorded())
    for number, title in sorted(titles().items()):
        print(f"{number:>2}  {title}")
        for outcome, where in grouped(found, number):
            print(f"      {outcome}  [{where}]")
    if absent := missing(found):
        print(
            f"{len(absent)} of {len(EXPECTED) * len(VENUES)} failed or were not run; {FILE.name} is as it was"
        )
        return 1
    FILE.write_text(page(found), encoding="utf-8")
    print(f"{len(EXPECTED)} scenarios on {len(VENUES)} venues: docs/{FILE.name} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
