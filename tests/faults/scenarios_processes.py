"""Scenarios 6 to 8, 10 to 12 and 33: processes that die, meet or sleep, and messages that come twice."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

from chalicelib import wiring
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import SignalBatch, Tick
from chalicelib.domain.order import Order, OrderState
from chalicelib.errors import LeaseHeld, StaleWrite
from chalicelib.exchanges.gate import SharedGate
from chalicelib.flows.realtime_tick import realtime_tick
from chalicelib.messaging.codec import decode_signals, encode
from chalicelib.triggers.handler import each_record
from tests.faults.checks import four_checks
from tests.faults.floor import CONNECTION_ID, TENANT, D, Floor
from tests.faults.routes import Words
from tests.faults.scenario import scenario
from tests.faults.scenarios_orders import DEAD, created, settle

DELIVERED_AGAIN = 60.0
"""Seconds until a queue delivers a message again whose process died."""

MOST_RECEIVES = 5
"""How often a queue delivers a message before it ends in the dead-letter queue."""


class Killed(BaseException):
    """The process is gone; nothing that it would do on an error is done."""


class _Around:
    """A part of a process with something else in the place of one of its methods."""

    def __init__(self, part: Any, method: str, instead: Callable[..., Any]) -> None:
        self._part, self._method, self._instead = part, method, instead

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._part, name)
        return partial(self._instead, real) if name == self._method else real


def around(floor: Floor, part: str, method: str, instead: Callable[..., Any]) -> None:
    """Put something in the place of a part's method; it gets the real method and its arguments."""
    floor.wrap = lambda name, real: _Around(real, method, instead) if name == part else real


def nothing_around(floor: Floor) -> None:
    floor.wrap = lambda _, part: part


