"""The pace of public requests: spacing, and no second with more weight than the rate."""

import pytest

from chalicelib.exchanges.pace import WINDOW, Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def heaviest_second(passed):
    return max(sum(w for at, w in passed if start <= at < start + 1) for start, _ in passed)


@pytest.mark.parametrize("weights", [[1] * 40, [5] * 12, [1, 1, 1, 1, 5] * 8, [5, 1, 1, 5, 1] * 8])
def test_no_second_holds_more_weight_than_the_rate(weights):
    # Spaced by their number alone, four of weight 1 and then two of weight 5 make 14 within a second.
    clock, passed = Clock(), []
    pace = Pace(8.0, clock.sleep, clock)
    for weight in weights:
        pace.wait(weight)
        passed.append((clock.now, weight))
    assert heaviest_second(passed) <= 8
    lasted = passed[-1][0] - passed[0][0]
    assert lasted <= sum(weights) / 4


def test_one_that_is_heavier_than_the_rate_goes_alone():
    clock, passed = Clock(), []
    pace = Pace(4.0, clock.sleep, clock)
    for weight in (1, 5, 1):
        pace.wait(weight)
        passed.append(clock.now)
    assert passed[1] - passed[0] >= 1
    assert passed[2] - passed[1] == pytest.approx(WINDOW)
