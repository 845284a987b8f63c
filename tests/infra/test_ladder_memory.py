"""What functions hold in memory with a ladder of full size: 100 symbols x 1,000 sets, every ring full.

Each function runs in a fresh process, on an emulated AWS, with the object that it would find on S3.
"""

import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from chalicelib import wiring
from chalicelib.domain.candles import KEPT_BARS, Candles
from chalicelib.domain.connection import Connection, complete_intervals, validate
from chalicelib.domain.engine import Engine, LadderPointer, engine_subject
from chalicelib.domain.ladder.returns import UNITS
from chalicelib.domain.ladder.rules import Ladder
from chalicelib.domain.ladder.snapshot import to_snapshot
from chalicelib.domain.ladder.state import MAIN, OPEN, REAL, LadderState, empty_state
from chalicelib.domain.messages import Tick
from chalicelib.domain.trading_settings import LadderChoice
from chalicelib.flows.ladder_step import configured_ladder
from chalicelib.flows.lifecycle import command
from chalicelib.local.simulator import MarketSimulator, simulated_symbols
from chalicelib.settings import DEFAULT_TENANT
from infra.policies import CHALICE
from infra.runtime_events import rest_event
from tests.bench.bench_startup import Figures, Function, emulated, run

NAME, SYMBOLS, TIMEFRAME, SETS = "large", 100, 300, 100_000
SUBJECT = engine_subject(DEFAULT_TENANT, NAME)
MOST_OF_MEMORY = 0.75
MOST_BYTES = 6_000_000 / 4
"""A function may answer with 6 MB; far less, so that longer names than these fit as well."""

TENTHS = [f"0.0{number}" for number in range(1, 6)]
PRESET = {
    "name": "large",
    "grid": [
        {
            "strategy": "trend",
            "parameters": {"fast": [5, 6, 7, 8, 9], "slow": [20, 21, 22, 23, 24]},
            "direction": ["long", "short"],
            "take_profit": TENTHS,
            "stop_loss": TENTHS[:4],
        }
    ],
}

CHILD = """
import json, sys, time
begun = time.process_time()
from app import app
answer = app(json.load(open(sys.argv[1])), None)
from tests.bench.startup_child import peak_megabytes
body = json.loads(answer["body"])
shown = len(body["data"]["items"]) if body["success"] else 0
seconds = time.process_time() - begun
print(json.dumps({"status": answer["statusCode"], "shown": shown, "bytes": len(answer["body"]),
    "megabytes": peak_megabytes(), "seconds": seconds}))
"""

pytestmark = pytest.mark.system


def connection() -> Connection:
    """Return a connection whose preset has a thousand sets for each of its symbols."""
    made = Connection(NAME, "binance", simulated_symbols(SYMBOLS), intervals=complete_intervals({}))
    return validate(replace(made, ladder=LadderChoice(preset=PRESET)))


def full_state(ladder: Ladder, candles: Candles) -> LadderState:
    """Return a state before the last candle: rings full, half of the sets in a position, none on real.

    Three of four positions left at target or stop, as they do; the rest anywhere between.
    """
    random = np.random.default_rng(1)
    state, count, kept = empty_state(ladder), len(ladder.sets), ladder.rules.kept
    state.closed_until = candles.closed_until - TIMEFRAME
    state.closed[:] = kept * random.integers(1, 4, count)
    gain, loss = np.abs(ladder.target_factor - 1) * UNITS, -np.abs(1 - ladder.stop_factor) * UNITS
    ends = random.integers(0, 8, (count, kept), dtype=np.int8)
    state.returns[:] = np.where(ends < 3, gain.astype(np.int32)[:, None], loss.astype(np.int32)[:, None])
    between = ends > 5
    state.returns[between] = random.integers(-100_000, 100_000, np.count_nonzero(between), dtype=np.int32)
    spans = random.integers(1, 60, (count, kept), dtype=np.uint32) * np.uint32(TIMEFRAME)
    np.cumsum(spans, axis=1, out=state.exited)
    state.exited += np.uint32(state.closed_until) - state.exited[:, -1:]
    state.kept_since[:] = state.exited[:, 0] - TIMEFRAME
    held = np.flatnonzero(random.random(count) < 0.5)
    state.status[held] = OPEN
    state.entry[held] = state.best[held] = candles.close[:, -2][ladder.sets.symbol[held]]
    state.entered[held] = state.closed_until - TIMEFRAME
    state.level[:] = random.choice(REAL, count, p=(0.7, 0.3))
    state.level_since[state.level >= MAIN] = state.closed_until - 3600
    return state


