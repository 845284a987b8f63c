"""What the fault scenarios came to: rows in build/faults, of which docs/faults.md is made."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "build" / "faults" / "results.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario on one venue; `outcome` is what happened, in a few words."""

    scenario: int
    venue: str
    outcome: str
    details: str = ""


def record(result: Result) -> None:
    """Append a row; runs of several workers may write at once."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a", encoding="utf-8") as rows:
        rows.write(json.dumps(asdict(result)) + "\n")


def recorded() -> list[Result]:
    """Return all rows of the last run."""
    if not FILE.exists():
        return []
    return [Result(**json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines()]
