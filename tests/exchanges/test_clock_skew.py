"""How far our clock is ahead of an exchange's: asked for now and then, believed when it is seen twice."""

from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.domain.connection import Connection, LadderChoice
from chalicelib.errors import VenueNotSent
from chalicelib.exchanges.venue import CLOCK_SECONDS, ExchangeVenue

LIVE = Connection("c", "binance", ("BTC/USDT",), mode="live", ladder=LadderChoice(gate_open=False))


class Clock:
    """A client whose comparisons of the clocks give the test's milliseconds, one after the other."""

    def __init__(self, *differences: float | VenueNotSent) -> None:
        self.left = list(differences)
        self.options = {"timeDifference": 0.0}
        self.markets: dict[str, Any] = {}
        self.ccxt = self

    def ask(self, _: str, question: Any) -> Any:
        return question(self)

    def load_time_difference(self) -> None:
        found = self.left.pop(0)
        if isinstance(found, VenueNotSent):
            raise found
        self.options["timeDifference"] = found


def venue_with(clock: Clock) -> ExchangeVenue:
    rules: Any = SimpleNamespace(rules_client=lambda _: SimpleNamespace(markets=clock.markets))
    client: Any = lambda: clock  # noqa: E731
    return ExchangeVenue(LIVE, client, rules, {})


@pytest.mark.parametrize(
    ("differences", "skew"),
    [((120.0,), 0.12), ((900.0, 80.0), 0.08), ((3050.0, 3010.0), 3.01), ((-2990.0, -3000.0), -3.0)],
)
def test_a_great_difference_is_looked_at_twice(differences: tuple[float, ...], skew: float) -> None:
    clock = Clock(*differences)
    assert venue_with(clock).clock_skew(1000.0) == skew
    assert clock.left == []


def test_an_answer_is_good_for_ten_minutes() -> None:
    clock = Clock(100.0, 200.0)
    venue = venue_with(clock)
    assert [venue.clock_skew(1000.0), venue.clock_skew(1000.0 + CLOCK_SECONDS - 1)] == [0.1, 0.1]
    assert venue.clock_skew(1000.0 + CLOCK_SECONDS) == 0.2


def test_what_a_request_taught_in_between_counts_at_once() -> None:
    clock = Clock(100.0)
    venue = venue_with(clock)
    venue.clock_skew(1000.0)
    clock.options["timeDifference"] = 3000.0
    assert venue.clock_skew(1001.0) == 3.0


def test_a_comparison_that_fails_is_unknown_and_made_again() -> None:
    clock = Clock(VenueNotSent("no route"), 50.0)
    venue = venue_with(clock)
    assert venue.clock_skew(1000.0) is None
    assert venue.clock_skew(1001.0) == 0.05