def store_large_ladder() -> None:
    """Store candles, a ladder of full size that lacks the last one, and the pointer to it."""
    world = wiring.world()
    world.connections.create(connection())
    command(world, DEFAULT_TENANT, NAME, "start", "test", "test")
    now = world.now()
    begin, symbols = int(now) - KEPT_BARS * TIMEFRAME, simulated_symbols(SYMBOLS)
    candles = MarketSimulator(7, Decimal("0.0004")).closed_candles(symbols, TIMEFRAME, begin, now)
    # Without volume nothing signals at the last candle: a cold tick that has signals to send stores nothing.
    candles.volume[:, -1] = 0.0
    world.objects.save_candles("binance", candles)
    ladder, _ = configured_ladder(world, connection())
    assert len(ladder.sets) == SETS
    engine = world.engines.acquire(SUBJECT, "strategy", "test", now, 55.0, int(now) - 60)
    assert isinstance(engine, Engine)
    fence = engine.lease("strategy").fence
    state = full_state(ladder, candles)
    world.objects.save_ladder(DEFAULT_TENANT, NAME, to_snapshot(ladder, state, 1, fence))
    pointer = LadderPointer(1, fence, state.closed_until, now - 3600, int(candles.open_time[0]))
    changed = replace(engine, ladder=pointer, last_candle=state.closed_until)
    world.engines.save(changed, "strategy", fence, int(now) - 60, ("ladder", "last_candle"))


def step(folder: Path) -> tuple[Figures, LadderPointer]:
    """Load the ladder cold, step over the last candle and store it again."""
    function = Function("decision_tick", "decision-tick")
    tick = Tick("strategy", SUBJECT, int(wiring.world().now()))
    figures = run(function.command(function.write_event(folder, NAME, tick)), function.name)
    engine = wiring.world().engines.get(SUBJECT)
    assert engine is not None
    return figures, engine.ladder


def look(folder: Path) -> Figures:
    """Ask for the longest page there is."""
    asked = {"connection_id": NAME, "limit": "500"}
    caller = {"tenant": DEFAULT_TENANT, "subject": "ann", "roles": "viewer"}
    path = folder / "request.json"
    path.write_text(json.dumps(rest_event("GET", "/ladder", authorizer=caller, query=asked)))
    return run([sys.executable, "-c", CHILD, str(path)])


def memory_of(function: str) -> int:
    """Return what production gives a function, in megabytes."""
    config = json.loads((CHALICE / "config.json").read_text(encoding="utf-8"))
    own = config["stages"]["prod"]["lambda_functions"][function]
    return int(own.get("lambda_memory_size", config["lambda_memory_size"]))


def test_a_ladder_of_full_size_fits_into_the_functions_of_production() -> None:
    with emulated() as folder:
        store_large_ladder()
        seen = look(folder)
        stepped, pointer = step(folder)

    assert (seen["status"], seen["shown"]) == (200, 500)
    assert seen["bytes"] <= MOST_BYTES, seen
    assert seen["megabytes"] <= MOST_OF_MEMORY * memory_of("api_handler"), seen
    assert pointer.version == 2, "it was loaded, stepped over and stored"
    assert stepped["megabytes"] <= MOST_OF_MEMORY * memory_of("decision_tick"), stepped
