"""The limiter of the fake exchanges: windows, scopes, what counts, bans, and the log."""

import pytest

from tests.fakes.limits import Limits, Penalty, Rule

WEIGHT = Rule(name="weight", limit=10, seconds=1)


def charge(
    limits: Limits, now: float, weight: int = 1, key: str = "a", orders: int = 0, group: str = ""
) -> bool:
    """Return whether the call was admitted."""
    return limits.charge("route", weight, key, now, group=group, orders=orders) is None


def test_a_sliding_window_looks_back_from_every_call() -> None:
    limits = Limits([WEIGHT])
    assert [charge(limits, now, 5) for now in (0.0, 0.9, 0.95, 1.0, 1.5, 1.95)] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]
    assert limits.used(WEIGHT, 1.95) == 10


def test_a_fixed_window_starts_anew_and_tells_when() -> None:
    limits = Limits([Rule(name="minute", limit=2, seconds=60, window="fixed")])
    assert [charge(limits, now) for now in (59.0, 59.5, 59.9, 60.0)] == [True, True, False, True]
    assert charge(limits, 61.0)
    refusal = limits.charge("route", 1, "a", 62.0)
    assert refusal is not None
    assert (refusal.until, refusal.banned, refusal.rule) == (120.0, False, "minute")


def test_a_rule_may_count_per_key_per_group_and_orders_only() -> None:
    limits = Limits(
        [
            Rule(name="orders", limit=1, seconds=10, scope="key", counts="orders"),
            Rule(name="futures", limit=1, seconds=10, counts="requests", group="swap"),
        ]
    )
    assert charge(limits, 0.0, orders=1)
    assert charge(limits, 0.1)
    assert not charge(limits, 0.2, orders=1)
    assert charge(limits, 0.3, key="b", orders=1)
    assert charge(limits, 0.4, weight=50, group="swap")
    assert not charge(limits, 0.5, key="b", group="swap")


def test_calls_during_a_ban_make_it_longer() -> None:
    limits = Limits([WEIGHT], Penalty(ban_after=0, ban_seconds=60, extension_seconds=10))
    assert charge(limits, 0.0, 10)
    refusal = limits.charge("route", 1, "a", 0.5)
    assert refusal is not None
    assert (refusal.banned, refusal.until) == (True, 60.5)
    assert not charge(limits, 30.0)
    assert not charge(limits, 65.0)
    assert charge(limits, 80.5)
    assert [call.time for call in limits.refused()] == [0.5, 30.0, 65.0]


@pytest.mark.parametrize(
    ("barred", "key", "admitted"), [("", "b", False), ("a", "b", True), ("a", "a", False)]
)
def test_a_bar_holds_for_everybody_or_for_one_key(barred: str, key: str, admitted: bool) -> None:
    limits = Limits()
    limits.bar(5, now=0.0, banned=False, key=barred)
    assert charge(limits, 4.9, key=key) == admitted
    assert charge(limits, 5.0, key=key)


def test_the_peak_counts_refused_calls_too() -> None:
    limits = Limits([WEIGHT])
    for now, weight in ((0.0, 4), (0.5, 6), (0.9, 3), (5.0, 1)):
        charge(limits, now, weight)
    assert (limits.peak(1.0), limits.peak(0.5), limits.peak(10.0)) == (13, 9, 14)
