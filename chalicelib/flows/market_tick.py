"""Market tick: fetch candles that closed since the last one and store them, per exchange and timeframe."""

from dataclasses import replace

from chalicelib.domain.candle_blocks import archived_still, block_start, next_block
from chalicelib.domain.candles import KEPT_BARS, Candles, empty_candles, last_close_time, merge, select
from chalicelib.domain.engine import feed_settings
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Tick
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.errors import StaleWrite
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import MarketFeed, World

SLOW = 25.0
"""Seconds of a fetch from which on a feed may have left symbols out."""


def market_tick(world: World, tick: Tick) -> Skip | None:
    """Run one market tick: one load and one save of the candle object, and once per 256 bars one archived.

    A block that was archived already takes one more load and save: it got a candle late, or a new symbol.
    """
    return run_tick(world, tick, _work, global_state=False)


def _work(world: World, turn: Turn, tick: Tick) -> Saved | Skip:
    _, exchange, timeframe = tick.subject.name.split("#")
    seconds = timeframe_seconds(timeframe)
    stored = world.objects.load_candles(exchange, seconds)
    known = stored if stored is not None else empty_candles((), seconds)
    newest = int(turn.now // seconds) * seconds
    # Symbols that nobody trades any more are left behind, or the object would only grow.
    known = select(known, tuple(s for s in known.symbols if s in set(tick.symbols)))
    fetched = _fetch(world.feed(exchange), known, tick.symbols, seconds, newest, turn.now)
    if fetched is None:
        archived = _archive(world, exchange, known, turn.engine.archived)
        return _up_to_date(turn, tick, known, newest, archived)
    # A fetch that took so long was cut short: what it did not come to has its turn at the next tick.
    most = newest - seconds if world.now() - turn.now >= SLOW else newest
    merged = merge(known, fetched)
    # Archived before it is stored: what a tick that dies between the two has not archived is still missing.
    archived = _archive(world, exchange, merged, archived_still(known, merged, turn.engine.archived))
    world.objects.save_candles(exchange, merged)
    world.metrics.count("candles", int((last_close_time(merged) == newest).sum()))
    return _up_to_date(turn, tick, merged, most, archived)


def _archive(world: World, exchange: str, candles: Candles, archived: int) -> int:
    """Archive the oldest block that is not, if its time is over; return up to when all are now."""
    block = next_block(candles, archived)
    if block is None:
        return archived
    try:
        world.objects.save_block(exchange, block)
    except StaleWrite:
        # It is there: from a tick that died, or before it got this candle. Symbols that left stay in it.
        start = block_start(int(block.open_time[0]), block.timeframe)
        older = world.objects.load_block(exchange, block.timeframe, start)
        world.objects.save_block(exchange, block if older is None else merge(older, block))
    world.metrics.count("candle_blocks")
    return block.closed_until


def _up_to_date(turn: Turn, tick: Tick, candles: Candles, most: int, archived: int) -> Saved:
    """Tell the heartbeat up to when, and `most`, all symbols have their candles: then nothing is due."""
    closes = last_close_time(candles)
    # A symbol without any candle is not traded there: it must not keep the others' ticks coming.
    until = min(int(min(closes[closes > 0], default=0)), most)
    settings = feed_settings(tick.symbols)
    engine = replace(turn.engine, last_candle=until, archived=archived, settings=settings)
    changed: tuple[str, ...] = ()
    if (until, settings) != (turn.engine.last_candle, turn.engine.settings):
        changed += ("last_candle", "settings")
    if archived != turn.engine.archived:
        changed += ("archived",)
    return Saved(engine, changed)


def _fetch(
    feed: MarketFeed, known: Candles, symbols: tuple[str, ...], seconds: int, newest: int, now: float
) -> Candles | None:
    """Fetch what is missing: the whole window for new symbols, else what closed since the last candle."""
    closed = dict(zip(known.symbols, last_close_time(known), strict=True))
    new = tuple(symbol for symbol in symbols if not closed.get(symbol))
    behind = tuple(sorted((s for s in symbols if 0 < closed.get(s, 0) < newest), key=lambda s: closed[s]))
    window = newest - KEPT_BARS * seconds
    fetched = None
    if new:
        fetched = feed.closed_candles(new, seconds, window, now)
    if behind:
        since = max(window, int(min(closed[symbol] for symbol in behind)))
        recent = feed.closed_candles(behind, seconds, since, now)
        fetched = recent if fetched is None else merge(fetched, recent)
    if fetched is None or not fetched.bars:
        return None
    return fetched