def is_intent(records: Any, leg: str) -> bool:
    """Tell whether these records store the intent of a leg."""
    return any(
        isinstance(one, Order) and one.leg == leg and one.state == OrderState.INTENT for one in records
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """One kind of order: what leads up to it, and the delivery that makes it."""

    name: str
    deliver: Callable[[], object]


def leg_of(floor: Floor, name: str) -> Leg | None:
    """Bring the floor to where the order of a leg is due; None if this exchange has no such order."""
    entry = floor.signal()
    if name == "entry":
        return Leg("entry", lambda: floor.execute(entry))
    if name == "stop":
        floor.set(native_stops=True)
        if (
            floor.connection.market_type == "spot"
            or not floor.world().venue(floor.connection).abilities.native_stops
        ):
            return None
        floor.execute(entry)
        return Leg("protection", lambda: floor.realtime(later=0))
    floor.execute(entry)
    floor.realtime()
    leave = floor.signal(number=1, action="leave")
    return Leg("exit", lambda: floor.execute(leave))


def at_venue(floor: Floor, leg: str) -> list[Any]:
    """Return the orders of a leg that the exchange accepted."""
    ids = {order.client_order_id for order in floor.orders() if order.leg == leg}
    return [order for order in floor.theirs() if order.client_id.lower() in ids]


def killed(floor: Floor, leg: Leg, part: str, method: str, dies: Callable[..., Any]) -> None:
    """Let the delivery die in a call, and begin anew with what outlives a process."""
    around(floor, part, method, dies)
    try:
        leg.deliver()
    except Killed:
        pass
    else:
        raise AssertionError("the process did not die")
    nothing_around(floor)
    floor.restart()


def carried_on(floor: Floor, leg: Leg, words: Words) -> str:
    """Deliver again, let it be settled, make the checks; return what became of the order."""
    floor.wait(DELIVERED_AGAIN)
    leg.deliver()
    settle(floor)
    order = floor.order(leg.name)
    if order.reason.startswith("dead letter"):
        assert not words.finds_absence
        assert floor.metrics["orders_dead_letter"] >= 1
        assert at_venue(floor, leg.name) == []
    else:
        assert len(at_venue(floor, leg.name)) == 1
        wanted = OrderState.ACCEPTED if leg.name == "protection" else OrderState.FILLED
        assert order.state == wanted, order
        assert floor.position().state == ("closed" if leg.name == "exit" else "open")
    four_checks(floor, leg.deliver)
    return DEAD if order.reason.startswith("dead letter") else "1 order"


LEGS = ("entry", "exit", "stop")


@scenario(6, "killed before the intent is stored", LEGS)
def before_intent(floor: Floor, words: Words, name: str) -> str:
    leg = leg_of(floor, name)
    if leg is None:
        return ""
    before = len(floor.theirs())

    def dies(commit: Any, tenant: str, records: Any, *more: Any) -> Any:
        if is_intent(records, leg.name):
            raise Killed
        return commit(tenant, records, *more)

    killed(floor, leg, "records", "commit", dies)
    assert [order for order in floor.orders() if order.leg == leg.name] == []
    assert len(floor.theirs()) == before
    outcome = carried_on(floor, leg, words)
    assert outcome == "1 order"
    return "nothing was sent; sent once by the next delivery"


@scenario(7, "killed between intent and POST", LEGS)
def before_post(floor: Floor, words: Words, name: str) -> str:
    leg = leg_of(floor, name)
    if leg is None:
        return ""

    def dies(create: Any, approved: Any, now: float) -> Any:
        if approved.order.leg == leg.name:
            raise Killed
        return create(approved, now)

    killed(floor, leg, "venue", "create_order", dies)
    assert floor.order(leg.name).state == OrderState.INTENT
    assert at_venue(floor, leg.name) == []
    outcome = carried_on(floor, leg, words)
    return outcome if outcome == DEAD else "looked up, then sent once"


@scenario(8, "killed between POST and the store of its reply", LEGS)
def after_post(floor: Floor, words: Words, name: str) -> str:
    leg = leg_of(floor, name)
    if leg is None:
        return ""

    def dies(create: Any, approved: Any, now: float) -> Any:
        create(approved, now)
        if approved.order.leg == leg.name:
            raise Killed

    killed(floor, leg, "venue", "create_order", dies)
    assert floor.order(leg.name).state == OrderState.INTENT
    requests = created(floor, words)
    assert carried_on(floor, leg, words) == "1 order"
    assert created(floor, words) == requests, "it was sent once more"
    return "adopted, 1 order"


@scenario(10, "the same tick twice at the same time", ("signals", "realtime"))
def at_the_same_time(floor: Floor, words: Words, which: str) -> str:
    signal = floor.signal()
    if which == "realtime":
        floor.execute(signal)
        floor.wait(30.0)
    tick = Tick("realtime", floor.subject, int(floor.now))
    said: list[tuple[object, int]] = []

    def work() -> object:
        return floor.execute(signal) if which == "signals" else realtime_tick(floor.world(), tick)

    def meanwhile(route: str, _: Any) -> None:
        floor.fake.watch = None
        asked = len(floor.fake.requests)
        try:
            answer: object = work()
        except LeaseHeld as error:
            answer = type(error)
        said.append((answer, len(floor.fake.requests) - asked))

    floor.fake.watch = meanwhile
    work()
    assert said == [(LeaseHeld if which == "signals" else Skip.LEASE_HELD, 0)]
    settle(floor, 2)
    assert len(at_venue(floor, "entry")) == 1
    four_checks(floor, work)
    return "one lease; the loser asks the exchange for nothing"


PAUSES = ("before intent", "before POST", "before signing", "after signing")


@scenario(11, "a lease expires during a pause, its holder goes on", PAUSES)
def thawed(floor: Floor, words: Words, where: str) -> str:
    if where == "before intent":
        return _thawed_before_intent(floor)
    signal = floor.signal()
    sleep_at(floor, where)
    # The stores may refuse what it writes: as good as that it writes nothing.
    with suppress(StaleWrite):
        floor.execute(signal)
    settle(floor, 24)
    refused = where == "after signing" and words.stamps_requests
    # An order that nobody may send again leaves with the thawed process, or not at all.
    sent = words.finds_absence or (where == "after signing" and not words.stamps_requests)
    assert created(floor, words) == sent + refused
    assert len(at_venue(floor, "entry")) == sent
    assert floor.order("entry").state == OrderState.FILLED or not sent
    assert floor.metrics["sends_held_up"] == (where == "before POST")
    four_checks(floor, lambda: floor.execute(signal))
    return "the thawed process adds nothing, " + ("1 order" if sent else DEAD)


def sleep_at(floor: Floor, where: str) -> None:
    """Let the process sleep once on an order's way, until others have found the intent and dealt with it."""
    admit = SharedGate.admit

    def others() -> None:
        nothing_around(floor)
        floor.wire = lambda fetch, *arguments, **named: fetch(*arguments, **named)
        floor.restart()
        floor.wait(DELIVERED_AGAIN)
        settle(floor)

    def slow_commit(commit: Any, tenant: str, records: Any, *more: Any) -> Any:
        stored = commit(tenant, records, *more)
        if is_intent(records, "entry"):
            others()
        return stored

    def slow_fetch(fetch: Any, url: str, method: str = "GET", *more: Any) -> Any:
        if method == "POST":
            others()
        return fetch(url, method, *more)

    def slow_create(create: Any, approved: Any, now: float) -> Any:
        if where == "after signing":
            floor.wire = slow_fetch
            return create(approved, now)
        with patch.object(SharedGate, "admit", autospec=True) as patched:

            def slow_admit(gate: Any, weight: int = 1) -> None:
                patched.side_effect = admit
                others()
                admit(gate, weight)

            patched.side_effect = slow_admit
            return create(approved, now)

    if where == "before POST":
        around(floor, "records", "commit", slow_commit)
    else:
        around(floor, "venue", "create_order", slow_create)


def _thawed_before_intent(floor: Floor) -> str:
    slow, quick = floor.signal(), floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))

    def slow_commit(commit: Any, tenant: str, records: Any, *more: Any) -> Any:
        if is_intent(records, "entry"):
            nothing_around(floor)
            floor.wait(DELIVERED_AGAIN)
            assert floor.execute(quick) == {quick.signal_id: "APPROVED"}
        return commit(tenant, records, *more)

    around(floor, "records", "commit", slow_commit)
    try:
        floor.execute(slow)
    except StaleWrite:
        refused = True
    else:
        refused = False
    assert refused, "the fence let a process through whose lease had run out"
    assert [order.symbol for order in floor.theirs()] == [quick.symbol]
    floor.wait(DELIVERED_AGAIN)
    assert floor.execute(slow) == {slow.signal_id: "APPROVED"}
    settle(floor, 2)
    assert len(at_venue(floor, "entry")) == 2
    four_checks(floor, lambda: floor.execute(slow, quick))
    return "the fence refuses its intent; the next delivery sends once"


