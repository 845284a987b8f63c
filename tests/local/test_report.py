"""The report and its statistics: figures, audit of the books, what survives a kill, exact money."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chalicelib.domain.connection import Connection, PaperTerms
from chalicelib.domain.market import Ticker
from chalicelib.domain.order import Fill, Order, OrderState, Side
from chalicelib.domain.paper import PaperOrder
from chalicelib.domain.position import Position, apply_fill
from chalicelib.domain.signal import ExitProfile, Signal
from chalicelib.errors import Retryable
from chalicelib.flows.world import World
from chalicelib.local.recorder import Recorder
from chalicelib.local.report import Books, audit, make_report, plain_decimal, write_report
from chalicelib.local.statistics import Statistics, StatisticsFile, TickSummary

KEYS = [
    "ticks",
    "signals",
    "orders",
    "positions",
    "pnl",
    "ladder",
    "aws_calls",
    "pump_calls",
    "exchange_calls",
    "audit",
    "wall_seconds",
    "virtual_seconds",
    "peak_rss_mb",
    "fills",
]


def _fill(trade: str, side: Side, quantity: str, price: str, fee: str, time: float) -> Fill:
    number = Decimal
    return Fill(trade, "BTC/USDT", side, number(quantity), number(price), number(fee), "USDT", time)


ENTRY = _fill("t1", "buy", "0.3", "100.01", "0.0300030", 10.0)
EXIT = _fill("t2", "sell", "0.1", "110.07", "0.0110070", 20.0)


def _order(name: str, fill: Fill, state: OrderState = OrderState.FILLED) -> Order:
    return Order(
        client_order_id=name,
        connection_id="paper-1",
        symbol=fill.symbol,
        side=fill.side,
        type="market",
        quantity=fill.quantity,
        price=None,
        reduce_only=fill.side == "sell",
        leg="entry" if fill.side == "buy" else "exit",
        position_id="p1",
        signal_id="s1",
        state=state,
        created_at=fill.time,
        updated_at=fill.time,
        correlation_id="c1",
        fills=(fill,),
    )


def _venue_order(order: Order) -> PaperOrder:
    return PaperOrder(
        client_order_id=order.client_order_id,
        connection_id=order.connection_id,
        venue_order_id="1",
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        price=None,
        reduce_only=order.reduce_only,
        state=order.state,
        created_at=order.created_at,
        updated_at=order.updated_at,
        fills=order.fills,
    )


def _signal(name: str, status: Any, outcome: str = "") -> Signal:
    return Signal(
        signal_id=name,
        connection_id="paper-1",
        symbol="BTC/USDT",
        action="enter",
        direction="long",
        source="preset",
        strategy="trend",
        confidence=0.7,
        price=Decimal(100),
        candle_time=0,
        created_at=0.0,
        correlation_id="c1",
        exits=ExitProfile(),
        status=status,
        outcome=outcome,
    )


def _books() -> Books:
    orders = (_order("b-entry", ENTRY), _order("a-exit", EXIT))
    empty = Position(
        position_id="p1",
        connection_id="paper-1",
        symbol="BTC/USDT",
        direction="long",
        state="opening",
        exits=ExitProfile(),
        source="preset",
        signal_id="s1",
        opened_at=10.0,
        updated_at=10.0,
        correlation_id="c1",
    )
    position = apply_fill(apply_fill(empty, ENTRY), EXIT)
    paper = PaperTerms(cash=Decimal(1000))
    return Books(
        connection=Connection("paper-1", "binance", ("BTC/USDT",), paper=paper),
        orders=orders,
        positions=(position, replace(empty, position_id="p2", state="abandoned")),
        signals=(
            _signal("s1", "executed"),
            _signal("s2", "refused", "COOLDOWN"),
            _signal("s3", "refused", "COOLDOWN"),
        ),
        venue_orders=tuple(_venue_order(order) for order in orders),
        venue_holdings={"BTC/USDT": Decimal("0.2")},
        ladder={"base": 7, "main": 2},
        cash=Decimal(1000),
    )


class _Feed:
    def __init__(self, tickers: dict[str, Ticker] | None) -> None:
        self._tickers = tickers

    def tickers(self, symbols: list[str], now: float) -> dict[str, Ticker]:
        if self._tickers is None:
            raise Retryable("no prices")
        return self._tickers


def _world(tickers: dict[str, Ticker] | None) -> World:
    return cast(World, SimpleNamespace(now=lambda: 30.0, feed=lambda _: _Feed(tickers)))


def _ticker(last: str) -> dict[str, Ticker]:
    price = Decimal(last)
    return {"BTC/USDT": Ticker("BTC/USDT", price, price, price, 30.0)}


def test_report_has_exactly_the_agreed_keys_and_is_json() -> None:
    report = make_report(_world(_ticker("120")), [_books()], Statistics())
    assert list(report) == KEYS
    json.dumps(report)


def test_money_is_exact() -> None:
    report = make_report(_world(_ticker("120.5")), [_books()], Statistics())
    # Bought 0.3 at 100.01, sold a third of it at 110.07; 0.2 at 120.5 are left.
    realised = Decimal("0.1") * Decimal("110.07") - Decimal("0.3") * Decimal("100.01") / 3
    unrealised = Decimal("0.2") * Decimal("120.5") - Decimal("0.2") * Decimal("100.01")
    fees = Decimal("0.0300030") + Decimal("0.0110070")
    profit = {name: Decimal(text) for name, text in report["pnl"].items()}
    assert profit == {
        "realised": realised,
        "unrealised": unrealised,
        "fees": fees,
        "equity": 1000 + realised + unrealised - fees,
    }
    assert all(isinstance(text, str) for text in report["pnl"].values())


def test_without_prices_open_positions_count_at_their_entry() -> None:
    assert make_report(_world(None), [_books()], Statistics())["pnl"]["unrealised"] == "0"


def test_fills_are_in_the_order_of_time_whatever_the_stores_return() -> None:
    books = _books()
    turned = replace(books, orders=books.orders[::-1])
    report = make_report(_world(_ticker("120")), [turned], Statistics())
    assert report["fills"] == make_report(_world(_ticker("120")), [books], Statistics())["fills"]
    assert report["fills"][0] == {
        "order": "b-entry",
        "symbol": "BTC/USDT",
        "side": "buy",
        "quantity": "0.3",
        "price": "100.01",
        "fee": "0.0300030",
        "time": 10.0,
    }


def test_counts_of_signals_orders_positions_and_ladder() -> None:
    report = make_report(_world(_ticker("120")), [_books(), _books()], Statistics())
    assert report["signals"] == {"emitted": 6, "executed": 2, "refused": {"COOLDOWN": 4}}
    assert report["orders"] == {"FILLED": 4}
    assert report["positions"] == {"opened": 2, "closed": 0, "open": 2}
    assert report["ladder"] == {"base": 14, "main": 4, "real": 0}


def test_equal_books_pass_the_audit() -> None:
    assert audit([_books()]) == {"duplicate_orders": 0, "unresolved_orders": 0, "books_equal_venue": True}


def _without_last_fill(books: Books) -> Books:
    return replace(books, orders=(books.orders[0], replace(books.orders[1], fills=())))


@pytest.mark.parametrize(
    "broken",
    [
        lambda books: replace(books, venue_holdings={"BTC/USDT": Decimal("0.3")}),
        lambda books: replace(books, venue_holdings={}),
        lambda books: replace(books, orders=books.orders[:1]),
        lambda books: replace(books, venue_orders=books.venue_orders[:1]),
        _without_last_fill,
    ],
    ids=["other quantity", "venue is flat", "order unknown to us", "unknown to the venue", "missed fill"],
)
def test_books_that_differ_from_the_venue_are_told(broken: Any) -> None:
    assert audit([broken(_books())])["books_equal_venue"] is False


def test_two_entries_of_one_signal_are_a_duplicate() -> None:
    books = _books()
    second = _order("c-entry", ENTRY)
    doubled = replace(
        books,
        orders=(*books.orders, second),
        venue_orders=(*books.venue_orders, _venue_order(second)),
    )
    assert audit([doubled])["duplicate_orders"] == 1


@pytest.mark.parametrize("state", [OrderState.INTENT, OrderState.SUBMITTED, OrderState.UNKNOWN])
def test_orders_that_nobody_has_proved_are_unresolved(state: OrderState) -> None:
    books = _books()
    unproven = replace(books.orders[0], client_order_id="lost", state=state, fills=())
    assert audit([replace(books, orders=(*books.orders, unproven))])["unresolved_orders"] == 1


def test_decimals_are_written_without_exponent() -> None:
    assert plain_decimal(Decimal("1E-10")) == "0.0000000001"
    assert plain_decimal(Decimal("1E+3")) == "1000"


def test_report_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    write_report({"fills": []}, path)
    assert json.loads(path.read_text()) == {"fills": []}
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.json"]


def test_percentiles_are_exact_to_one_per_cent() -> None:
    summary = TickSummary()
    for number in range(1, 1001):
        summary.add("ok", float(number), 4 if number == 7 else 2)
    assert summary.percentile(0.5) == pytest.approx(500, rel=0.01)
    assert summary.percentile(0.99) == pytest.approx(990, rel=0.01)
    assert (summary.count, summary.aws_calls_max) == (1000, 4)
    assert summary.aws_calls_mean == pytest.approx(2.002)
    assert TickSummary().percentile(0.5) == 0.0


def _lines(file: StatisticsFile) -> None:
    file.add({"ticks": [("market", "ok", 12.5, 4)], "aws_calls": {"s3.GetObject": 1}})
    file.add({"ticks": [("market", "failed", 90.0, 1)], "wall_seconds": 1.5, "virtual_seconds": 300})


def test_statistics_survive_a_kill_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "statistics.jsonl"
    first = StatisticsFile(path)
    _lines(first)
    first.close()
    with path.open("ab") as file:
        file.write(b'{"ticks":[["market","ok",1')
    again = StatisticsFile(path)
    assert again.totals == first.totals
    assert again.totals.ticks["market"].outcomes == {"ok": 1, "failed": 1}
    _lines(again)
    again.close()
    third = StatisticsFile(path).totals
    assert third.ticks["market"].count == 4
    assert third.aws_calls == {"s3.GetObject": 2}
    assert (third.wall_seconds, third.virtual_seconds) == (3.0, 600)


def test_recorder_counts_each_tick_with_its_own_calls(tmp_path: Path) -> None:
    statistics = StatisticsFile(tmp_path / "statistics.jsonl")
    recorder = Recorder(statistics)
    recorder.aws_call("dynamodb.Scan")
    with recorder.invocation("realtime_tick", 3) as invocation:
        for _ in range(3):
            recorder.aws_call("dynamodb.UpdateItem")
        recorder.exchange_call("tickers")
        recorder.count("ticks", kind="realtime")
        recorder.aws_call("dynamodb.GetItem")
        recorder.count("ticks_skipped", kind="realtime", reason="lease_held")
        invocation.failed_records = 1
    totals = statistics.totals
    summary = totals.ticks["realtime"]
    assert summary.outcomes == {"ok": 1, "skipped": 1, "failed": 1}
    assert (summary.aws_calls, summary.aws_calls_max) == (4, 3)
    assert totals.aws_calls == {"dynamodb.UpdateItem": 3, "dynamodb.GetItem": 1}
    assert totals.exchange_calls == {"tickers": 1}
    assert totals.failed_invocations == {"realtime_tick": 1}
    assert recorder.metrics["ticks"] == 1
