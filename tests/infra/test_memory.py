"""What the largest function holds in memory when it decides about a hundred symbols, in a fresh process."""

from decimal import Decimal
from pathlib import Path

import pytest

from chalicelib import wiring
from chalicelib.domain.candles import KEPT_BARS
from chalicelib.domain.engine import engine_subject
from chalicelib.domain.messages import Tick
from chalicelib.local.simulator import MarketSimulator, simulated_symbols
from chalicelib.settings import DEFAULT_TENANT
from tests.bench.bench_startup import Function, account, emulated, run

MEMORY_MEGABYTES = 512
SYMBOLS, TIMEFRAME = 100, 300

pytestmark = pytest.mark.system


def decide(folder: Path) -> dict[str, float]:
    """Run an indication and a strategy tick of a hundred symbols in a fresh process; return its figures."""
    symbols = simulated_symbols(SYMBOLS)
    account("large", symbols)
    world = wiring.world()
    now = world.now()
    market = MarketSimulator(7, Decimal("0.0004"))
    candles = market.closed_candles(symbols, TIMEFRAME, int(now) - KEPT_BARS * TIMEFRAME, now)
    assert candles.bars >= KEPT_BARS - 1
    world.objects.save_candles("binance", candles)
    subject, slot = engine_subject(DEFAULT_TENANT, "large"), int(now)
    function = Function("decision_tick", "decision-tick")
    ticks = (Tick("indication", subject, slot), Tick("strategy", subject, slot))
    figures = run(function.command(function.write_event(folder, "large", *ticks)), function.name)
    engine = world.engines.get(subject)
    assert engine is not None
    assert {kind for kind, beat in engine.beats.items() if beat.ok_at} >= {"indication", "strategy"}
    return figures


def test_a_hundred_symbols_take_less_than_half_of_the_memory() -> None:
    with emulated() as folder:
        figures = decide(folder)
    assert figures["megabytes"] <= MEMORY_MEGABYTES / 2, figures
