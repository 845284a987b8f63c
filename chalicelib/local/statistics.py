"""What a run has done so far: ticks, times and calls, folded from one line per invocation and kept on disk.

The file survives a kill, so the report of a resumed run is about the whole run.
"""

import json
import math
import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Outcome = Literal["ok", "skipped", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "skipped", "failed")

COMPACT_BYTES = 4_000_000
_BUCKETS_PER_E_FOLD = 100
_SHORTEST_MS = 0.001


@dataclass(slots=True)
class TickSummary:
    """All ticks of one kind; times as a histogram whose buckets are one per cent wide."""

    outcomes: Counter[str] = field(default_factory=Counter)
    histogram: Counter[int] = field(default_factory=Counter)
    aws_calls: int = 0
    aws_calls_max: int = 0

    @property
    def count(self) -> int:
        return self.outcomes.total()

    @property
    def aws_calls_mean(self) -> float:
        return self.aws_calls / self.count if self.count else 0.0

    def add(self, outcome: str, milliseconds: float, aws_calls: int) -> None:
        """Count one tick."""
        self.outcomes[outcome] += 1
        self.histogram[round(math.log(max(milliseconds, _SHORTEST_MS)) * _BUCKETS_PER_E_FOLD)] += 1
        self.aws_calls += aws_calls
        self.aws_calls_max = max(self.aws_calls_max, aws_calls)

    def percentile(self, share: float) -> float:
        """Return the milliseconds that `share` of the ticks did not exceed, to 1 %; 0 without ticks."""
        rank, seen = math.ceil(share * self.count), 0
        for bucket in sorted(self.histogram):
            seen += self.histogram[bucket]
            if seen >= rank:
                return math.exp(bucket / _BUCKETS_PER_E_FOLD)
        return 0.0


@dataclass(slots=True)
class Statistics:
    """Totals of a run over all its starts."""

    ticks: dict[str, TickSummary] = field(default_factory=dict)
    aws_calls: Counter[str] = field(default_factory=Counter)
    exchange_calls: Counter[str] = field(default_factory=Counter)
    pump_calls: Counter[str] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    failed_invocations: Counter[str] = field(default_factory=Counter)
    poison_records: Counter[str] = field(default_factory=Counter)
    wall_seconds: float = 0.0
    virtual_seconds: float = 0.0

    def apply(self, line: Mapping[str, Any]) -> None:
        """Fold one line of the file in; a line carries increments, a compacted one everything so far."""
        for kind, outcome, milliseconds, calls in line.get("ticks", ()):
            self.ticks.setdefault(kind, TickSummary()).add(outcome, milliseconds, calls)
        for kind, summary in line.get("summaries", {}).items():
            self.ticks[kind] = _summary(summary)
        for name in _COUNTERS:
            getattr(self, name).update(line.get(name, {}))
        self.wall_seconds += line.get("wall_seconds", 0.0)
        self.virtual_seconds += line.get("virtual_seconds", 0.0)

    def compacted(self) -> dict[str, Any]:
        """Return the one line that folds into these totals."""
        summaries = {
            kind: {
                "outcomes": dict(summary.outcomes),
                "histogram": {str(bucket): count for bucket, count in summary.histogram.items()},
                "aws_calls": summary.aws_calls,
                "aws_calls_max": summary.aws_calls_max,
            }
            for kind, summary in self.ticks.items()
        }
        line: dict[str, Any] = {name: dict(getattr(self, name)) for name in _COUNTERS}
        line |= {"wall_seconds": self.wall_seconds, "virtual_seconds": self.virtual_seconds}
        return line | {"summaries": summaries}


_COUNTERS = (
    "aws_calls",
    "exchange_calls",
    "pump_calls",
    "invocations",
    "failed_invocations",
    "poison_records",
)


def _summary(plain: Mapping[str, Any]) -> TickSummary:
    histogram = Counter({int(bucket): count for bucket, count in plain["histogram"].items()})
    return TickSummary(Counter(plain["outcomes"]), histogram, plain["aws_calls"], plain["aws_calls_max"])


class StatisticsFile:
    """The totals together with the file of lines they are folded from; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; a line torn by a kill is dropped."""
        self._lock = threading.Lock()
        self.totals = Statistics()
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    self.totals.apply(json.loads(line))
            _rewrite(path, self.totals.compacted())
        self._path = path
        self._file = path.open("ab")

    def add(self, line: Mapping[str, Any]) -> None:
        """Fold a line in and append it."""
        encoded = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self.totals.apply(line)
            self._file.write(encoded)
            self._file.flush()
            if self._file.tell() > COMPACT_BYTES:
                self._file.close()
                _rewrite(self._path, self.totals.compacted())
                self._file = self._path.open("ab")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def _rewrite(path: Path, line: Mapping[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(json.dumps(line, separators=(",", ":")).encode() + b"\n")
    os.replace(fresh, path)
