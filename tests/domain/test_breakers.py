"""Trading breakers: when they trip, how long they hold, and what a reset by hand begins anew."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.breakers import DAY, Breakers, measured, updated, usage
from chalicelib.domain.connection import RiskLimits

D = Decimal
LIMITS = RiskLimits(daily_loss=D("0.1"), weekly_target=D("0.2"), max_drawdown=D("0.25"))
MONDAY = datetime(2021, 4, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


def walk(*looks: tuple[float, str], reset_at: float = 0.0) -> Breakers:
    """Return the state after looks at (hours after Monday, equity)."""
    state = Breakers()
    for hours, equity in looks:
        state = updated(state, D(equity), MONDAY + hours * HOUR, LIMITS, reset_at)
    return state


def test_a_quiet_day_trips_nothing() -> None:
    state = walk((1, "10000"), (2, "10050"), (23, "9950"))
    assert (state.day_equity, state.peak, state.tripped) == (D(10000), D(10050), {})


def test_a_loss_of_the_day_holds_until_the_day_ends_even_if_it_is_made_good() -> None:
    assert walk((1, "10000"), (2, "9000.01")).tripped == {}
    lost = walk((1, "10000"), (2, "9000"))
    assert lost.tripped == {"DAILY_LOSS": MONDAY + 2 * HOUR}
    assert walk((1, "10000"), (2, "9000"), (3, "9900")).tripped == lost.tripped
    assert walk((1, "10000"), (2, "9000"), (24, "9000")).tripped == {}


def test_a_day_is_counted_from_its_own_first_look() -> None:
    state = walk((1, "10000"), (24, "9500"), (25, "8600"))
    assert (state.day_equity, state.tripped) == (D(9500), {})


def test_the_target_of_the_week_holds_until_monday() -> None:
    reached = walk((1, "10000"), (50, "12000"))
    assert reached.tripped == {"WEEKLY_TARGET": MONDAY + 50 * HOUR}
    assert walk((1, "10000"), (50, "12000"), (100, "11500"), (167.9, "11500")).tripped == reached.tripped
    assert walk((1, "10000"), (50, "12000"), (100, "11500"), (168, "11500")).tripped == {}


def test_a_drawdown_holds_until_it_is_reset_by_hand() -> None:
    fallen = walk((1, "10000"), (30, "9200"), (60, "8400"), (90, "7500"))
    assert fallen.tripped == {"MAX_DRAWDOWN": MONDAY + 90 * HOUR}
    later = updated(fallen, D(7600), MONDAY + 40 * DAY, LIMITS)
    assert later.tripped == fallen.tripped
    reset = updated(later, D(7600), MONDAY + 41 * DAY, LIMITS, reset_at=MONDAY + 41 * DAY)
    assert (reset.tripped, reset.peak, reset.day_equity) == ({}, D(7600), D(7600))
    again = updated(reset, D(5700), MONDAY + 41 * DAY + 1, LIMITS, reset_at=MONDAY + 41 * DAY)
    assert set(again.tripped) == {"DAILY_LOSS", "MAX_DRAWDOWN"}


def test_a_reset_that_was_seen_is_not_done_again() -> None:
    state = walk((1, "10000"), (2, "9000"), reset_at=MONDAY)
    assert set(state.tripped) == {"DAILY_LOSS"}


def test_a_breaker_that_is_switched_off_lets_go() -> None:
    fallen = walk((1, "10000"), (2, "7000"))
    assert set(fallen.tripped) == {"DAILY_LOSS", "MAX_DRAWDOWN"}
    off = RiskLimits(daily_loss=None, max_drawdown=None)
    assert updated(fallen, D(7000), MONDAY + 3 * HOUR, off).tripped == {}


def test_use_and_measures_are_ratios() -> None:
    state = walk((1, "10000"), (2, "10500"))
    assert measured(state, D(9450)) == {
        "DAILY_LOSS": D("0.055"),
        "WEEKLY_TARGET": D("-0.055"),
        "MAX_DRAWDOWN": D("0.1"),
    }
    assert usage(state, D(9450), RiskLimits())["MAX_DRAWDOWN"] == D("0.4")
    assert "WEEKLY_TARGET" not in usage(state, D(9450), RiskLimits())


@pytest.mark.parametrize("equity", ["0", "-5"])
def test_an_account_without_money_measures_nothing_by_division(equity: str) -> None:
    assert walk((1, equity), (2, equity)).tripped == {}


equities = st.lists(st.decimals("1", "1e9", places=4), min_size=1, max_size=30)


@given(equities)
def test_the_same_look_again_changes_nothing(values: list[Decimal]) -> None:
    state, now = Breakers(), MONDAY
    for value in values:
        now += 7 * HOUR
        state = updated(state, value, now, LIMITS)
        assert updated(state, value, now, LIMITS) == state
        assert state.peak >= state.day_equity


@given(equities)
def test_what_is_stored_stays_short(values: list[Decimal]) -> None:
    state = Breakers()
    for value in values:
        state = updated(state, value / 3, MONDAY, LIMITS)
    assert len(str(state.peak)) <= 14
