"""Many processes at one exchange: gates over one store, and the exchange that counts what arrives."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.rate_limit import LimitKey, LimitState, LimitStore, Overtaken, RateLimits
from chalicelib.errors import VenueNotSent
from chalicelib.exchanges.gate import SharedGate
from tests.exchanges.virtual_time import VirtualTime

T0 = 1_700_000_000.0
KEY = LimitKey("acme", "binance", "digest")


class FarStore:
    """A store some milliseconds away, so that processes overtake each other; counts calls and lost races."""

    def __init__(self, store: LimitStore, time: VirtualTime, rng: random.Random) -> None:
        self.store = store
        self.calls: Counter[str] = Counter()
        self._time = time
        self._rng = rng

    def load(self, key: LimitKey) -> LimitState:
        self.calls["reads"] += 1
        self._travel()
        found = self.store.load(key)
        self._travel()
        return found

    def save(self, key: LimitKey, state: LimitState, now: float) -> LimitState | Overtaken:
        self.calls["writes"] += 1
        self._travel()
        outcome = self.store.save(key, state, now)
        self.calls["lost"] += isinstance(outcome, Overtaken)
        self._travel()
        return outcome

    def _travel(self) -> None:
        self._time.sleep(self._rng.uniform(0.001, 0.004))


@dataclass
class Fleet:
    """Engines that call one exchange with one key, again and again, each through a gate of its own."""

    limits: RateLimits
    store: LimitStore
    seed: int = 1
    weights: Sequence[int] = (1,)
    call_seconds: tuple[float, float] = (0.05, 0.25)
    patience: float = 30.0
    begun: list[tuple[float, int]] = field(default_factory=list)
    served: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.time = VirtualTime(T0)
        self.far = FarStore(self.store, self.time, self.rng)

    def gate(self) -> SharedGate:
        return SharedGate(
            self.far, KEY, self.limits, self.time.clock, self.time.sleep, self.patience, self.rng.random
        )

    def run(
        self,
        engines: int,
        seconds: float,
        answer: Callable[[float, SharedGate], None] = lambda _, gate: gate.succeeded(),
    ) -> None:
        """Let engines that start within two seconds work for so long; `answer` is how a call ends."""

        def engine(number: int) -> None:
            gate = self.gate()
            while self.time.clock() < T0 + seconds:
                weight = self.rng.choice(self.weights)
                try:
                    gate.admit(weight)
                except VenueNotSent as refused:
                    self.refused[refused.reason] += 1
                    self.time.sleep((refused.until or 0.0) - self.time.clock())
                    continue
                at = self.time.clock()
                self.begun.append((at, weight))
                self.served[number] += 1
                self.time.sleep(self.rng.uniform(*self.call_seconds))
                answer(at, gate)

        works = [(self.rng.uniform(0, 2), lambda number=number: engine(number)) for number in range(engines)]
        self.time.run(works)

    def per_second(self, start: float, end: float) -> float:
        """Return the calls per second between two moments after the start."""
        return sum(T0 + start <= at < T0 + end for at, _ in self.begun) / (end - start)

    def most(self, seconds: float, weighted: bool = False) -> int:
        """Return the most calls, or weight, in any half-open span of so many seconds."""
        begun = sorted(self.begun)
        most = total = first = 0
        for at, weight in begun:
            total += weight if weighted else 1
            while begun[first][0] <= at - seconds:
                total -= begun[first][1] if weighted else 1
                first += 1
            most = max(most, total)
        return most

    def writes_per_call(self) -> float:
        return self.far.calls["writes"] / len(self.begun)

    def told(self) -> str:
        """Return what a person wants to know of a run."""
        calls = len(self.begun)
        seconds = max(at for at, _ in self.begun) - T0
        return (
            f"{calls} calls in {seconds:.0f} s, at most {self.most(1)} in a second; "
            f"per call {self.writes_per_call():.2f} writes ({self.far.calls['lost']} of all lost races) and "
            f"{self.far.calls['reads'] / calls:.2f} reads; refused {dict(self.refused)}"
        )
