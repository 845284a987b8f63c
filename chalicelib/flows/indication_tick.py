"""Indication tick: measure the step indications of all symbols of a connection and store their snapshot."""

from dataclasses import replace

import numpy as np

from chalicelib.domain.candles import anchored
from chalicelib.domain.connection import Connection, StrategyChoice
from chalicelib.domain.lease import Skip
from chalicelib.domain.messages import Tick
from chalicelib.domain.snapshots import IndicationSnapshot
from chalicelib.domain.strategies import parameters_of
from chalicelib.domain.strategies.base import window_of
from chalicelib.domain.strategies.step import StepParameters, indications
from chalicelib.flows.decision_candles import decision_candles
from chalicelib.flows.tick import Saved, Turn, run_tick
from chalicelib.flows.world import World

_BARS = 2
MAIN_ENGINE = "step"


def indication_tick(world: World, tick: Tick) -> Skip | None:
    """Run one indication tick: one load of candles, one save of the snapshot."""
    return run_tick(world, tick, _work)


def _work(world: World, turn: Turn, _: Tick) -> Saved | Skip:
    given = decision_candles(world, turn)
    if isinstance(given, Skip):
        return given
    connection, candles = given
    if turn.engine.last_indicated >= candles.closed_until:
        return Saved(turn.engine)
    window = window_of(anchored(candles, int(candles.open_time[-1])))
    found = indications(window.tail(window.bars - _BARS), _parameters(connection))
    snapshot = IndicationSnapshot(
        candle_time=candles.closed_until,
        symbols=connection.symbols,
        names=tuple(f"{one.kind}:{one.k}" if one.k else one.kind for one in found),
        direction=np.stack([one.direction[:, -_BARS:] for one in found]).astype(np.int8),
        strength=np.stack([one.strength[:, -_BARS:] for one in found]),
    )
    world.objects.save_indications(connection.tenant, connection.connection_id, snapshot)
    world.metrics.count("indications", int(np.count_nonzero(snapshot.direction[:, :, -1])))
    return Saved(replace(turn.engine, last_indicated=candles.closed_until), ("last_indicated",))


def _parameters(connection: Connection) -> StepParameters:
    choice = connection.strategies.get(MAIN_ENGINE, StrategyChoice())
    parameters: StepParameters = parameters_of(MAIN_ENGINE, choice.parameters)
    return parameters
