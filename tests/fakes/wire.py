"""The base of every fake exchange on the wire: a table of routes, what is logged, and where faults strike.

A fake is a subclass of `Fake` with `name`, `hosts`, `new_exchange()`, `new_limits()`, `routes()`,
`key_of(request)`, `authenticate(request, route)` and its own words for `unknown_route`, `rate_refused`.
A handler takes a `Call` and returns the JSON value of its answer or a `Reply`; it may raise `WireRefusal`.
"""

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, MutableSequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl

from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key
from tests.fakes.faults import Fault, Faults, Way
from tests.fakes.limits import Limits, Refusal

if TYPE_CHECKING:
    from tests.fakes.server import Server


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire; header names in lower case."""

    method: str
    host: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def parameters(self) -> dict[str, str]:
        """The decoded query, and the body's fields where it is a form."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            pairs += parse_qsl(self.body.decode(), keep_blank_values=True)
        return dict(pairs)

    def json(self) -> Any:
        """Return the body's JSON value, None if it has none."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: JSON value or, if it is a `str`, the text itself."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body, separators=(",", ":"))


class WireRefusal(Exception):
    """Ends a handler or a check with an answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the request, its decoded parameters, and who asks (None on public routes)."""

    request: Request
    parameters: dict[str, Any]
    account: Account | None
    key: Key | None

    @property
    def owner(self) -> Account:
        if self.account is None:
            raise LookupError("a public route has no account")
        return self.account


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table; `name` is what faults and logs know it by."""

    method: str
    path: str
    name: str
    handler: Handler
    weight: int | Callable[[Request], int] = 1
    orders: int = 0
    """How many orders it counts for, where orders have limits of their own."""
    private: bool = False
    trades: bool = False
    """Whether it needs the key's permission to trade."""
    group: str = ""
    host: str = ""
    """Empty: any of the fake's hosts."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the request log; `status` is what the exchange answered, None if it did nothing."""

    time: float
    route: str
    request: Request
    status: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server does with a request: answer, keep silent, or reset; `delay` seconds before that."""

    reply: Reply
    way: Way = "reply"
    delay: float = 0.0
    afterwards: Callable[[], object] | None = None
    """Executed when the client of a held reply has given up and `delay` has passed."""


class Fake(ABC):
    """One exchange on the wire. `exchange` is what stands behind it."""

    name: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]] = {}
    """Hosts (of `hosts`) that answer as another one does: demo and test environments."""

    def __init__(self, exchange: FakeExchange | None = None) -> None:
        self.exchange = exchange or self.new_exchange()
        self.faults = Faults()
        self.limits = self.new_limits()
        self.requests: MutableSequence[Seen] = []
        self.wire_clock: Callable[[], float] = time.time
        """The time that signatures and limits are checked by: real, because clients sign with real time."""
        self.watch: Callable[[str, Request], None] | None = None
        """Called with the route's name and the request before anything else, for sweeps of kills."""
        self.crashes: list[str] = []
        """Tracebacks of mistakes inside the fake itself; `served` fails a test that has any."""
        self.server: Server
        """Set while it is served."""
        self._table = {(route.method, route.path): route for route in self.routes()}
        self._lock = threading.Lock()

    # What a fake must say

    @abstractmethod
    def new_exchange(self) -> FakeExchange:
        """Return the exchange with its policies and markets."""

    @abstractmethod
    def new_limits(self) -> Limits:
        """Return the documented rate limits."""

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """Return the table of routes."""

    @abstractmethod
    def key_of(self, request: Request) -> str:
        """Return the key that the request names, empty if none."""

    @abstractmethod
    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        """Check key, signature, time and permission; raise WireRefusal."""

    @abstractmethod
    def unknown_route(self, request: Request) -> Reply:
        """Answer a request that no route takes."""

    @abstractmethod
    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        """Answer a call that is refused for its rate."""

    def parameters(self, request: Request) -> dict[str, Any]:
        """Return a request's parameters; a JSON body's fields are added to the query's."""
        found: dict[str, Any] = dict(request.parameters)
        if request.headers.get("content-type", "").startswith("application/json"):
            body = request.json()
            found |= body if isinstance(body, dict) else {}
        return found

    def decorated(self, reply: Reply, request: Request, route: Route) -> Reply:
        """Add what every reply carries (used weight, server time); nothing by default."""
        return reply

    # What tests use

    @property
    def key(self) -> str:
        return next(iter(self.exchange.main.keys.values())).key

    @property
    def secret(self) -> str:
        return next(iter(self.exchange.main.keys.values())).secret

    def server_time(self) -> float:
        """Return the epoch second that the exchange compares timestamps with and tells."""
        return self.wire_clock() + self.faults.skew

    def asked(self, *names: str) -> list[Seen]:
        """Return the logged requests of these routes, all without names."""
        return [seen for seen in self.requests if not names or seen.route in names]

    # What the server calls

    def answer(self, request: Request) -> Outcome:
        """Do what a request asks for, with whatever is planned to go wrong."""
        route = self._table.get((request.method, request.path))
        host = self.aliases.get(request.host, request.host)
        if route is None or route.host not in ("", host):
            return Outcome(self._logged("unknown", request, self.unknown_route(request)))
        if self.watch is not None:
            self.watch(route.name, request)
        now = self.wire_clock()
        refusal = self._charged(request, route, now)
        if refusal is not None:
            return Outcome(self._logged(route.name, request, self.rate_refused(refusal, now)))
        fault = self.faults.take(route.name)
        if fault is None:
            return Outcome(self._done(request, route))
        return self._faulty(request, route, fault, now)

    def _charged(self, request: Request, route: Route, now: float) -> Refusal | None:
        weight = route.weight if isinstance(route.weight, int) else route.weight(request)
        return self.limits.charge(
            route.name, weight, self.key_of(request), now, group=route.group, orders=route.orders
        )

    def _faulty(self, request: Request, route: Route, fault: Fault, now: float) -> Outcome:
        if fault.limited:
            seconds = 1.0 if fault.retry_after is None else fault.retry_after
            refusal = self.limits.bar(seconds, now, fault.limited == "banned")
            return Outcome(self._logged(route.name, request, self.rate_refused(refusal, now)))
        if fault.delay < 0:
            self._note(route.name, request, None)
            return Outcome(Reply(""), fault.way, -fault.delay, lambda: self._done(request, route))
        if not fault.executed:
            self._note(route.name, request, None)
            return Outcome(_replaced(Reply(""), fault), fault.way, fault.delay)
        return Outcome(_replaced(self._done(request, route), fault), fault.way, fault.delay)

    def _done(self, request: Request, route: Route) -> Reply:
        """Check and execute a request under the exchange's lock; return its true answer."""
        try:
            with self.exchange.lock:
                account, key = self.authenticate(request, route) if route.private else (None, None)
                self.exchange.play()
                answer = route.handler(Call(request, self.parameters(request), account, key))
        except WireRefusal as refusal:
            answer = refusal.reply
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        return self._logged(route.name, request, self.decorated(reply, request, route))

    def _logged(self, name: str, request: Request, reply: Reply) -> Reply:
        self._note(name, request, reply.status)
        return reply

    def _note(self, name: str, request: Request, status: int | None) -> None:
        with self._lock:
            self.requests.append(Seen(self.wire_clock(), name, request, status))


def _replaced(reply: Reply, fault: Fault) -> Reply:
    """Return the reply with what the fault changes of it."""
    body = reply.body
    if fault.altered is not None:
        body = fault.altered(json.loads(reply.text))
    if fault.body is not None:
        body = fault.body
    status = reply.status if fault.status is None else fault.status
    return replace(reply, body=body, status=status, headers={**reply.headers, **fault.headers})
