"""The options of `cts run`: their defaults, and the refusals that need nothing but the command line."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast, overload

from chalicelib.domain.connection import LIVE_MARKETS, MAX_SYMBOLS
from chalicelib.domain.market import MarketType
from chalicelib.domain.timeframes import TIMEFRAMES, timeframe_seconds
from chalicelib.errors import UsageError

MarketChoice = Literal["auto", "binance", "sim"]
VenueChoice = Literal["paper", "fake"]

DEFAULT_PORT = 8000
DEFAULT_SYMBOLS = 10
DEFAULT_TIMEFRAME = "5m"
FAKE_SYMBOLS, FAKE_TIMEFRAME = 30, "1m"
"""With the simulated prices of a fake exchange: some entry is seen within two minutes."""

FAKE_MARKETS: Mapping[str, MarketType] = {"pionex": "spot"}
"""Where the default is not swap: a second has room for one request about Pionex's futures."""

MAX_CONNECTIONS = 50
DATA_HELP = "SYMBOL-TIMEFRAME .csv, .csv.gz, .parquet, .feather, .json or .json.gz files (docs/data.md)"
PRESET_HELP = "configuration sets of the ladder, TOML or YAML (docs/presets.md)"
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `cts run` was asked for. Times are epoch seconds; `speed` None is as fast as possible.

    `replay` tells whether time is virtual: recorded candles, or the simulator over a given period. `preset`
    is that of every account's ladder, in its plain form.
    """

    data: Path | None = None
    exchange: str = "binance"
    symbols: int | tuple[str, ...] = DEFAULT_SYMBOLS
    timeframe: str = "5m"
    start: int | None = None
    end: int | None = None
    speed: float | None = 1.0
    replay: bool = False
    connections: int = 1
    port: int = DEFAULT_PORT
    state: Path = Path(".state")
    fresh: bool = False
    report: Path | None = None
    trades: Path | None = None
    market: MarketChoice = "auto"
    market_type: MarketType = "spot"
    venue: VenueChoice = "paper"
    seed: int = 1
    quiet: bool = False
    preset: Mapping[str, Any] | None = None


def options_of(given: argparse.Namespace) -> RunOptions:
    """Return the options of a parsed command line; UsageError if they make no sense."""
    fake = given.venue == "fake"
    if fake:
        _refuse_with_fake(given)
    replay = not fake and (given.data is not None or _has_period(given))
    _refuse_combinations(given, replay)
    simulated = fake and given.data is None
    start, end = moment(given.start, "--from"), moment(given.end, "--to")
    if start is not None and end is not None and start >= end:
        raise UsageError("--from must be before --to")
    return RunOptions(
        data=given.data,
        exchange=given.exchange,
        symbols=symbols_of(given.symbols or str(FAKE_SYMBOLS if simulated else DEFAULT_SYMBOLS)),
        timeframe=timeframe_of(given.timeframe or (FAKE_TIMEFRAME if simulated else DEFAULT_TIMEFRAME)),
        start=start,
        end=end,
        speed=_speed(given.speed, replay),
        replay=replay,
        connections=_within(given.connections, 1, MAX_CONNECTIONS, "--connections"),
        port=_within(given.port, 1, _MAX_PORT, "--port"),
        state=given.state,
        fresh=given.fresh,
        report=_file(given.report, "--report"),
        trades=_file(given.trades, "--trades"),
        market=cast(MarketChoice, given.market),
        market_type=cast(MarketType, given.market_type or _default_market(given)),
        venue=cast(VenueChoice, given.venue),
        seed=given.seed,
        quiet=given.quiet,
        preset=preset_option(given.preset),
    )


def register(commands: Any) -> None:
    """Add `cts run` to the commands of a parser."""
    run = commands.add_parser(
        "run",
        help="run the whole system on this machine, on paper or at a fake exchange",
        description="Run the whole system on this machine: engine, local AWS, exchange, REST API.",
    )
    add = run.add_argument
    add("--data", type=Path, metavar="DIR", help=f"replay recorded candles: {DATA_HELP}")
    add("--exchange", default="binance", metavar="NAME", help="exchange to trade at (default: binance)")
    add(
        "--venue",
        choices=("paper", "fake"),
        default="paper",
        help="the paper exchange, or a fake of --exchange on this machine, spoken to as to the real one",
    )
    add("--symbols", metavar="N|LIST", help="how many, or BTC/USDT,ETH/USDT (default: 10; 30 with a fake)")
    add("--timeframe", metavar="T", help=f"{', '.join(TIMEFRAMES)} (default: 5m; 1m with a fake)")
    add(
        "--from",
        dest="start",
        metavar="ISO",
        help="begin of a replay, UTC (default: two days before its end)",
    )
    add("--to", dest="end", metavar="ISO", help="end of a replay, UTC (default: the end of the data)")
    add("--speed", metavar="N|max", help="times real time; max (the default of a replay): without waiting")
    add("--connections", type=int, default=1, metavar="N", help="how many paper accounts (default: 1)")
    add("--port", type=int, default=DEFAULT_PORT, metavar="P", help="port of the API on 127.0.0.1")
    add("--state", type=Path, default=Path(".state"), metavar="DIR", help="where everything is kept (.state)")
    add("--fresh", action="store_true", help="forget what the state directory holds")
    add("--report", type=Path, metavar="FILE", help="write a report as JSON at the end")
    add("--trades", type=Path, metavar="FILE", help="write the closed positions as CSV at the end")
    add("--market", choices=("auto", "binance", "sim"), default="auto", help="live candles or the simulator")
    add("--market-type", choices=("spot", "swap"), help="spot (the default) or perpetual swaps (with a fake)")
    add("--seed", type=int, default=1, metavar="N", help="seed of the simulator (default: 1)")
    add("--preset", type=Path, metavar="FILE", help=PRESET_HELP)
    add("--quiet", action="store_true", help="show no progress")
    run.set_defaults(command=_run)


def _run(given: argparse.Namespace) -> int:
    options = options_of(given)
    # What a run needs takes a second to import; a wrong option is told at once.
    from chalicelib.local.run import run

    return run(options)


def _has_period(given: argparse.Namespace) -> bool:
    return any(value is not None for value in (given.start, given.end, given.speed))


def _refuse_with_fake(given: argparse.Namespace) -> None:
    if _has_period(given):
        raise UsageError(
            "--venue fake runs in real time, as its process does: leave --speed, --from, --to out"
        )
    markets = LIVE_MARKETS.get(given.exchange)
    if markets is None:
        raise UsageError(f"--venue fake: --exchange is one of {', '.join(LIVE_MARKETS)}")
    if given.market_type is not None and given.market_type not in markets:
        raise UsageError(f"{given.exchange} has no {given.market_type} market that takes orders")
    if given.market != "auto":
        raise UsageError("--venue fake has prices of its own: leave --market out")
    if given.connections != 1:
        raise UsageError("--venue fake has one account: leave --connections out")


def _refuse_combinations(given: argparse.Namespace, replay: bool) -> None:
    data = given.data
    if data is not None and not data.is_dir():
        raise UsageError(
            f"--data {data}: no such directory; name one with candle files such as "
            f"BTCUSDT-{given.timeframe or DEFAULT_TIMEFRAME}.csv.gz (docs/data.md)"
        )
    if data is not None and given.market != "auto":
        raise UsageError("--data and --market exclude each other: recorded candles are a market of their own")
    simulated = given.market == "sim" and given.start is not None and given.end is not None
    if data is None and replay and not simulated:
        raise UsageError(
            "--from, --to and --speed need recorded candles (--data DIR) or --market sim with --from and --to"
        )


def _default_market(given: argparse.Namespace) -> MarketType:
    return FAKE_MARKETS.get(given.exchange, "swap") if given.venue == "fake" else "spot"


def _speed(text: str | None, replay: bool) -> float | None:
    if text is None:
        return None if replay else 1.0
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"--speed {text!r} is neither a number above 0 nor max")
    return speed


def symbols_of(text: str) -> int | tuple[str, ...]:
    if text.lstrip("+-").isdigit():
        return _within(int(text), 1, MAX_SYMBOLS, "--symbols")
    names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError("--symbols is empty: give a number or a list such as BTC/USDT,ETH/USDT")
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--symbols names {repeated} twice: name it once")
    _within(len(names), 1, MAX_SYMBOLS, "the number of --symbols")
    return names


def timeframe_of(name: str) -> str:
    timeframe_seconds(name)
    return name


@overload
def moment(text: str, option: str) -> int: ...
@overload
def moment(text: str | None, option: str) -> int | None: ...
def moment(text: str | None, option: str) -> int | None:
    """Return the epoch second of an ISO date or time, UTC unless it says otherwise; UsageError for others."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no ISO date or time such as 2021-04-17T06:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def preset_option(path: Path | None) -> Mapping[str, Any] | None:
    """Return the plain form of the preset in a file, None without one; UsageError says what is wrong."""
    if path is None:
        return None
    # Presets bring numpy and TA-Lib along.
    from chalicelib.domain.ladder.preset import plain_preset
    from chalicelib.local.preset_files import read_preset

    return plain_preset(read_preset(path))


def _within(number: int, lowest: int, highest: int, option: str) -> int:
    if not lowest <= number <= highest:
        raise UsageError(f"{option} must be between {lowest} and {highest}, not {number}")
    return number


def _file(path: Path | None, option: str) -> Path | None:
    if path is not None and not path.absolute().parent.is_dir():
        raise UsageError(f"{option} {path}: no directory {path.parent}; create it first")
    if path is not None and path.is_dir():
        raise UsageError(f"{option} {path} is a directory: name a file")
    return path
