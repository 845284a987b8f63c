"""Backtest results for the tests of the report page: recorded candles, traded by a crossing of averages."""

from dataclasses import replace

import numpy as np

from chalicelib.backtest.result import BacktestResult, LadderHistory
from chalicelib.domain.candles import Candles, between, filled
from chalicelib.domain.performance import ClosedTrades, EquityCurve, summarise
from chalicelib.local.candle_files import read_candles
from tests.shared import shared_path

START, END = 1613001600, 1619740800  # 2021-02-11 to 2021-04-30, UTC
CAPITAL, NOTIONAL, FEE = 10_000.0, 600.0, 0.001
LONGEST, STOP = 72, 0.06


def recorded(symbols: int = 14) -> Candles:
    """Return hourly candles of the best-known symbols, eleven weeks of them."""
    candles = read_candles(shared_path("data/ohlcv/binance_spot"), "1h", symbols, START, END)
    return between(candles, START, END)


def traded(candles: Candles) -> BacktestResult:
    """Return the result of entering where a fast average crosses a slow one, with a stop and a time limit."""
    close = filled(candles).close
    rows = [trade for row in range(len(candles.symbols)) for trade in _trades(close[row], row)]
    rows.sort(key=lambda trade: (trade[2], trade[0]))
    row, opened, closed, direction = (np.array(column) for column in list(zip(*rows, strict=True))[:4])
    trades = _booked(candles, close, row, opened, closed, direction, tuple(trade[4] for trade in rows))
    equity, exposure = np.full(candles.bars, CAPITAL), np.zeros(candles.bars)
    for place in range(len(rows)):
        held = slice(opened[place], closed[place])
        value = close[row[place], held] * trades.quantity[place]
        exposure[held] += value
        equity[held] += direction[place] * (value - NOTIONAL)
        equity[closed[place] :] += trades.profit[place]
    curve = EquityCurve(candles.open_time + candles.timeframe, equity, exposure / equity)
    held_from = np.array([line[~np.isnan(line)][0] for line in close])
    benchmark = CAPITAL * np.nanmean(close / held_from[:, None], axis=0)
    return BacktestResult(
        title={"exchange": "binance", "timeframe": "1h", "strategy": "cross", "capital": "10,000"},
        candles=candles,
        curve=curve,
        trades=trades,
        benchmark=benchmark,
        refused={"max_positions": 41, "cooldown": 17, "spread_too_wide": 3},
        ladder=_ladder(curve),
        summary=summarise(curve, trades, benchmark, capital=CAPITAL),
    )


def without_trades(candles: Candles) -> BacktestResult:
    """Return the result of a backtest that never traded, its ladder off."""
    whole = traded(candles)
    columns = {field: getattr(whole.trades, field)[:0] for field in ClosedTrades.__dataclass_fields__}
    trades, flat = ClosedTrades(**columns), np.full(candles.bars, CAPITAL)
    curve = EquityCurve(whole.curve.time, flat, np.zeros(candles.bars))
    summary = summarise(curve, trades, whole.benchmark, capital=CAPITAL)
    return replace(whole, curve=curve, trades=trades, refused={}, ladder=None, summary=summary)


def _trades(close: np.ndarray, row: int) -> list[tuple[int, int, int, int, str]]:
    fast, slow = (np.convolve(close, np.ones(n) / n)[: len(close)] for n in (12, 48))
    above = fast > slow
    crossed = np.flatnonzero(above[1:] != above[:-1]) + 1
    found = []
    for begin, after in zip(crossed, [*crossed[1:], len(close) - 1], strict=True):
        if begin < 48 or begin >= len(close) - 2 or np.isnan(close[begin]):
            continue
        direction = 1 if above[begin] else -1
        path = direction * (close[begin + 1 : begin + LONGEST + 1] / close[begin] - 1)
        stops = np.flatnonzero(path <= -STOP)
        ends = [(int(after), "signal_reversal"), (begin + LONGEST, "time_limit")]
        ends += [(begin + 1 + int(stops[0]), "stop_loss")] if len(stops) else []
        end, reason = min(ends)
        if end < len(close):
            found.append((row, int(begin), end, direction, reason))
    return found


def _booked(candles, close, row, opened, closed, direction, reasons) -> ClosedTrades:
    entry, leave = close[row, opened], close[row, closed]
    quantity = NOTIONAL / entry
    fees = FEE * quantity * (entry + leave)
    profit = direction * quantity * (leave - entry) - fees
    return ClosedTrades(
        symbol=tuple(candles.symbols[one] for one in row),
        strategy=tuple("cross(12,48) long" if one > 0 else "cross(12,48) short" for one in direction),
        exit_reason=reasons,
        direction=direction.astype(np.int8),
        opened_at=candles.open_time[opened] + candles.timeframe,
        closed_at=candles.open_time[closed] + candles.timeframe,
        quantity=quantity,
        entry_price=entry,
        exit_price=leave,
        profit=profit,
        fees=fees,
        net_return=profit / NOTIONAL,
    )


def _ladder(curve: EquityCurve) -> LadderHistory:
    points = len(curve.time)
    main = (np.arange(points) * 300 // points) + (curve.equity > CAPITAL) * 40
    real = np.maximum(0, main - 220) // 3
    return LadderHistory(curve.time, np.stack((1000 - main - real, main, real), axis=1).astype(np.int64))
