"""The circuit breaker as a table: every state and happening, and the stories that they make."""

from itertools import product
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.circuit_breaker import (
    CLOSED,
    COOL_DOWN,
    MOST_FAILURES,
    PROBE_SECONDS,
    TABLE,
    WINDOW,
    Breaker,
    Happening,
    State,
    admission,
    after,
    opened,
)

T0 = 1_700_000_000.0


def failing(times: int, at: float = T0) -> Breaker:
    breaker = CLOSED
    for _ in range(times):
        breaker = after(breaker, "failed", at)
    return breaker


def test_the_table_has_every_pair() -> None:
    assert set(TABLE) == set(product(get_args(State), get_args(Happening)))


def test_failures_in_a_row_open_it() -> None:
    assert failing(MOST_FAILURES - 1).state == "closed"
    assert admission(failing(MOST_FAILURES - 1), T0) == "pass"
    breaker = failing(MOST_FAILURES)
    assert breaker.state == "open"
    assert breaker.until == T0 + COOL_DOWN
    assert admission(breaker, T0 + COOL_DOWN - 0.001) == "refuse"
    assert admission(breaker, T0 + COOL_DOWN) == "probe"


def test_a_success_ends_the_row() -> None:
    breaker = after(failing(MOST_FAILURES - 1), "succeeded", T0)
    assert breaker == CLOSED
    assert after(breaker, "failed", T0).state == "closed"


def test_failures_that_are_far_apart_do_not_add_up() -> None:
    breaker = CLOSED
    for number in range(3 * MOST_FAILURES):
        breaker = after(breaker, "failed", T0 + number * WINDOW / 3)
        assert breaker.state == "closed"


def test_one_probe_decides() -> None:
    ready = T0 + COOL_DOWN
    probing = after(failing(MOST_FAILURES), "probed", ready)
    assert probing.state == "half_open"
    assert admission(probing, ready + PROBE_SECONDS - 0.001) == "refuse"
    assert after(probing, "succeeded", ready + 1) == CLOSED
    again = after(probing, "failed", ready + 1)
    assert (again.state, again.until) == ("open", ready + 1 + COOL_DOWN)


def test_a_probe_that_was_lost_is_taken_by_another() -> None:
    probing = after(failing(MOST_FAILURES), "probed", T0 + COOL_DOWN)
    late = T0 + COOL_DOWN + PROBE_SECONDS
    assert admission(probing, late) == "probe"
    assert admission(after(probing, "probed", late), late) == "refuse"


def test_what_was_under_way_when_it_opened_changes_nothing() -> None:
    breaker = failing(MOST_FAILURES)
    assert after(breaker, "succeeded", T0 + 1) == breaker
    assert after(breaker, "failed", T0 + 1) == breaker


def test_a_ban_opens_it_until_its_end_and_never_shortens() -> None:
    banned = opened(CLOSED, T0 + 300)
    assert admission(banned, T0 + 299) == "refuse"
    assert admission(banned, T0 + 300) == "probe"
    assert opened(banned, T0 + 10).until == T0 + 300


@given(st.lists(st.tuples(st.sampled_from(get_args(Happening)), st.floats(0, 90)), max_size=60))
def test_it_always_lets_calls_pass_or_says_when_it_will(steps: list[tuple[Happening, float]]) -> None:
    breaker, now = CLOSED, T0
    for happening, seconds in steps:
        now += seconds
        breaker = after(breaker, happening, now)
        if admission(breaker, now) == "refuse":
            assert breaker.until - now <= max(COOL_DOWN, PROBE_SECONDS)
            assert admission(breaker, breaker.until) == "probe"
