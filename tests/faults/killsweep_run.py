"""The sweep itself: a life without a death, then one for each call and moment, all of them checked."""

import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
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
from tests.faults.killsweep import Life, Street, Zygote, street
from tests.faults.killsweep_messages import Kill, Moment
from tests.faults.routes import words_of

REGION = "us-east-1"
MOMENTS: tuple[Moment, ...] = ("before", "after")
RECOVERED, DEAD, REFUSED = "recovered", "dead letter, listed", "not entered, the signal says why"


@dataclass
class Outcomes:
    """What a sweep came to: how many kill points, how each ended, and what was wrong."""

    points: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Sweeper:
    """Programs that fork workers, on one emulator; so many lives go on at once."""

    def __init__(self, aws: str, zygotes: Sequence[Zygote]) -> None:
        self.aws = aws
        self._zygotes = tuple(zygotes)

    def calls(self, venue: tuple[str, MarketType], life: Life) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the calls of a life without a death, and how the exchange names those that it gets."""
        with street(self._zygotes[0], self.aws, venue, life) as made:
            made.live()
            assert _checked(made) == RECOVERED
        return made.calls, made.routes

    def sweep(
        self,
        venue: tuple[str, MarketType],
        life: Life,
        every: int = 1,
        first: Kill | None = None,
    ) -> Outcomes:
        """Die at every call (or every so manyth) in both moments; after a first death, if one is given."""
        calls = self._calls_after(venue, life, first) if first else self.calls(venue, life)[0]
        outcomes, points = Outcomes(), SimpleQueue[list[Kill]]()
        for call, moment in list(product(range(1, len(calls) + 1), MOMENTS))[::every]:
            points.put([*([first] if first else []), Kill(call, moment)])
        threads = [
            Thread(target=self._work, args=(zygote, venue, life, points, outcomes))
            for zygote in self._zygotes
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def _calls_after(self, venue: tuple[str, MarketType], life: Life, first: Kill) -> tuple[str, ...]:
        """Return the calls of the process that goes on after a first death."""
        with street(self._zygotes[0], self.aws, venue, life, [first]) as made:
            made.live()
            _checked(made)
        return made.calls

    def _work(
        self,
        zygote: Zygote,
        venue: tuple[str, MarketType],
        life: Life,
        points: SimpleQueue[list[Kill]],
        outcomes: Outcomes,
    ) -> None:
        while not outcomes.failures or len(outcomes.failures) < 20:
            try:
                kills = points.get_nowait()
            except Empty:
                return
            outcomes.points += 1
            try:
                with street(zygote, self.aws, venue, life, kills) as made:
                    made.live()
                    outcomes.counts[_checked(made)] += 1
            except BaseException:
                place = f"{venue} {life.name} {kills} {[made.routes.get(one, one) for one in made.died_at]}"
                outcomes.failures.append(f"{place}\n{traceback.format_exc()}")
                made.end()


def create_call(calls: Sequence[str], routes: dict[str, str], venue: tuple[str, MarketType]) -> int:
    """Return the number of the call that creates the first order."""
    create = words_of(*venue).create
    return next(number for number, name in enumerate(calls, 1) if routes.get(name) == create)


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
