"""The data files of the bill: prices and assumptions, read and checked; used by `cts cost`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from chalicelib.errors import UsageError

HERE = Path(__file__).parent
PRICES = HERE / "prices.json"
ASSUMPTIONS = HERE / "assumptions.json"
USAGE = HERE / "usage.json"


@dataclass(frozen=True, slots=True)
class Price:
    """USD for `per` units; `allowance` names the always-free amount that the units draw on, or is empty."""

    amount: Decimal
    per: int
    unit: str
    allowance: str
    verified: bool


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The list prices of one region and what is always free in a month."""

    region: str
    dated: str
    prices: Mapping[str, Price]
    always_free: Mapping[str, Decimal]

    def __getitem__(self, key: str) -> Price:
        return self.prices[key]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What no local run can tell; names and units are those of the file."""

    dated: str
    month_hours: float
    latency_seconds: Mapping[str, float]
    runtime_seconds: float
    full_processor_megabytes: int
    cold_start_seconds: float
    container_hours: float
    exchange: str
    exchange_threads: int
    exchange_request_bytes: int
    memory_megabytes: Mapping[str, int]
    traced: tuple[str, ...]
    pollers: int
    polls_per_minute: float
    metrics: int
    alarms: int
    dashboards: int
    api_requests: int
    api_authorizer_share: float
    api_seconds: float
    api_reads: float
    log_days: float
    kept_days: float
    machine: Mapping[str, Any]

    @property
    def month_seconds(self) -> float:
        return self.month_hours * 3600

    @property
    def month_days(self) -> float:
        return self.month_hours / 24


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; UsageError if it is not there or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}") from error


def load_prices(path: Path, region: str) -> PriceTable:
    """Read the prices of a region; UsageError names the regions that the file has."""
    table = read_json(path)
    try:
        regions = table["regions"]
        if region not in regions:
            raise UsageError(f"{path} has no prices of {region}: use {', '.join(regions)}, or add them")
        found = {key: _price(unit, regions[region][key]) for key, unit in table["units"].items()}
        free = {key: Decimal(amount) for key, amount in table["always_free"].items()}
        return PriceTable(region, table["dated"], found, free)
    except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise UsageError(f"{path} is no price table: {type(error).__name__} {error}") from error


def _price(unit: Mapping[str, Any], found: Mapping[str, Any]) -> Price:
    return Price(
        amount=Decimal(found["price"]),
        per=int(unit["per"]),
        unit=unit["unit"],
        allowance=unit.get("allowance", ""),
        verified=bool(found["verified"]),
    )


def load_assumptions(path: Path) -> Assumptions:
    """Read the assumptions; UsageError if one is missing or unknown."""
    held = dict(read_json(path))
    held.pop("note", None)
    try:
        return Assumptions(**{**held, "traced": tuple(held["traced"])})
    except (KeyError, TypeError) as error:
        raise UsageError(f"{path} is no file of assumptions: {error}") from error


def memory_of_stage(config: Path, stage: str) -> dict[str, int]:
    """Return the megabytes per function that a Chalice configuration gives a stage; none without the file."""
    if not config.exists():
        return {}
    held = read_json(config)
    stages = held.get("stages", {})
    if stage not in stages:
        raise UsageError(f"{config} has no stage {stage!r}: use {', '.join(stages)}")
    given = {"*": (held, stages[stage]), **{name: (found,) for name, found in _functions(stages[stage])}}
    return {
        name: found["lambda_memory_size"]
        for name, places in given.items()
        for found in places
        if "lambda_memory_size" in found
    }


def _functions(stage: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    functions: Mapping[str, Mapping[str, Any]] = stage.get("lambda_functions", {})
    return functions.items()
