"""Scenario 9: a real process is killed at its calls to the outside, one by one, and another goes on.

Here a sample on one exchange; `make test-faults` dies at every call of every life on all of them.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from chalicelib.domain.market import MarketType
from tests.faults.floor import VENUES
from tests.faults.killsweep import Life
from tests.faults.killsweep_lives import RECOVERY, STOP, TRADE
from tests.faults.killsweep_messages import Moment
from tests.faults.killsweep_run import DEAD, NOT_REACHED, RECOVERED, REFUSED, Outcomes, Sweeper, sweeper
from tests.faults.results import Result, record
from tests.faults.routes import words_of

SCENARIO = 9
SAMPLE = "bybit", "swap"


@pytest.fixture(scope="module")
def sweeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeper]:
    with sweeper(tmp_path_factory.mktemp("sweep")) as made:
        yield made


@pytest.mark.parametrize(("life", "every"), [(TRADE, 15), (STOP, 15)], ids=["trade", "stop"])
def test_a_sample_of_deaths_leaves_one_order_per_intent_and_equal_books(
    sweeping: Sweeper, life: Life, every: int
) -> None:
    outcomes = sweeping.sweep(SAMPLE, life, every)
    _without_failures(outcomes)
    assert outcomes.counts[RECOVERED] > outcomes.deaths // 2
    assert not outcomes.counts[DEAD], "this exchange finds every order by our id"


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("life", [TRADE, STOP], ids=lambda life: life.name)
@pytest.mark.parametrize(("exchange", "market_type"), VENUES)
def test_dying_at_any_call(sweeping: Sweeper, exchange: str, market_type: MarketType, life: Life) -> None:
    outcomes = sweeping.sweep((exchange, market_type), life)
    _recorded(f"{exchange} {market_type}", life.name, outcomes)
    _without_failures(outcomes)
    assert bool(outcomes.counts[DEAD]) <= (not words_of(exchange, market_type).finds_absence)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("exchange", "market_type"), VENUES)
def test_dying_at_any_call_of_the_recovery_of_an_order_that_nobody_knows_of(
    sweeping: Sweeper, exchange: str, market_type: MarketType, moment: Moment
) -> None:
    """The first process dies at the order itself, the second at each call with which it looks for it."""
    venue = (exchange, market_type)
    first = sweeping.calls(venue, RECOVERY).first(words_of(*venue).create, moment)
    outcomes = sweeping.sweep(venue, RECOVERY, first=[first])
    sent = "order not sent" if moment == "before" else "order sent, no reply"
    _recorded(f"{exchange} {market_type}", f"{RECOVERY.name}, {sent}", outcomes)
    _without_failures(outcomes)
    if words_of(*venue).finds_absence:
        assert not outcomes.counts[DEAD]
    elif moment == "before":
        assert set(outcomes.counts) <= {DEAD, NOT_REACHED}, "nobody can know that the order never came"


def _recorded(venue: str, life: str, outcomes: Outcomes) -> None:
    """Keep a row: how many deaths, and how often each ended how."""
    counts = Counter({"FAILED": len(outcomes.failures)}) + outcomes.counts
    parts = [
        f"{counts[name]} {name}" for name in (RECOVERED, REFUSED, DEAD, NOT_REACHED, "FAILED") if counts[name]
    ]
    record(Result(SCENARIO, venue, f"{outcomes.deaths} points: {', '.join(parts)}", life))


def _without_failures(outcomes: Outcomes) -> None:
    assert not outcomes.failures, f"{len(outcomes.failures)} failed:\n" + "\n".join(outcomes.failures)
    assert outcomes.counts[NOT_REACHED] * 20 <= outcomes.deaths, "the lives are not alike"
