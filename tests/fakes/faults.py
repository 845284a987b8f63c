"""Faults on demand: what goes wrong with the n-th call of a route, before or after it was executed.

    fake.faults.on("create_order", lost())              # the next one: executed, but no reply ever comes
    fake.faults.on("create_order", reset_before(), call=2)
    fake.faults.on("*", answered(502, HTML, executed=False), times=None)     # everything, until clear()
    fake.faults.on("positions", altered(lambda rows: []))    # a position query that comes back empty

What goes wrong inside the matching (partial fills, late fills, overfills, repeated trades, orders that
look-ups don't see yet) is set on the exchange: `liquidity`, `force_fill`, `repeat_trade`, `hidden_reads`,
`visibility_delay`. A refused connection is `fake.server.refusing()`, a wrong clock `Faults.skew`, a dead key
`FakeExchange.revoke`, another limit a `Rule` in `fake.limits.rules`. What happens at the exchange while a
call is on its way (a fill that wins the race against a cancel) is done by `fake.watch`.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

HTML = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"

Way = Literal["reply", "hold", "reset"]
"""What the client gets: an answer, silence until it gives up, or a reset of the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens instead of an ordinary call."""

    executed: bool
    """Whether the exchange does what it was asked for before things go wrong."""
    way: Way = "reply"
    status: int | None = None
    body: str | None = None
    """Replaces the answer's body; None leaves it as it is."""
    headers: Mapping[str, str] = field(default_factory=dict)
    altered: Callable[[Any], Any] | None = None
    """Makes another JSON body of the true one."""
    delay: float = 0.0
    """Seconds before the answer leaves."""
    limited: Literal["", "limited", "banned"] = ""
    """Counts as a refusal of the rate limiter: the log of limits and the wire's own words apply."""
    retry_after: float | None = None


def lost() -> Fault:
    """Executed, but the reply never comes: the client times out."""
    return Fault(executed=True, way="hold")


def swallowed() -> Fault:
    """Not executed, and no reply ever comes: the client times out."""
    return Fault(executed=False, way="hold")


def reset_before() -> Fault:
    """The connection is reset before anything was executed."""
    return Fault(executed=False, way="reset")


def reset_after() -> Fault:
    """The connection is reset after the call was executed."""
    return Fault(executed=True, way="reset")


def answered(status: int, body: object, executed: bool, headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with this status and body (text as it is, anything else as JSON), executed or not."""
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    return Fault(executed=executed, status=status, body=text, headers=headers or {})


def null_body(executed: bool = True) -> Fault:
    """Answer 200 with the JSON value null."""
    return answered(200, "null", executed)


def html_body(executed: bool = True, status: int = 200) -> Fault:
    """Answer with a page of HTML."""
    return answered(status, HTML, executed, {"Content-Type": "text/html"})


def empty_body(executed: bool = True) -> Fault:
    """Answer 200 with nothing at all."""
    return answered(200, "", executed)


def altered(change: Callable[[Any], Any]) -> Fault:
    """Execute, and answer what `change` makes of the true body: a field missing, NaN, rows twice."""
    return Fault(executed=True, altered=change)


def not_a_number(*names: str) -> Fault:
    """Execute, and answer with NaN in the fields of these names, wherever they are."""

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: "NaN" if name in names else change(inner) for name, inner in value.items()}
        return [change(inner) for inner in value] if isinstance(value, list) else value

    return altered(change)


def slow(seconds: float) -> Fault:
    """Execute, and answer late."""
    return Fault(executed=True, delay=seconds)


def late(seconds: float) -> Fault:
    """Don't reply for so long that the client gives up, then execute: the order comes after its look-up."""
    return Fault(executed=True, way="hold", delay=-seconds)


def rate_limited(retry_after: float | None = None) -> Fault:
    """Refuse the call for its rate, in the exchange's own words (mostly 429), and log it."""
    return Fault(executed=False, limited="limited", retry_after=retry_after)


def banned(retry_after: float | None = None) -> Fault:
    """Refuse the call because the address is banned (Binance: 418), and log it."""
    return Fault(executed=False, limited="banned", retry_after=retry_after)


@dataclass(slots=True)
class _Planned:
    route: str
    fault: Fault
    after: int
    """Calls of the route that still go well first."""
    times: int | None


class Faults:
    """The plan of what goes wrong, and how often each route was called."""

    def __init__(self) -> None:
        self.skew = 0.0
        """Seconds by which the exchange's clock is ahead of the client's, as its time checks see it."""
        self.calls: Counter[str] = Counter()
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    def on(self, route: str, fault: Fault, call: int = 1, times: int | None = 1) -> None:
        """Plan a fault for the `call`-th call of a route from now on and the following `times - 1` ones.

        `route` may be `*` for every route, or end in `*`. `times` None means until `clear`.
        """
        with self._lock:
            self._planned.append(_Planned(route, replace(fault), call - 1, times))

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._planned.clear()
        self.skew = 0.0

    @property
    def pending(self) -> int:
        """How many planned faults have not happened yet; a test that ends with some has missed its point."""
        return len(self._planned)

    def take(self, route: str) -> Fault | None:
        """Count a call of the route, and return what goes wrong with it; the plan made first wins."""
        with self._lock:
            self.calls[route] += 1
            due = [plan for plan in self._planned if _names(plan.route, route)]
            ready = [plan for plan in due if plan.after == 0]
            for plan in due:
                plan.after = max(0, plan.after - 1)
            if not ready:
                return None
            chosen = ready[0]
            if chosen.times is not None:
                chosen.times -= 1
                if not chosen.times:
                    self._planned.remove(chosen)
            return chosen.fault


def _names(pattern: str, route: str) -> bool:
    return route.startswith(pattern[:-1]) if pattern.endswith("*") else route == pattern
