"""Serves a fake exchange in a process of its own: `python -m tests.fakes.serve --exchange NAME`.

Prints one line of JSON with the port, the account's key and the variables that lead a Python process to it,
then serves in real time until it is told to end or its parent has ended. Prices are those of the built-in
simulator or, with `--data DIR`, of recorded 5m candles, moved in time so that half of them lies behind.
Commands of the parent come in by lines: see `tests.fakes.serve_commands`.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.local.simulator import simulated_symbols
from tests.fakes import NAMES, fake_of
from tests.fakes.certificates import authority
from tests.fakes.core_values import Listing
from tests.fakes.orangex import FakeOrangex
from tests.fakes.prices import Candle, PriceSource, RecordedPrices
from tests.fakes.serve_commands import Desk
from tests.fakes.server import Server
from tests.fakes.simulated import SimulatedPrices
from tests.fakes.wire import Fake

TIMEFRAME, STEP = "5m", 300
PARTS = 30
"""Prices per recorded candle: one in ten seconds."""

KEPT = 10_000
"""Requests that the logs of a long run keep."""

_DAY = 86_400
_QUOTE = "USDT"


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT, or the end of the parent process."""
    options = _options(arguments)
    source = SimulatedPrices(options.seed, options.volatility)
    fake = prepared(fake_of(options.exchange), options.data, options.symbols, source)
    if isinstance(fake, FakeOrangex):
        # What its support names. Five, as tests have it, is as fast as clients go: a busy machine is faster.
        fake.limit_to(10)
    server = Server(fake, options.port)
    server.start()
    print(json.dumps(announcement(fake, server)), flush=True)
    desk = Desk(fake)
    threading.Thread(target=desk.obey, args=(sys.stdin, sys.stdout), daemon=True).start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    parent = os.getppid()
    while not ended.wait(0.2) and os.getppid() == parent:
        pass
    server.stop()
    desk.close()
    sys.stderr.writelines(fake.crashes)
    return 1 if fake.crashes else 0


def prepared(
    fake: Fake, data: Path | None, symbols: int | tuple[str, ...], simulated: SimulatedPrices | None = None
) -> Fake:
    """List the markets that have prices, each on spot and as a swap, and bound the logs."""
    source: PriceSource
    if data:
        source, names = _recorded(data, symbols)
    else:
        names = list(simulated_symbols(symbols) if isinstance(symbols, int) else symbols)
        source = simulated or SimulatedPrices(1)
    fake.exchange.relist(_listings(names, source), source)
    fake.requests = deque(maxlen=KEPT)
    fake.limits.log = deque(maxlen=KEPT)
    # Ids of this process are not those of one before it.
    fake.exchange.ids = int(time.time() * 1000)
    return fake


def announcement(fake: Fake, server: Server) -> dict[str, Any]:
    """Return what a client needs to know."""
    _, key = fake.exchange.key(fake.key)
    return {
        "exchange": fake.name,
        "port": server.port,
        "authority": str(authority().path),
        "hosts": list(fake.hosts),
        "key": key.key,
        "secret": key.secret,
        "passphrase": key.passphrase,
        "symbols": list(fake.exchange.markets),
        "environment": server.environment(),
    }


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.serve", description=__doc__)
    parser.add_argument("--exchange", required=True, choices=NAMES)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, help="folder of files BASEQUOTE-5m.csv.gz")
    parser.add_argument(
        "--symbols", type=_symbols, default=20, metavar="N|LIST", help="the first ones, or BTC/USDT,ETH/USDT"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the simulator")
    parser.add_argument(
        "--volatility", type=float, default=1.0, help="of the simulator, in units of its usual one"
    )
    return parser.parse_args(arguments)


def _symbols(text: str) -> int | tuple[str, ...]:
    return int(text) if text.isdigit() else tuple(text.split(","))


def _recorded(folder: Path, symbols: int | tuple[str, ...]) -> tuple[PriceSource, list[str]]:
    """Return the recording whose middle is now; its candles keep their time of day."""
    files = RecordedPrices(folder, TIMEFRAME, STEP).symbols()
    pairs = [f"{name.removesuffix(_QUOTE)}/{_QUOTE}" for name in files if name.endswith(_QUOTE)]
    if not pairs:
        raise SystemExit(f"{folder} has no files BASE{_QUOTE}-{TIMEFRAME}.csv.gz")
    wanted = pairs[:symbols] if isinstance(symbols, int) else list(symbols)
    if missing := sorted(set(wanted) - set(pairs)):
        raise SystemExit(f"{folder} has no {TIMEFRAME} candles of {', '.join(missing)}")
    first, last = RecordedPrices(folder, TIMEFRAME, STEP).span(wanted[0])
    shift = (int(time.time()) - (first + last) // 2) // _DAY * _DAY
    return RecordedPrices(folder, TIMEFRAME, STEP, shift, PARTS), wanted


def _listings(names: Iterable[str], source: PriceSource) -> Iterable[Listing]:
    """Return a spot market and a swap per name, with steps that fit its prices."""
    now = time.time()
    for name in names:
        recent = source.candles(name, STEP, int(now) - 100 * STEP, now)
        if not recent:
            continue
        price_step = Decimal(1).scaleb(
            min(0, *(_exponent(price) for row in recent for price in _prices(row)))
        )
        amount_step = Decimal(1).scaleb(min(0, -recent[-1].close.adjusted() - 1))
        for symbol in (name, f"{name}:{_QUOTE}"):
            yield Listing(
                symbol=symbol,
                price_step=price_step,
                amount_step=amount_step,
                min_amount=amount_step,
                min_notional=Decimal(5),
                max_amount=Decimal(100_000_000),
            )


def _prices(row: Candle) -> tuple[Decimal, ...]:
    return row.open, row.high, row.low, row.close


def _exponent(price: Decimal) -> int:
    return int(price.normalize().as_tuple().exponent)


if __name__ == "__main__":
    sys.exit(main())
