"""`cts cost` as it is typed: the table, the JSON, and refusals in one line."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chalicelib import cli
from chalicelib.operations.cost import data

REPOSITORY = Path(__file__).resolve().parents[2]
COST = "chalicelib.operations.cost.command"
WIRED = cli.COMMANDS


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert cli.main(["cost", *options]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, "--json", *options))
    return found


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal in the repository, where the stages are; no other command is loaded."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(cli, "COMMANDS", (COST,))


def test_the_command_line_has_the_command() -> None:
    assert COST in WIRED


def test_the_table_has_services_lines_total_and_advice(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--connections", "2")
    for part in ("DynamoDB", "Lambda", "idle polls of 3 tick queues", "total", "One connection more:"):
        assert part in text
    assert "What would save most: " in text
    assert text.count("An always-on t4g.") == 2
    assert "not verified:" in text
    assert "2 running" in text


def test_json_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "--region", "us-east-1", "--events", "kinesis", "--key", "kms")
    lines = found["lines"]
    assert sum(Decimal(line["cost"]) for line in lines) == Decimal(found["total"])
    assert sum(map(Decimal, found["services"].values())) == Decimal(found["total"])
    (shard,) = (line for line in lines if line["what"] == "one shard")
    assert shard["quantity"] == 730
    assert found["scenario"]["region"] == "us-east-1"
    assert found["savings"][0]["setting"] == "events audit instead of kinesis"


def test_options_change_the_bill(capsys: pytest.CaptureFixture[str]) -> None:
    base = Decimal(as_json(capsys)["total"])
    dearer = ("--events kinesis", "--key kms", "--architecture x86_64", "--symbols 150", "--stopped 3")
    for option in dearer:
        assert Decimal(as_json(capsys, *option.split())["total"]) > base, option
    cheaper = ("--free-tier", "--auth rs256", "--no-dashboard", "--no-traces", "--timeframe 15m")
    for option in (*cheaper, "--intervals realtime=60"):
        assert Decimal(as_json(capsys, *option.split())["total"]) < base, option


def test_prices_and_assumptions_can_be_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = json.loads(data.PRICES.read_text())
    table["regions"]["eu-central-1"]["cloudwatch.dashboards"]["price"] = "13.00"
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(table))
    base = Decimal(as_json(capsys)["total"])
    assert Decimal(as_json(capsys, "--prices", str(prices))["total"]) == base + 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--region", "mars"], "no prices of mars"),
        (["--connections", "-1"], "--connections must be"),
        (["--intervals", "x=1"], "KIND=SECONDS"),
        (["--stage", "nowhere"], "no stage 'nowhere'"),
        (["--usage", "/nowhere.json"], "/nowhere.json"),
        (["--report", "/nowhere.json"], "/nowhere.json"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert cli.main(["cost", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
