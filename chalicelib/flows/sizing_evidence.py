"""What sizing methods go by: average true ranges of stored candles, statistics of the last positions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from chalicelib.domain.connection import Connection
from chalicelib.domain.position import Position
from chalicelib.domain.sizing import NO_EVIDENCE, SizingEvidence
from chalicelib.errors import CtsError
from chalicelib.flows.world import World

LAST_POSITIONS = 100
"""How far back the statistics of Kelly's formula look: one page of the listing."""

Evidence = Mapping[str, SizingEvidence]
_FAILED = SizingEvidence(failed=True)


def sizing_evidence(world: World, connection: Connection, symbols: Sequence[str]) -> Evidence:
    """Return the evidence that the connection's method asks for, by symbol: at most 1 call.

    What cannot be read is marked as failed: the size is then a conservative one.
    """
    method = connection.sizing.method
    if method == "fixed_fraction":
        return {}
    try:
        if method == "kelly":
            return dict.fromkeys(symbols, _statistics(world, connection))
        return _ranges(world, connection, symbols)
    except (CtsError, ArithmeticError):
        world.metrics.count("sizing_evidence_failed", method=method)
        return dict.fromkeys(symbols, _FAILED)


def _statistics(world: World, connection: Connection) -> SizingEvidence:
    """Return wins and losses, after fees and funding, of the closed ones among the last positions."""
    page = world.records.list_positions(
        connection.tenant, connection.connection_id, LAST_POSITIONS, cursor=None
    )
    results = [_net(position) for position in page.items if position.state == "closed"]
    wins = [result for result in results if result > 0]
    return SizingEvidence(
        closed=len(results),
        wins=len(wins),
        gross_profit=sum(wins, Decimal(0)),
        gross_loss=-sum((result for result in results if result < 0), Decimal(0)),
    )


def _net(position: Position) -> Decimal:
    return position.realised - position.fees + position.funding


def _ranges(world: World, connection: Connection, symbols: Sequence[str]) -> Evidence:
    """Return the average true range at the last closed candle of each symbol."""
    # Indicators bring numpy and TA-Lib along: only this method should wait for them.
    from chalicelib.domain.indicators.volatility import atr

    candles = world.objects.load_candles(connection.exchange, connection.timeframe_seconds)
    if candles is None or not candles.bars:
        return {}
    ranges = atr(candles.high, candles.low, candles.close, connection.sizing.atr_period)[:, -1]
    rows = {symbol: row for row, symbol in enumerate(candles.symbols)}
    known = {symbol: float(ranges[rows[symbol]]) for symbol in symbols if symbol in rows}
    return {
        symbol: SizingEvidence(atr=Decimal(str(value))) if value > 0 else NO_EVIDENCE
        for symbol, value in known.items()
    }
