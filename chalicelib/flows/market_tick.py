"""Market tick: fetch candles that closed since the last one and store them, per exchange and timeframe."""

from dataclasses import replace

from chalicelib.domain.candles import KEPT_BARS, Candles, empty_candles, last_close_time, merge, select
from chalicelib.domain.engine import feed_settings
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Tick
from chalicelib.domain.timeframes import timeframe_seconds
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import MarketFeed, World


def market_tick(world: World, tick: Tick) -> Skip | None:
    """Run one market tick: at most one load and one save of the candle object."""
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
        return _up_to_date(turn, tick, known)
    merged = merge(known, fetched)
    world.objects.save_candles(exchange, merged)
    world.metrics.count("candles", int((last_close_time(merged) == newest).sum()))
    return _up_to_date(turn, tick, merged)


def _up_to_date(turn: Turn, tick: Tick, candles: Candles) -> Saved:
    """Tell the heartbeat up to when all symbols have their candles: until the next close nothing is due."""
    closes = last_close_time(candles)
    # A symbol without any candle is not traded there: it must not keep the others' ticks coming.
    until = int(min(closes[closes > 0], default=0))
    engine = replace(turn.engine, last_candle=until, settings=feed_settings(tick.symbols))
    if engine == turn.engine:
        return Saved(turn.engine)
    return Saved(engine, ("last_candle", "settings"))


def _fetch(
    feed: MarketFeed, known: Candles, symbols: tuple[str, ...], seconds: int, newest: int, now: float
) -> Candles | None:
    """Fetch what is missing: the whole window for new symbols, else what closed since the last candle."""
    closed = dict(zip(known.symbols, last_close_time(known), strict=True))
    new = tuple(symbol for symbol in symbols if not closed.get(symbol))
    behind = tuple(symbol for symbol in symbols if closed.get(symbol) and closed[symbol] < newest)
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
