"""Step: turns the step indications into votes; the strategy of the main engine."""

from dataclasses import dataclass, field

import numpy as np

from chalicelib.domain.indications.conditions import (
    KINDS,
    Activity,
    Indication,
    Kind,
    check_k,
    measure_conditions,
)
from chalicelib.domain.indicators.rolling import ratio
from chalicelib.domain.strategies.base import Votes, Window, check_range, votes_where
from chalicelib.errors import Rejected


@dataclass(frozen=True, slots=True)
class StepParameters:
    """Which indications vote: kinds, numbers of steps k, and the relative size of a step."""

    kinds: tuple[Kind, ...] = KINDS
    ks: tuple[int, ...] = (3, 5, 8, 13, 21)
    step_size: float = 0.001
    activity: Activity = field(default_factory=Activity)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise Rejected(f"kinds must be some of {', '.join(KINDS)}, got {', '.join(self.kinds) or 'none'}")
        if not self.ks and self.kinds != ("active",):
            raise Rejected("ks must name at least one number of steps from 3 to 30")
        for k in self.ks:
            check_k(k)
        check_range("step_size", self.step_size, 0.0001, 0.05)

    @property
    def warm_up(self) -> int:
        """Bars until every kind can vote."""
        return self.activity.long + 1


def indications(window: Window, parameters: StepParameters) -> tuple[Indication, ...]:
    """Return the indications the parameters name, computed once per window."""
    return window.remember(("indications", parameters), lambda: _measure(window, parameters))


def vote(window: Window, parameters: StepParameters) -> Votes:
    """Vote with the strength-weighted mean of the indications present at a bar; abstain where there is none.

    Confidence: the balance of their signed strengths over the number of all that were asked for, so opposite
    and absent ones take it away; of a single indication it is the strength.
    """
    asked = indications(window, parameters)
    balance = np.zeros(window.close.shape)
    weight = np.zeros(window.close.shape)
    signed = np.empty(window.close.shape)
    for indication in asked:
        balance += np.multiply(indication.strength, indication.direction, out=signed)
        weight += indication.strength
    return votes_where(weight > 0.0, ratio(balance, weight), np.abs(balance) / len(asked))


def _measure(window: Window, parameters: StepParameters) -> tuple[Indication, ...]:
    path = window.step_path(parameters.step_size)
    activity = window.active(parameters.activity)
    return measure_conditions(path, activity, parameters.ks, parameters.kinds, window.traded)
