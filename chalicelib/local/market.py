"""Chooses the market of a run: recorded candles, public live candles, or the built-in simulator."""

from dataclasses import dataclass
from decimal import Decimal

from chalicelib.domain.candles import between
from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.market import MarketType
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import Retryable, UsageError
from chalicelib.flows.world import MarketFeed
from chalicelib.local.candle_files import candle_files, read_candles
from chalicelib.local.fake_exchange import FakeExchange
from chalicelib.local.options import RunOptions
from chalicelib.local.recorded_feed import RecordedFeed
from chalicelib.local.simulator import QUOTE, MarketSimulator, simulated_symbols
from chalicelib.local.symbols import MAJORS, unified_symbol, unknown_symbol

REACH_SECONDS = 3.0
DEFAULT_PERIOD = 2 * 86400
SPREAD = PaperTerms().spread


@dataclass(frozen=True, slots=True)
class ChosenMarket:
    """A market feed, what is traded there, and the period of a replay (0, 0 in real time)."""

    feed: MarketFeed
    kind: str
    description: str
    symbols: tuple[str, ...]
    start: int = 0
    end: int = 0


def choose_market(options: RunOptions, fake: FakeExchange | None = None) -> ChosenMarket:
    """Return the market that the options ask for; UsageError names what is wrong with them or the data.

    That of a fake exchange is read over the wire, as that of the real one would be.
    """
    if fake is not None:
        return _of_fake(options, fake)
    if options.data is not None:
        return recorded_market(options)
    if options.market == "sim":
        return _simulated(options, "")
    if _reachable(options.exchange):
        try:
            return _public(options)
        except Retryable:
            if options.market != "auto":
                raise
    if options.market == "binance":
        raise UsageError(
            f"no answer from {options.exchange} within {REACH_SECONDS:.0f} s: "
            f"check the network or use --market sim"
        )
    return _simulated(options, f", because {options.exchange} did not answer within {REACH_SECONDS:.0f} s")


def _of_fake(options: RunOptions, fake: FakeExchange) -> ChosenMarket:
    from chalicelib.exchanges.ccxt_public import PublicFeed

    feed = PublicFeed(options.exchange)
    names = fake.symbols(options.market_type)
    try:
        feed.markets(names)
    except Retryable as error:
        raise UsageError(f"the fake exchange does not answer: {error}") from error
    prices = "the simulator" if options.data is None else f"candles from {options.data}"
    return ChosenMarket(feed, "fake", f"a fake of {options.exchange} with prices of {prices}", names)


def recorded_market(options: RunOptions, spread: Decimal = SPREAD) -> ChosenMarket:
    """Return the market of recorded candles; UsageError names what is wrong with options or data."""
    assert options.data is not None
    wanted: int | tuple[str, ...] = options.symbols
    if isinstance(wanted, tuple):
        known = candle_files(options.data, options.timeframe, options.market_type)
        wanted = tuple(_spelled(name, options.market_type) for name in wanted)
        for symbol in wanted:
            if symbol not in known:
                raise unknown_symbol(symbol, known, f"{options.data} ({options.timeframe})")
    candles = read_candles(
        options.data, options.timeframe, wanted, options.start, options.end, options.market_type
    )
    first = int(candles.open_time[0])
    end = candles.closed_until if options.end is None else options.end
    start = max(first, end - DEFAULT_PERIOD) if options.start is None else options.start
    _check_whole(start, end, timeframe_seconds(options.timeframe))
    bars = between(candles, start, end).bars
    return ChosenMarket(
        feed=RecordedFeed(candles, spread),
        kind="recorded",
        description=f"recorded candles of {options.exchange} from {options.data} ({bars} bars)",
        symbols=candles.symbols,
        start=start,
        end=end,
    )


def _check_whole(start: int, end: int, step: int) -> None:
    for option, moment in (("--from", start), ("--to", end)):
        if moment % step:
            raise UsageError(f"{option} must lie on a boundary of the timeframe, a multiple of {step} s")


def _simulated(options: RunOptions, because: str) -> ChosenMarket:
    if options.market_type == "swap":
        raise UsageError("the simulated market is a spot market: leave --market-type out")
    step = timeframe_seconds(options.timeframe)
    feed = MarketSimulator(options.seed, PaperTerms().spread)
    symbols = options.symbols
    names = simulated_symbols(symbols) if isinstance(symbols, int) else _named(symbols, options.market_type)
    feed.markets(names)
    start, end = (options.start or 0, options.end or 0) if options.replay else (0, 0)
    _check_whole(start, end, step)
    return ChosenMarket(
        feed=feed,
        kind="sim",
        description=f"the built-in market simulator (seed {options.seed}){because}",
        symbols=names,
        start=start,
        end=end,
    )


def _public(options: RunOptions) -> ChosenMarket:
    from chalicelib.exchanges.ccxt_public import PublicFeed

    feed = PublicFeed(options.exchange)
    symbols = options.symbols
    if isinstance(symbols, int):
        names = _best_known(feed, symbols, options)
    else:
        names = _named(symbols, options.market_type)
        feed.markets(names)
    return ChosenMarket(feed, "public", f"public live candles of {options.exchange}", names)


def _best_known(feed: MarketFeed, count: int, options: RunOptions) -> tuple[str, ...]:
    """Return the first `count` majors that the exchange trades."""
    settled = f":{QUOTE}" if options.market_type == "swap" else ""
    found: list[str] = []
    for base in MAJORS:
        if len(found) == count:
            break
        symbol = f"{base}/{QUOTE}{settled}"
        try:
            feed.markets([symbol])
        except UsageError:
            continue
        found.append(symbol)
    if len(found) < count:
        raise UsageError(
            f"{count} --symbols of {options.exchange}: name them, a number goes up to {len(found)}"
        )
    return tuple(found)


def _reachable(exchange: str) -> bool:
    # ccxt is imported by nobody who does not ask an exchange.
    from chalicelib.exchanges.ccxt_public import EXCHANGES, reachable

    if exchange not in EXCHANGES:
        raise UsageError(f"unknown exchange {exchange!r}: use one of {', '.join(EXCHANGES)}")
    return reachable(exchange, REACH_SECONDS)


def _named(symbols: tuple[str, ...], market_type: MarketType) -> tuple[str, ...]:
    return tuple(_spelled(name, market_type) for name in symbols)


def _spelled(name: str, market_type: MarketType) -> str:
    """Return a symbol in its unified spelling; `BTCUSDT` is understood too."""
    return name if "/" in name else unified_symbol(name, market_type) or name
