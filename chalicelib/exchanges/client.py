"""The private client of one account: a ccxt-style class behind the gate of its key; made for the venue.

Every HTTP request passes the gate before it is signed and reports to it afterwards, also those that ccxt
makes on its own. What was sent and answered is kept per thread, so that an error can be judged by the body.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from chalicelib.errors import VenueError, VenueNotSent
from chalicelib.exchanges.ccxt_loader import OWN_MODULES, load_exchange_class
from chalicelib.exchanges.translate import Attempt, Call, Reply, is_limited, never_arrived, translated

if TYPE_CHECKING:
    from chalicelib.domain.credentials import Credentials
    from chalicelib.domain.market import MarketType
    from chalicelib.exchanges.quirk_types import Quirks

TIMEOUT = 10.0
BANNED = (403, 418)
"""How exchanges answer an address that they have shut out for its rate."""

LATEST = 10.0
"""Seconds after its begin in which an order may still leave, as long as the gate waits: where a process was
stopped for longer, others may have found the intent and sent it."""

T = TypeVar("T")

_MOMENT = re.compile(r"(?:until |time=)(\d{13})")


class Gate(Protocol):
    """What every request of a key passes."""

    def admit(self, weight: int = 1) -> None: ...
    def succeeded(self) -> None: ...
    def failed(self) -> None: ...
    def limited(self, retry_after: float | None, banned: bool) -> None: ...


class Trace(threading.local):
    """What one thread's present call has sent and got so far."""

    sent: int = 0
    placed: bool = False
    reply: Reply | None = None
    latest: float = inf


@dataclass(frozen=True, slots=True)
class Access:
    """What a private client is made for; `prepare` gets each new ccxt client (adapters, addresses)."""

    quirks: Quirks
    market_type: MarketType
    testnet: bool
    timeout: float = TIMEOUT
    prepare: Callable[[Any], None] | None = None


