"""Faults as a client sees them over TLS: silence, resets, refused connections, bodies, limits and clocks."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from os import environ

import pytest
import requests

from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key
from tests.fakes.faults import (
    altered,
    answered,
    banned,
    empty_body,
    html_body,
    late,
    lost,
    not_a_number,
    null_body,
    rate_limited,
    reset_after,
    reset_before,
    slow,
    swallowed,
)
from tests.fakes.limits import Limits, Penalty, Refusal, Rule
from tests.fakes.server import served
from tests.fakes.wire import Call, Fake, Reply, Request, Route, WireRefusal

HOST = "api.example.test"
WAIT, SHORT_WAIT = 5.0, 0.3


class Counter(Fake):
    """Counts what was executed; the smallest exchange that can be asked something."""

    name = "counter"
    hosts = (HOST,)

    def __init__(self) -> None:
        self.executed = 0
        super().__init__()

    def new_exchange(self) -> FakeExchange:
        return FakeExchange()

    def new_limits(self) -> Limits:
        return Limits([Rule(name="weight", limit=20, seconds=60)], Penalty(ban_after=1, ban_seconds=90))

    def routes(self) -> Iterable[Route]:
        return (
            Route(method="POST", path="/count", name="count", handler=self._count),
            Route(method="GET", path="/mine", name="mine", handler=self._mine, private=True),
        )

    def key_of(self, request: Request) -> str:
        return request.headers.get("x-key", "")

    def authenticate(self, request: Request, route: Route) -> tuple[Account, Key]:
        try:
            account, key = self.exchange.key(self.key_of(request))
        except KeyError:
            raise WireRefusal(Reply({"error": "key"}, status=401)) from None
        if key.revoked:
            raise WireRefusal(Reply({"error": "revoked"}, status=401))
        return account, key

    def unknown_route(self, request: Request) -> Reply:
        return Reply({"error": "route"}, status=404)

    def rate_refused(self, refusal: Refusal, now: float) -> Reply:
        return Reply(
            {"error": refusal.rule},
            status=418 if refusal.banned else 429,
            headers={"Retry-After": f"{refusal.until - now:.0f}"},
        )

    def _count(self, call: Call) -> object:
        self.executed += 1
        return {"executed": self.executed, "price": "1.5", "got": call.parameters}

    def _mine(self, call: Call) -> object:
        return {"account": call.owner.name}


@pytest.fixture
def fake() -> Iterator[Counter]:
    with served(Counter()) as counter:
        yield counter


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def post(session: requests.Session, wait: float = WAIT) -> requests.Response:
    return session.post(f"https://{HOST}/count", json={"a": "b"}, timeout=wait)


def test_ordinary_calls_share_a_connection(fake: Counter, session: requests.Session) -> None:
    assert post(session).json() == {"executed": 1, "price": "1.5", "got": {"a": "b"}}
    for _ in range(10):
        post(session)
    assert fake.server.connections == 1
    assert [seen.route for seen in fake.asked("count")] == ["count"] * 11


@pytest.mark.parametrize(("fault", "done"), [(lost(), 1), (swallowed(), 0)])
def test_a_reply_that_never_comes_is_a_timeout(fake, session, fault, done) -> None:
    fake.faults.on("count", fault)
    with pytest.raises(requests.ReadTimeout):
        post(session, SHORT_WAIT)
    assert fake.executed == done
    assert post(session).json()["executed"] == done + 1


def test_a_late_call_is_executed_after_the_client_gave_up(fake, session) -> None:
    fake.faults.on("count", late(0.3))
    with pytest.raises(requests.ReadTimeout):
        post(session, SHORT_WAIT)
    assert fake.executed == 0
    for _ in range(200):
        if fake.executed:
            break
        time.sleep(0.01)
    assert fake.executed == 1


@pytest.mark.parametrize(("fault", "done"), [(reset_after(), 1), (reset_before(), 0)])
def test_a_reset_looks_the_same_before_and_after(fake, session, fault, done) -> None:
    fake.faults.on("count", fault)
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        post(session)
    assert fake.executed == done


def test_a_refused_connection_executes_nothing(fake, session) -> None:
    post(session)
    with fake.server.refusing(), pytest.raises(requests.ConnectionError, match="refused"):
        post(session)
    assert post(session).json()["executed"] == 2


@pytest.mark.parametrize(
    ("fault", "status", "text", "done"),
    [
        (answered(503, {"code": -1}, executed=True), 503, '{"code":-1}', 1),
        (answered(504, "", executed=False), 504, "", 0),
        (null_body(), 200, "null", 1),
        (empty_body(executed=False), 200, "", 0),
        (html_body(status=502), 502, "<html>", 1),
        (html_body(executed=False), 200, "<html>", 0),
        (not_a_number("price"), 200, '"price":"NaN"', 1),
    ],
)
def test_another_answer(fake, session, fault, status, text, done) -> None:
    fake.faults.on("count", fault)
    reply = post(session)
    assert (reply.status_code, fake.executed) == (status, done)
    assert text in reply.text


def test_a_slow_answer_comes(fake, session) -> None:
    fake.faults.on("count", slow(0.1))
    started = time.perf_counter()
    assert post(session).json()["executed"] == 1
    assert time.perf_counter() - started >= 0.1


def test_faults_strike_the_calls_they_are_planned_for(fake, session) -> None:
    fake.faults.on("count", answered(500, {}, executed=False), call=2, times=2)
    fake.faults.on("mine", answered(500, {}, executed=False))
    assert [post(session).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert fake.faults.pending == 1
    fake.faults.on("*", answered(503, {}, executed=False), times=None)
    assert [post(session).status_code for _ in range(3)] == [503] * 3
    fake.faults.clear()
    assert post(session).status_code == 200
    assert fake.faults.calls["count"] == 9


def test_the_rate_is_limited_then_banned_and_every_call_is_logged(fake, session) -> None:
    fake.wire_clock = lambda: 1_000_000.0
    statuses = [post(session).status_code for _ in range(23)]
    assert statuses == [200] * 20 + [429, 418, 418]
    assert post(session).headers["Retry-After"] == "90"
    assert fake.limits.peak(60) == 24
    assert len(fake.limits.refused()) == 4
    fake.wire_clock = lambda: 1_000_090.0
    assert post(session).status_code == 200


@pytest.mark.parametrize(("fault", "status"), [(rate_limited(7), 429), (banned(7), 418)])
def test_a_refusal_for_the_rate_holds_until_its_time(fake, session, fault, status) -> None:
    fake.limits.penalty = Penalty()
    fake.wire_clock = lambda: 1_000_000.0
    fake.faults.on("count", fault)
    reply = post(session)
    assert (reply.status_code, reply.headers["Retry-After"]) == (status, "7")
    assert fake.limits.refused() == []
    assert post(session).status_code == status
    assert [charge.route for charge in fake.limits.refused()] == ["count"]
    fake.wire_clock = lambda: 1_000_007.0
    assert post(session).status_code == 200


def test_a_revoked_key_works_for_nobody_else(fake, session) -> None:
    fake.exchange.add_account("other")

    def ask(key: str) -> int:
        return session.get(f"https://{HOST}/mine", headers={"x-key": key}, timeout=WAIT).status_code

    assert (ask("main-key"), ask("other-key"), ask("no-key")) == (200, 200, 401)
    fake.exchange.revoke("main-key")
    assert (ask("main-key"), ask("other-key")) == (401, 200)


def test_the_date_of_replies_tells_the_skewed_clock(fake, session) -> None:
    fake.wire_clock = lambda: 0.0
    fake.faults.skew = 3.0
    assert post(session).headers["Date"] == "Thu, 01 Jan 1970 00:00:03 GMT"


def test_a_watcher_sees_each_call_before_it_is_executed(fake, session) -> None:
    seen: list[tuple[str, int]] = []
    fake.watch = lambda route, _: seen.append((route, fake.executed))
    post(session)
    post(session)
    assert seen == [("count", 0), ("count", 1)]


def test_a_sub_process_finds_the_exchange_by_its_real_name(fake) -> None:
    program = f"import requests; print(requests.post('https://{HOST}/count', timeout=5).json()['executed'])"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**environ, **fake.server.environment()},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert found.stdout.strip() == "1"


def test_a_mistake_inside_the_fake_fails_the_test(session) -> None:
    counter = Counter()
    counter.watch = lambda route, _: {}[route]
    with pytest.raises(AssertionError, match="KeyError"), served(counter):
        post(session)


def test_an_answer_that_is_no_json_fails_the_test(session) -> None:
    counter = Counter()
    counter.faults.on("count", altered(lambda body: {**body, "price": object()}))
    with pytest.raises(AssertionError, match="not JSON serializable"), served(counter):
        assert post(session).status_code == 500


def test_the_name_means_nothing_once_the_exchange_is_gone(session) -> None:
    with served(Counter()):
        post(session)
    with pytest.raises(requests.ConnectionError):
        requests.post(f"https://{HOST}/count", timeout=WAIT)
