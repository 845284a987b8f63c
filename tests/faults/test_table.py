"""docs/faults.md tells of every scenario on every venue."""

import re

from tests.faults.results import Result
from tests.faults.scenario import SCENARIOS
from tests.faults.table import EXPECTED, FILE, SWEEP, grouped, missing, outcomes, titles, venues


def test_every_scenario_is_played() -> None:
    assert set(EXPECTED) == set(range(1, 34)) == set(titles())
    assert {one.number for one in SCENARIOS} == set(EXPECTED) - {SWEEP}


def test_the_page_lists_every_scenario_and_names_every_venue() -> None:
    text = FILE.read_text(encoding="utf-8")
    numbers = [int(found) for found in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert numbers == sorted(EXPECTED)
    for number, title in titles().items():
        assert f"| {number} | {title} |" in text, "run make test-faults"
    assert [venue for venue in venues() if venue not in text] == []
    assert "FAILED" not in text


def test_what_was_not_run_is_told_as_failed_and_equal_ends_are_told_once() -> None:
    found = outcomes([Result(1, "binance swap", "adopted", "a"), Result(1, "binance swap", "adopted", "b")])
    assert found[1, "binance swap"] == "adopted"
    assert (1, "binance spot") in missing(found)
    assert grouped(found, 1) == [("adopted", "binance swap"), ("FAILED", ", ".join(venues()[1:]))]
    assert found[5, "orangex swap"].startswith("does not apply: ")