class PrivateClient:
    """A ccxt client whose requests pass a gate. Threads may share it: what they send is kept apart."""

    def __init__(
        self, client: Any, quirks: Quirks, gate: Gate, clock: Callable[[], float] = time.time
    ) -> None:
        """Take over a ccxt-style client that nobody else uses; `clock` gives epoch seconds."""
        self.ccxt = client
        self.gate = gate
        self._quirks = quirks
        self._clock = clock
        self._trace = Trace()
        self._ask = client.fetch2
        self._fetch = client.fetch
        self._heard = client.on_rest_response
        client.fetch2 = self._passed
        client.fetch = self._fetched
        client.on_rest_response = self._noted

    def latest(self) -> float:
        """Return the epoch second until which an order whose sending begins now may leave."""
        return self._clock() + LATEST

    def ask(self, call: Call, question: Callable[[Any], T], latest: float = inf) -> T:
        """Put a question to the ccxt client; raises the VenueError family only.

        After `latest` no request leaves any more: VenueNotSent.

        What the exchange refuses because of our clock was not executed: the clock is set right and the
        question put once more.
        """
        failure: VenueError | None = None
        self._trace.latest = latest
        for again in (False, True):
            self._begin()
            try:
                return question(self.ccxt)
            except Exception as error:
                failure = self._translated(error, call)
                if again or not _skewed(failure):
                    raise failure from error
            self._resync(failure)
        raise AssertionError("the second attempt returns or raises")

    def _translated(self, error: Exception, call: Call) -> VenueError:
        trace = self._trace
        pause = self._retry_after(trace.reply)
        retry_at = None if pause is None else self._clock() + pause
        return translated(error, Attempt(call, trace.sent, trace.placed, trace.reply, retry_at), self._quirks)

    def _begin(self) -> None:
        self._trace.sent, self._trace.placed, self._trace.reply = 0, False, None

    def _resync(self, failure: VenueError) -> None:
        """Learn anew how far the local clock is off; the failure stands if that cannot be learned."""
        try:
            self.ccxt.load_time_difference()
        except Exception as error:
            raise failure from error

    def _retry_after(self, reply: Reply | None) -> float | None:
        """Return for how many seconds nothing may be sent, as the exchange says or as its quirks do."""
        told = _told_pause(reply, self._clock()) if reply else None
        return max(told or 0.0, self._quirks.cool_down) or None

    def _passed(
        self,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send one request, as `fetch2` of ccxt does, behind the gate."""
        # Before it is signed: a signature is good for some seconds only, and the gate may take as long.
        self.gate.admit(self._weight(path, api, method, params or {}, config or {}))
        if self._clock() > self._trace.latest and not self._trace.placed:
            raise VenueNotSent("this process was held up: others may have sent the order meanwhile", "BUSY")
        self._trace.reply = None
        before = self._trace.sent
        try:
            answer = self._ask(path, api, method, params or {}, config or {})
            if not self._quirks.sound(method, path, answer):
                raise ValueError(f"this is no answer to {path}: {str(answer)[:80]!r}")
        except Exception as error:
            if self._trace.sent > before:
                self._report(error)
            raise
        self.gate.succeeded()
        if self._quirks.places(method, path):
            self._trace.placed = True
        return answer

    def _weight(
        self, path: str, api: Any, method: str, params: Mapping[str, Any], config: Mapping[str, Any]
    ) -> int:
        name = api if isinstance(api, str) else api[0]
        return self._quirks.weight(name, method, path, params, float(config.get("cost", 1)))

    def _fetched(self, *arguments: Any, **named: Any) -> Any:
        """Refuse a body that is no JSON object or list: ccxt hands on HTML or null as an order without id."""
        self._trace.sent += 1
        body = self._fetch(*arguments, **named)
        if not isinstance(body, (dict, list)) or body == {}:
            raise ValueError(f"the body is no JSON object or list: {str(body)[:80]!r}")
        return body

    def _noted(
        self, status: int, reason: str, url: str, method: str, headers: Any, text: str, *more: Any
    ) -> Any:
        self._trace.reply = Reply(status, dict(headers), text)
        return self._heard(status, reason, url, method, headers, text, *more)

    def _report(self, error: Exception) -> None:
        reply = self._trace.reply
        if is_limited(error, reply, self._quirks):
            self.gate.limited(self._retry_after(reply), reply is not None and reply.status in BANNED)
        elif never_arrived(error, reply):
            self.gate.failed()
        else:
            self.gate.succeeded()


def private_client(access: Access, credentials: Credentials, gate: Gate) -> PrivateClient:
    """Make the client of an account. Nothing is sent by this."""
    quirks = access.quirks
    client = load_exchange_class(quirks.exchange)(
        {
            "apiKey": credentials.api_key.reveal(),
            "secret": credentials.secret.reveal(),
            "password": credentials.password.reveal() or None,
            "timeout": int(access.timeout * 1000),
            # The gate keeps the limits of all processes; and a request that is repeated without a look-up
            # in between places a second order.
            "enableRateLimit": False,
            "options": {
                # Never `defaultType` swap: it turns BTC/USDT into the perpetual without a word.
                "defaultType": "spot",
                "maxRetriesOnFailure": 0,
                "adjustForTimeDifference": True,
                "timeDifference": 0,
                **quirks.options,
            },
        }
    )
    client.has["fetchCurrencies"] = False
    if quirks.exchange not in OWN_MODULES:
        # Texts instead of floats, into the exchange and out of it: 1e-05 is no amount. Our own classes send
        # texts anyhow.
        client.number = str
        client.parse_to_numeric = client.number_to_string
    if quirks.own_clock:
        client.nonce = lambda: client.milliseconds() - int(client.options["timeDifference"])
    if access.testnet:
        client.set_sandbox_mode(True)
    if access.prepare:
        access.prepare(client)
    return PrivateClient(client, quirks, gate, lambda: float(client.milliseconds()) / 1000)


def _skewed(failure: VenueError) -> bool:
    return isinstance(failure, VenueNotSent) and failure.reason == "CLOCK_SKEW"


def _told_pause(reply: Reply, now: float) -> float | None:
    """Return the seconds to wait that a reply names in a header or in its text."""
    headers = {name.lower(): str(text) for name, text in reply.headers.items()}
    stated = headers.get("retry-after", "")
    if stated.replace(".", "", 1).isdigit():
        return float(stated)
    moment = headers.get("x-bapi-limit-reset-timestamp", "")
    if not moment.isdigit():
        found = _MOMENT.search(reply.text)
        moment = found.group(1) if found else ""
    return max(0.0, int(moment) / 1000 - now) if moment else None
