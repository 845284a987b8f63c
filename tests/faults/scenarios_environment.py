"""Scenarios 18 to 24 and 30 to 32: others on the account, clocks, limits, prices, keys and switches."""

from dataclasses import replace
from math import isnan
from typing import Any

from chalicelib.domain.candles import Candles
from chalicelib.domain.lifecycle import Status
from chalicelib.domain.order import OrderState
from chalicelib.errors import CtsError
from chalicelib.flows.cancel_orders import cancel_open_orders
from chalicelib.flows.kill_switch import kill
from tests.fakes import faults
from tests.fakes.matching import on_step
from tests.faults.checks import four_checks, held
from tests.faults.floor import PRICE, TENANT, D, Floor
from tests.faults.routes import Words
from tests.faults.scenario import scenario
from tests.faults.scenarios_orders import created, entered, resting, settle

OTHERS = D("0.01")
"""What somebody else orders, in BTC; on spot and swap a multiple of every step."""


def opened(floor: Floor) -> None:
    """Open a position and let a realtime tick see to it."""
    floor.execute(floor.signal())
    floor.realtime()
    entered(floor)
    assert floor.position().state == "open"


@scenario(18, "an order of somebody else at start", ("show", "cancel"))
def order_of_others(floor: Floor, words: Words, choice: str) -> str:
    floor.set(external_orders=choice)
    # While an order rests, exchanges refuse to change how positions are held.
    floor.owner.default_margin_mode, floor.owner.default_leverage = "isolated", 1
    theirs = floor.fake.exchange.external_order(floor.symbol, "buy", OTHERS, PRICE / 2)
    for _ in range(2):
        floor.start()
    external = floor.order("external")
    assert external.venue_order_id
    assert theirs.status == ("open" if choice == "show" else "canceled")
    assert external.is_open == (choice == "show")
    opened(floor)
    settle(floor, 2)
    assert theirs.status == ("open" if choice == "show" else "canceled")
    four_checks(floor, floor.start)
    return "EXTERNAL, shown; left alone" if choice == "show" else "EXTERNAL, shown; cancelled as configured"


@scenario(19, "a position closed by hand", ("whole", "half"))
def closed_by_hand(floor: Floor, words: Words, how: str) -> str:
    signal = floor.signal()
    floor.execute(signal)
    floor.realtime()
    quantity = floor.position().quantity
    if how == "whole":
        floor.fake.exchange.close_by_hand(floor.symbol)
    else:
        half = on_step(quantity / 2, floor.fake.exchange.markets[floor.symbol].amount_step)
        swap = floor.connection.market_type == "swap"
        floor.fake.exchange.external_order(floor.symbol, "sell", half, reduce_only=swap)
    sent = len(floor.theirs())
    settle(floor, 4)
    position = floor.position()
    entries = [order for order in floor.orders() if order.leg in ("entry", "exit")]
    assert len(entries) == 1, "it was reopened, or closed once more"
    assert created(floor, words) == 1
    assert len(floor.theirs()) - sent <= (1 if how == "half" else 0)
    if how == "half":
        assert position.state == "open"
        assert 0 < position.quantity < quantity
    else:
        assert (position.state, position.exit_reason) == ("closed", "closed_at_venue")
        assert [one for one in floor.theirs() if one.is_open] == [], "its stop was left behind"
    four_checks(floor, lambda: floor.execute(signal))
    return "booked from the trades, not reopened" if how == "whole" else "the rest goes on"


def emptied(body: Any) -> Any:
    """Return an answer without the rows of any list in it."""
    if isinstance(body, dict):
        return {name: emptied(value) for name, value in body.items()}
    return [] if isinstance(body, list) else body


@scenario(20, "the position query fails or is empty", ("fails", "empty"))
def no_positions(floor: Floor, words: Words, how: str) -> str:
    opened(floor)
    before, sent = floor.position(), len(floor.theirs())
    fault = faults.html_body(executed=False, status=503) if how == "fails" else faults.altered(emptied)
    floor.fake.faults.on(words.positions, fault, times=None)
    for _ in range(4):
        floor.wait(0)
        floor.realtime()
    after = floor.position()
    assert (after.state, after.quantity) == ("open", before.quantity), "taken for flat"
    assert len(floor.theirs()) == sent
    assert floor.metrics["position_differences" if how == "empty" else "lookups_failed"] >= 3
    floor.fake.faults.clear()
    floor.wait(60)
    settle(floor, 2)
    four_checks(floor)
    return "not flat; skipped, alarm"


