"""`cts run`: the whole system on one machine, from the checked options to the report.

Everything that can be refused is refused before anything is started or deleted.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from shlex import quote
from typing import Any

from rich.console import Console

from chalicelib.domain.cadence import HEARTBEAT
from chalicelib.domain.connection import Connection
from chalicelib.domain.engine import Engine
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import UsageError
from chalicelib.local.access import DEFAULT_HOURS, new_token, open_to_tokens
from chalicelib.local.api_server import ApiServer
from chalicelib.local.candles.gaps import data_report, describe
from chalicelib.local.clock import VirtualClock
from chalicelib.local.emulator import Emulator
from chalicelib.local.environment import log_to
from chalicelib.local.event_shapes import ACCOUNT
from chalicelib.local.fake_exchange import NOTHING_KNOWN, FakeExchange, fake_exchange
from chalicelib.local.fake_side import fake_side, venue_lines, venue_section
from chalicelib.local.live import Live
from chalicelib.local.market import ChosenMarket, choose_market
from chalicelib.local.options import RunOptions
from chalicelib.local.preset_files import check_fits, preset_mark
from chalicelib.local.progress import Progress
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.local.replay import Plan, Replay
from chalicelib.local.report import Books, VenueSide, make_report, paper_side, read_books, write_report
from chalicelib.local.state import StateDirectory
from chalicelib.local.system import LocalSystem, assemble, set_up_accounts
from chalicelib.local.trades import closed_trades, write_trades
from chalicelib.settings import DEFAULT_TENANT, Settings
from chalicelib.stores.paper_ledger import DynamoPaperLedger

EXIT_OK = 0
_LOST_ACCOUNT = (
    "cts: the fake exchange was killed and has lost its account: what the books hold from before is unknown "
    "to it and stays open there; --fresh begins anew"
)
_SHOWN_SYMBOLS = 8
_ORPHAN_SECONDS = 5.0
_RETRY_SECONDS = 0.25


def run(options: RunOptions) -> int:
    """Run until the end of the replay or until stopped; return the exit code."""
    console = Console(quiet=options.quiet, highlight=False)
    api = ApiServer(options.port)
    try:
        with fake_exchange(options) as fake:
            market = choose_market(options, fake)
            if options.preset is not None:
                check_fits(options.preset, market.symbols, timeframe_seconds(options.timeframe))
            state = _open_state(options, market)
            with _stoppable() as stop, _emulator(options, state) as emulator:
                _serve(options, market, state, emulator, api, stop, console, fake)
    finally:
        api.stop()
    return EXIT_OK


def _open_state(options: RunOptions, market: ChosenMarket) -> StateDirectory:
    held = {
        "market": market.kind,
        "exchange": options.exchange,
        "symbols": ",".join(market.symbols),
        "timeframe": options.timeframe,
        "market type": options.market_type,
        "connections": options.connections,
        "time": "virtual" if options.replay else "real",
        "begin": _iso(market.start),
        "seed": options.seed if market.kind == "sim" else None,
        "preset": preset_mark(options.preset),
    }
    state = StateDirectory(options.state, options.fresh)
    if state.existed:
        # The accounts of a state that does not say were made without one.
        state.run.setdefault("preset", preset_mark(None))
    try:
        state.claim(held)
    except UsageError:
        state.close()
        raise
    return state


def _say_what_lacks(console: Console, market: ChosenMarket) -> None:
    """Print the gaps of recorded candles; what is live or simulated has none to tell of."""
    if isinstance(market.feed, RecordedFeed):
        for line in describe(data_report(market.feed.candles, market.start, market.end)):
            console.print(line, soft_wrap=True, markup=False)


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event while the block runs."""
    stop = threading.Event()

    def asked(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _emulator(options: RunOptions, state: StateDirectory) -> Iterator[Emulator]:
    """Start the emulator; that of a run killed a moment ago may need some seconds to give its files free."""
    deadline = time.monotonic() + _ORPHAN_SECONDS
    try:
        while True:
            try:
                emulator = Emulator.start(state.emulator, virtual=options.replay, region=Settings().region)
                break
            except UsageError:
                if not state.existed or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
        try:
            yield emulator
        finally:
            emulator.stop()
    finally:
        state.close()


def _serve(
    options: RunOptions,
    market: ChosenMarket,
    state: StateDirectory,
    emulator: Emulator,
    api: ApiServer,
    stop: threading.Event,
    console: Console,
    fake: FakeExchange | None,
) -> None:
    settings = Settings(endpoint_url=emulator.endpoint_url, account=ACCOUNT)
    if fake and not fake.keep(state.fake_account) and state.existed:
        console.print(_LOST_ACCOUNT, soft_wrap=True)
    _say_what_lacks(console, market)
    system = assemble(options, market, state, emulator, settings, fake)
    # Not before: they read the environment when they are imported.
    from app import app
    from chalicelib.messaging.telemetry import SERVICE

    log_to(state.log, (logging.getLogger(SERVICE), app.log))
    engines = set_up_accounts(system)
    secret = open_to_tokens(state.path)
    api.start(app)
    _banner(console, options, market, api, state, engines, new_token(secret))
    progress = Progress(console, system.world, system.clock.now, system.recorder, system.statistics.totals)
    progress.start()
    try:
        finished = _drive(system, stop)
    finally:
        progress.close()
    _conclude(system, console, finished)
    system.statistics.close()


def _drive(system: LocalSystem, stop: threading.Event) -> bool:
    """Let the pump work; tell whether a replay came to its end."""
    options, market = system.options, system.market

    def account(wall: float, virtual: float) -> None:
        system.statistics.add({"wall_seconds": round(wall, 6), "virtual_seconds": round(virtual, 6)})

    if not isinstance(system.clock, VirtualClock):
        Live(system.pump, system.emulator, stop, account).run()
        return False
    step = max(HEARTBEAT, timeframe_seconds(options.timeframe))
    plan = Plan(market.start, market.end, step, options.speed)
    replay = Replay(plan, system.pump, system.emulator, system.clock, stop, system.state.save, account)
    return replay.run(system.state.progress())


def _conclude(system: LocalSystem, console: Console, finished: bool) -> None:
    options = system.options
    said = "the replay reached its end" if finished else "stopped"
    if options.report is None and options.trades is None and system.fake is None:
        console.print(f"cts: {said}; the state is in {options.state}")
        return
    books = _books(system)
    if options.trades is not None:
        write_trades(closed_trades(books), options.trades)
    report = _report(system, books)
    if system.fake:
        console.print(venue_lines(report), soft_wrap=True)
    if options.report is None:
        console.print(f"cts: {said}; the state is in {options.state}")
        return
    write_report(report, options.report)
    positions, profit = report["positions"], report["pnl"]
    console.print(
        f"cts: {said}; {positions['opened']} positions opened, {positions['closed']} closed, "
        f"realised {profit['realised']}, fees {profit['fees']}, equity {profit['equity']}; "
        f"report in {options.report}",
        soft_wrap=True,
    )


def _books(system: LocalSystem) -> tuple[Books, ...]:
    ledger = DynamoPaperLedger()
    account = system.fake.account() if system.fake else NOTHING_KNOWN

    def side(connection: Connection) -> VenueSide:
        paper = connection.mode == "paper"
        return paper_side(ledger, connection) if paper else fake_side(account, connection)

    return read_books(system.world, side, DEFAULT_TENANT)


def _report(system: LocalSystem, books: tuple[Books, ...]) -> dict[str, Any]:
    report = make_report(system.world, books, system.statistics.totals)
    if system.fake:
        report["venue"] = venue_section(system.fake.account(), books)
    return report


def _banner(
    console: Console,
    options: RunOptions,
    market: ChosenMarket,
    api: ApiServer,
    state: StateDirectory,
    engines: Sequence[Engine],
    token: str,
) -> None:
    period = f"from {_iso(market.start)} to {_iso(market.end)}" if options.replay else "in real time"
    pace = "as fast as possible" if options.speed is None else f"{options.speed:g} times real time"
    shown = ", ".join(market.symbols[:_SHOWN_SYMBOLS])
    more = len(market.symbols) - _SHOWN_SYMBOLS
    where = "on paper" if options.venue == "paper" else f"at a fake of {options.exchange}, over the wire"
    lines = (
        f"CTS Trade Engine, {where}: no order leaves this machine",
        f"  market   {market.description}",
        f"  time     {period}" + (f", {pace}" if options.replay else ""),
        f"  symbols  {shown}" + (f" and {more} more" if more > 0 else "") + f", {options.timeframe} candles",
        *([f"  preset   {preset_mark(options.preset)}"] if options.preset else []),
        "  engines  " + ", ".join(f"{engine.connection_id} {engine.status.value}" for engine in engines),
        f"  API      {api.url}, for who has a token: this one is valid for {DEFAULT_HOURS:g} hours,",
        f"           `cts token --state {quote(str(state.path))}` makes others",
        f"           curl -H 'Authorization: Bearer {token}' {api.url}/trade-engine/status",
        f"  state    {state.path} (log: {state.log.name}); Ctrl-C stops, the same command goes on",
    )
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _iso(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