@scenario(12, "messages duplicated and reordered", ("signals", "ticks"))
def twice_and_late(floor: Floor, words: Words, which: str) -> str:
    if which == "ticks":
        return _ticks_twice_and_late(floor)
    late = floor.signal()
    floor.wait(200)
    fresh = floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))
    floor.execute(fresh, fresh)
    floor.wait(150)
    assert floor.execute(late, fresh) == {late.signal_id: "SIGNAL_TOO_OLD"}
    for _ in range(3):
        assert floor.execute(fresh, late) == {}
    kept = floor.records.signals(TENANT, CONNECTION_ID, [late.signal_id, fresh.signal_id])
    told = {name: (signal.status, signal.outcome) for name, signal in kept.items()}
    assert told[late.signal_id] == ("refused", "SIGNAL_TOO_OLD")
    assert told[fresh.signal_id][0] == "executed"
    assert len(at_venue(floor, "entry")) == len(floor.orders()) == 1
    settle(floor, 2)
    four_checks(floor, lambda: floor.execute(late, fresh))
    return "one intent; the stale one dropped and recorded"


def _ticks_twice_and_late(floor: Floor) -> str:
    floor.execute(floor.signal())
    floor.wait(60)
    new, old = int(floor.now), int(floor.now) - 30
    assert realtime_tick(floor.world(), Tick("realtime", floor.subject, new)) is None
    asked = len(floor.fake.requests)
    for slot in (new, old, new):
        assert realtime_tick(floor.world(), Tick("realtime", floor.subject, slot)) == Skip.SLOT_DONE
    assert len(floor.fake.requests) == asked
    assert floor.metrics["ticks_skipped"] == 3
    four_checks(floor)
    return "old and repeated ticks do nothing, and are counted"


@scenario(33, "a poison message", ("no JSON", "no batch", "unknown symbol"))
def poison(floor: Floor, words: Words, what: str) -> str:
    good = [floor.signal(), floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))]
    batches = [encode(SignalBatch(TENANT, CONNECTION_ID, "k", (one,))) for one in good]
    rubbish = {
        "no JSON": "{",
        "no batch": json.dumps([1, None]),
        "unknown symbol": batches[0].replace('"signals":[', '"signals":[7,'),
    }[what]
    waiting = [
        {"messageId": str(n), "body": body, "attributes": {"MessageGroupId": group}}
        for n, (group, body) in enumerate(zip("abc", (batches[0], rubbish, batches[1]), strict=True))
    ]
    dead: list[Any] = []
    for receive in range(1, MOST_RECEIVES + 1):
        failed = _received(floor, waiting)
        waiting = [record for record in waiting if record["messageId"] in failed]
        assert [record["body"] for record in waiting] == [rubbish]
        assert len(at_venue(floor, "entry")) == 2, "the others flow from the first receive on"
        assert floor.metrics["poison_messages"] == receive
        floor.wait(DELIVERED_AGAIN)
    dead.extend(waiting)
    assert [record["body"] for record in dead] == [rubbish]
    settle(floor, 2)
    four_checks(floor, lambda: floor.execute(*good))
    return "dead-letter queue after its receives; the others flow"


def _received(floor: Floor, records: Any) -> set[str]:
    """Let the trigger work on what a queue delivers; return the ids that it wants delivered again."""
    world = floor.world()

    def work(body: str) -> None:
        batch = decode_signals(body)
        floor.execute(*batch.signals)

    with patch.object(wiring, "world", lambda: world):
        answer = each_record("execute_signals", records, work)
    return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