@scenario(21, "the clock is wrong by 3 s", ("3", "-3", "3 for good", "-3 for good"))
def wrong_clock(floor: Floor, words: Words, what: str) -> str:
    floor.execute(floor.signal(symbol=floor.connection.symbols[1], price=D(2500)))
    floor.realtime()
    seconds, for_good = what.split()[0], "good" in what
    floor.fake.faults.skew = float(seconds)
    if for_good:
        return _no_resync(floor)
    signal = floor.signal(number=1)
    floor.execute(signal)
    settle(floor, 2)
    order = next(one for one in floor.orders() if one.symbol == floor.symbol and one.leg == "entry")
    assert order.state == OrderState.FILLED, order
    assert sum(one.client_id.lower() == order.client_order_id for one in floor.theirs()) == 1
    requests = [seen for seen in floor.fake.asked(words.create) if _names(seen, order.client_order_id)]
    assert len(requests) <= 2
    four_checks(floor, lambda: floor.execute(signal))
    return "one resync at most, the same id, 1 order"


def _names(seen: Any, name: str) -> bool:
    return name in f"{seen.request.query} {seen.request.body.decode()}".lower()


def _no_resync(floor: Floor) -> str:
    """A new process learns that the clock is wrong, and cannot trust it: it enters nothing."""
    floor.wait(60)
    floor.restart()
    sent = len(floor.theirs())
    (outcome,) = floor.execute(floor.signal(number=1)).values()
    assert outcome == "CLOCK_SKEW", outcome
    assert len(floor.theirs()) == sent
    floor.fake.faults.clear()
    floor.wait(60)
    floor.restart()
    settle(floor, 2)
    four_checks(floor)
    return "no entries while it stays wrong"


PAUSES = {"binance": (20.0, 90.0), "bybit": (20.0, 600.0), "bingx": (20.0, 90.0), "pionex": (60.0, 0.0)}
"""Seconds that an exchange shuts us out after a 429 and a ban, as its answer or its documentation says; 0: it
has no bans beside."""


@scenario(22, "429, then 418 with Retry-After", ("429", "418"))
def limited(floor: Floor, words: Words, status: str) -> str:
    seconds = PAUSES.get(floor.connection.exchange, (10.0, 0.0))[status == "418"]
    if not seconds:
        return ""
    other = floor.beside("live-2")
    opened(floor)
    other.realtime()
    refuse = faults.rate_limited if status == "429" else faults.banned
    floor.fake.faults.on(words.balance[0], refuse(seconds))
    _tried(floor)
    until = floor.fake.asked(words.balance[0])[-1].time + seconds
    asked = len(floor.fake.requests)
    while floor.now + 7 < until:
        for one in (floor, other):
            _tried(one)
    early = [seen for seen in floor.fake.requests[asked:] if seen.time < until]
    assert early == [], [(seen.route, round(until - seen.time, 1)) for seen in early]
    floor.wait(max(0.0, until - floor.now) + 90)
    asked = len(floor.fake.requests)
    for one in (floor, other):
        one.realtime()
        assert len(floor.fake.requests) > asked, "it did not start again"
        asked = len(floor.fake.requests)
    settle(floor, 2)
    four_checks(floor)
    return "both engines stop, nothing is asked before the time, both start again"


def _tried(floor: Floor) -> None:
    """Run a tick; while the exchange holds us off it may fail, and is delivered again."""
    try:
        floor.realtime(later=7.0)
    except CtsError:
        return


@scenario(23, "frozen or backward prices", ("frozen", "backward"))
def frozen(floor: Floor, words: Words, how: str) -> str:
    opened(floor)
    entry_at = floor.now
    stale = entry_at if how == "frozen" else entry_at - 600
    floor.wait(120)
    real = floor.feed.tickers

    def old(symbols: Any, now: float) -> Any:
        return {name: replace(ticker, time=stale) for name, ticker in real(symbols, now).items()}

    floor.feed.tickers = old  # type: ignore[method-assign]
    late = floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))
    assert floor.execute(late) == {late.signal_id: "STALE_DATA"}
    leave = floor.signal(number=2, action="leave")
    floor.execute(leave)
    settle(floor, 2)
    assert floor.position().state == "closed"
    assert held(floor, floor.connection.symbols[1]) == 0
    four_checks(floor, lambda: floor.execute(late, leave))
    return "STALE_DATA: no entries; exits go on"


BAR = 60


@scenario(24, "gap, duplicate and unclosed candles", ("gap", "duplicate", "unclosed"))
def odd_candles(floor: Floor, words: Words, what: str) -> str:
    start = int(floor.now) // BAR * BAR
    for minute in range(6):
        floor.wait(BAR - 1 if minute else 0)
        floor.price(PRICE + minute)
        floor.wait(1)
    exchange, gap = floor.fake.exchange, start + 2 * BAR
    if what == "gap":
        exchange.hand.missing.add((floor.symbol, gap))
    _told_otherwise(exchange, what)
    seen = _candles(floor, start)
    now_open = int(floor.now) // BAR * BAR
    assert seen.bars == (now_open - start) // BAR, "an unclosed candle came through"
    missing = [at for at, close in zip(seen.open_time, seen.close[0], strict=True) if isnan(close)]
    assert missing == ([gap] if what == "gap" else [])
    if what == "gap":
        exchange.hand.missing.clear()
        assert not any(isnan(close) for close in _candles(floor, start).close[0]), "not backfilled"
    four_checks(floor)
    return {
        "gap": "gap explicit, filled by the next look",
        "duplicate": "counted once",
        "unclosed": "left out until it is closed",
    }[what]


