"""The sweep itself: a life without a death, then one for each call and moment, all of them checked."""

import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from chalicelib.domain.market import MarketType
from chalicelib.domain.order import UNPROVEN
from chalicelib.local.aws_clients import own_clients
from chalicelib.local.emulator import Emulator
from chalicelib.local.resources import create_resources
from chalicelib.settings import Settings
from tests.fakes.certificates import authority
from tests.faults.checks import four_checks
from tests.faults.killsweep import Life, Street, street
from tests.faults.killsweep_messages import Kill, Moment
from tests.faults.killsweep_zygote import Zygote

REGION = "us-east-1"
MOST_FAILURES = 10
RECOVERED, DEAD, REFUSED = "recovered", "dead letter, listed", "not entered, the signal says why"
NOT_REACHED = "not reached"
"""That life had fewer calls: threads that share a rate limit do not always write as often."""


Place = tuple[str, MarketType]


@dataclass(frozen=True, slots=True)
class Calls:
    """What a process asked of the outside, and how the exchange names what it got."""

    names: tuple[str, ...]
    routes: Mapping[str, str]

    def first(self, route: str, moment: Moment) -> Kill:
        """Return the death at the first call to a route of the exchange."""
        return Kill(next(name for name in self.names if self.routes.get(name) == route), 1, moment)

    def deaths(self) -> list[Kill]:
        """Return the death before the first call, and those after each."""
        after = [
            Kill(name, self.names[:number].count(name), "after") for number, name in enumerate(self.names, 1)
        ]
        return [Kill(self.names[0], 1, "before"), *after]


@dataclass
class Outcomes:
    """What a sweep came to: the calls of the life, the deaths, how each ended, and what was wrong."""

    calls: int
    deaths: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Sweeper:
    """Programs that fork workers, on one emulator; so many lives go on at once."""

    def __init__(self, aws: str, zygotes: Sequence[Zygote]) -> None:
        self.aws = aws
        self._zygotes = tuple(zygotes)

    def calls(self, venue: Place, life: Life, first: Sequence[Kill] = ()) -> Calls:
        """Return the calls of the process that comes after the first deaths, and lives on."""
        with street(self._zygotes[0], self.aws, venue, life, first) as made:
            made.live()
            outcome = _checked(made)
            assert first or outcome == RECOVERED, f"without a death: {outcome}: {made.books().signals}"
        return Calls(made.calls[-1], made.routes)

    def sweep(self, venue: Place, life: Life, every: int = 1, first: Sequence[Kill] = ()) -> Outcomes:
        """Die after every call, or every so manyth, and before the first; `first` are deaths before that one.

        To die after one call is to die before the next: nothing outside can tell them apart.
        """
        calls = self.calls(venue, life, first)
        outcomes, points = Outcomes(len(calls.names)), SimpleQueue[list[Kill]]()
        for kill in calls.deaths()[::every]:
            points.put([*first, kill])
        threads = [
            Thread(target=self._work, args=(zygote, venue, life, points, outcomes))
            for zygote in self._zygotes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def _work(
        self,
        zygote: Zygote,
        venue: Place,
        life: Life,
        points: SimpleQueue[list[Kill]],
        outcomes: Outcomes,
    ) -> None:
        while len(outcomes.failures) < MOST_FAILURES:
            try:
                kills = points.get_nowait()
            except Empty:
                return
            outcomes.deaths += 1
            try:
                with street(zygote, self.aws, venue, life, kills) as made:
                    made.live()
                    reached = len(made.died_at) == len(kills)
                    outcomes.counts[_checked(made) if reached else NOT_REACHED] += 1
            except BaseException:
                place = f"{venue} {life.name} {kills} {[made.routes.get(one, one) for one in made.died_at]}"
                outcomes.failures.append(f"{place}\n{traceback.format_exc()}")


def _checked(made: Street) -> str:
    """Assert the four checks and that nothing hangs; return how it ended."""
    four_checks(made, made.execute_again)  # type: ignore[arg-type]
    books = made.books()
    open_ones = {order.client_order_id for order in books.orders if order.state in UNPROVEN}
    assert open_ones == set(books.dead), "an order is unproven and no dead letter"
    assert books.status == "running"
    assert all(books.signals.get(signal.signal_id) for signal in made.life.signals(made)), "a signal is lost"
    if books.dead:
        return DEAD
    hanging = [order for order in made.theirs() if order.is_open]
    assert not hanging, f"orders are left at the exchange: {hanging}"
    states = {position.state for position in books.positions}
    assert states <= {"closed", "abandoned"}, f"positions are {states}"
    entered = {order.signal_id for order in books.orders if order.leg == "entry"}
    return RECOVERED if len(entered) == len(books.signals) else REFUSED


@contextmanager
def sweeper(folder: Path, lanes: int = 2) -> Iterator[Sweeper]:
    """Start the emulator, make its tables, and start the programs that fork."""
    authority()
    with ExitStack() as stack:
        emulator = Emulator.start(folder / "aws", virtual=False)
        stack.callback(emulator.stop)
        settings = Settings(region=REGION, endpoint_url=emulator.endpoint_url)
        create_resources(settings, own_clients(emulator.endpoint_url, REGION))
        zygotes = [Zygote(folder, f"lane-{number}") for number in range(lanes)]
        for zygote in zygotes:
            stack.callback(zygote.close)
        yield Sweeper(emulator.endpoint_url, zygotes)
