"""The data files of the bill: complete, honest about what was not verified, refused in one line if broken."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.errors import UsageError
from chalicelib.exchanges.ccxt_public import REQUESTS_PER_SECOND
from chalicelib.operations.cost import data, usage
from chalicelib.operations.cost.scenario import Scenario, parse_intervals, validate
from chalicelib.settings import DEFAULT_REGION
from infra.template import TRACED

TABLE = json.loads(data.PRICES.read_text())
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("region", TABLE["regions"])
def test_every_region_has_every_price_and_says_whether_it_was_verified(region: str) -> None:
    assert TABLE["regions"][region].keys() == TABLE["units"].keys()
    for found in TABLE["regions"][region].values():
        assert found.keys() == {"price", "verified"}
        assert Decimal(found["price"]) >= 0
        assert isinstance(found["verified"], bool)


def test_the_default_region_is_there_and_the_table_is_dated() -> None:
    assert DEFAULT_REGION in TABLE["regions"]
    assert "us-east-1" in TABLE["regions"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", TABLE["dated"])
    assert any("Check them" in note for note in TABLE["note"])


def test_always_free_amounts_are_drawn_on_by_some_unit() -> None:
    drawn = {unit["allowance"] for unit in TABLE["units"].values() if "allowance" in unit}
    assert drawn == set(TABLE["always_free"])


def test_an_unknown_region_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no prices of mars-north-1: use us-east-1"):
        data.load_prices(data.PRICES, "mars-north-1")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"regions": {"us-east-1": {}}, "units": {"a": {}}}'])
def test_broken_files_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(content)
    for load in (
        lambda: data.load_prices(broken, "us-east-1"),
        lambda: usage.load_usage(broken),
        lambda: data.load_assumptions(broken),
        lambda: usage.activity_of_report(broken, 300, 1),
    ):
        with pytest.raises(UsageError, match=r"broken\.json"):
            load()
    with pytest.raises(UsageError, match="No such file"):
        data.load_prices(tmp_path / "absent.json", "us-east-1")


def test_the_activity_of_a_report_is_per_candle_and_connection(tmp_path: Path) -> None:
    report = tmp_path / "out.json"
    held = {"virtual_seconds": 3000, "signals": {"emitted": 40}, "orders": {"FILLED": 5, "REJECTED": 1}}
    report.write_text(json.dumps(held))
    assert usage.activity_of_report(report, 300, 2) == usage.Activity(2.0, 0.3)


def test_assumptions_fit_the_code() -> None:
    assumed = data.load_assumptions(data.ASSUMPTIONS)
    assert assumed.exchange in REQUESTS_PER_SECOND
    assert assumed.memory_megabytes["*"] >= 128


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's own tags as nothing."""


_Loader.add_multi_constructor("!", lambda *_: None)


def test_alarms_and_metrics_are_as_many_as_the_infrastructure_has() -> None:
    """CloudWatch counts an alarm once for each metric that it reads."""
    resources = yaml.load((REPOSITORY / "infra/resources.yaml").read_text(), _Loader)["Resources"]
    ours = yaml.safe_load((REPOSITORY / "infra/monitoring_alarms.yaml").read_text())
    alarms = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    alarms += [one["properties"] for one in ours.values()]
    from chalicelib.messaging.telemetry import METRICS

    assumed = data.load_assumptions(data.ASSUMPTIONS)
    assert sum(map(_metrics, alarms)) == assumed.alarms
    assert len(METRICS) == assumed.metrics


def test_traced_functions_are_those_of_the_deployed_template() -> None:
    assert set(data.load_assumptions(data.ASSUMPTIONS).traced) == TRACED


def _metrics(alarm: dict[str, Any]) -> int:
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", [{"MetricStat": None}]))


def test_memory_comes_from_the_stage_of_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    functions = {"market_tick": {"lambda_memory_size": 256}, "api_handler": {"lambda_timeout": 29}}
    held = {"lambda_memory_size": 512, "stages": {"dev": {"lambda_functions": functions}, "prod": {}}}
    config.write_text(json.dumps(held))
    assert data.memory_of_stage(config, "dev") == {"*": 512, "market_tick": 256}
    assert data.memory_of_stage(config, "prod") == {"*": 512}
    assert data.memory_of_stage(tmp_path / "absent.json", "dev") == {}
    with pytest.raises(UsageError, match="no stage 'test': use dev, prod"):
        data.memory_of_stage(config, "test")


def test_intervals_are_parsed_with_defaults_for_the_others() -> None:
    assert parse_intervals("realtime=60, market=120") == {
        "market": 120,
        "indication": 60,
        "strategy": 120,
        "realtime": 60,
        "health": 30,
    }
    for wrong in ("realtime", "realtime=x", "ticks=5"):
        with pytest.raises(UsageError, match="KIND=SECONDS"):
            parse_intervals(wrong)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(connections=-1),
        Scenario(symbols=0),
        Scenario(symbols=100_000),
        Scenario(stopped=-1),
        Scenario(timeframe="7m"),
        Scenario(intervals=parse_intervals("realtime=5")),
    ],
)
def test_scenarios_that_cannot_be_are_refused(scenario: Scenario) -> None:
    with pytest.raises(UsageError):
        validate(scenario)