def _told_otherwise(exchange: Any, what: str) -> None:
    """Let the exchange tell each candle twice, or one more than it was asked for: the one that is open."""
    candles, latest = exchange.candles, exchange.latest_candles
    if what == "duplicate":
        exchange.candles = lambda *wanted: _twice(candles(*wanted))
        exchange.latest_candles = lambda *wanted: _twice(latest(*wanted))
    if what == "unclosed":
        exchange.candles = lambda name, step, start, limit: candles(name, step, start, limit + 1)
        exchange.latest_candles = lambda name, step, end, limit: latest(name, step, end + step, limit + 1)


def _candles(floor: Floor, start: int) -> Candles:
    return floor.feed.closed_candles((floor.symbol,), BAR, start, floor.now)


def _twice(rows: list[Any]) -> list[Any]:
    return [row for row in rows for _ in range(2)]


@scenario(30, "a key is revoked")
def revoked(floor: Floor, words: Words, _: str) -> str:
    floor.fake.exchange.add_account("other")
    other = floor.beside("live-2", "other")
    for one in (floor, other):
        opened(one)
        floor.wait(5)
    floor.fake.exchange.revoke(next(iter(other.owner.keys)))
    other.realtime()
    refused = other.engines.get(other.subject)
    assert refused is not None
    assert refused.status == Status.PAUSED
    assert other.metrics["keys_refused"] == 1
    assert other.execute(other.signal(number=1, symbol=other.connection.symbols[1], price=D(2500)))
    assert len([order for order in other.orders() if order.leg == "entry"]) == 1
    assert other.position().state == "open"
    floor.execute(floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500)))
    settle(floor, 2)
    running = floor.engines.get(floor.subject)
    assert running is not None
    assert running.status == Status.RUNNING
    assert len([order for order in floor.orders() if order.leg == "entry"]) == 2
    four_checks(floor)
    return "that connection pauses, the other goes on"


@scenario(31, "the kill switch in the middle of a batch")
def killed_in_batch(floor: Floor, words: Words, _: str) -> str:
    signals = [floor.signal(), floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))]
    done: list[str] = []

    def switch(route: str, _: Any) -> None:
        if route == words.create and not done:
            done.append(route)
            kill(floor.world(), TENANT, None, False, "owner", "k")

    floor.fake.watch = switch
    outcomes = floor.execute(*signals)
    assert list(outcomes.values()) == ["APPROVED", "KILL_SWITCH"]
    assert created(floor, words) == len(floor.theirs()) == 1
    settle(floor, 2)
    assert created(floor, words) == 1
    leave = floor.signal(number=2, action="leave")
    floor.execute(leave)
    settle(floor, 2)
    assert floor.position().state == "closed"
    assert [one for one in floor.theirs() if one.is_open] == [], "its stop was not cancelled"
    four_checks(floor, lambda: floor.execute(*signals, leave))
    return "nothing more is sent; exits and cancels go on"


@scenario(32, "equity cannot be read", ("fails", "HTML"))
def no_equity(floor: Floor, words: Words, how: str) -> str:
    opened(floor)
    fault = faults.reset_before() if how == "fails" else faults.html_body(executed=False)
    for route in words.balance:
        floor.fake.faults.on(route, fault, times=None)
    floor.wait(60)
    signal = floor.signal(number=1, symbol=floor.connection.symbols[1], price=D(2500))
    assert floor.execute(signal) == {signal.signal_id: "EQUITY_UNKNOWN"}
    leave = floor.signal(number=2, action="leave")
    floor.execute(leave)
    floor.fake.faults.clear()
    floor.wait(60)
    settle(floor, 3)
    assert floor.position().state == "closed"
    assert len([order for order in floor.orders() if order.leg == "entry"]) == 1
    four_checks(floor, lambda: floor.execute(signal, leave))
    return "EQUITY_UNKNOWN: no entries; exits go on"


@scenario(31, "the kill switch in the middle of a batch", ("resting entry",))
def killed_beside_resting(floor: Floor, words: Words, _: str) -> str:
    _order, theirs = resting(floor, "0")
    kill(floor.world(), TENANT, floor.connection.connection_id, False, "owner", "k")
    cancel_open_orders(floor.world(), floor.connection, floor.now)
    settle(floor, 4)
    assert theirs.status == "canceled"
    assert floor.order("entry").state == OrderState.CANCELED
    four_checks(floor)
    return "nothing more is sent; exits and cancels go on"
