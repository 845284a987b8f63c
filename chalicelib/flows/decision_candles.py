"""What the ticks that decide begin with: the connection of their turn and its candles."""

from chalicelib.domain.candles import Candles, select
from chalicelib.domain.connection import Connection
from chalicelib.domain.lease import Skip
from chalicelib.domain.lifecycle import entries_allowed
from chalicelib.flows.tick import Turn, require_engine
from chalicelib.flows.world import World


def decision_candles(world: World, turn: Turn) -> tuple[Connection, Candles] | Skip:
    """Return a turn's connection and its stored candles, or why nothing may be decided now."""
    connection = require_engine(turn)
    if not entries_allowed(turn.coordinator, turn.engine.status):
        return Skip.NOT_RUNNING
    stored = world.objects.load_candles(connection.feed, connection.timeframe_seconds)
    if stored is None or not stored.bars:
        return Skip.NO_CANDLES
    return connection, select(stored, connection.symbols)
