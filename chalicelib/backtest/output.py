"""Writes the files of a backtest: report.json, trades.csv, equity.csv and report.html."""

from pathlib import Path
from typing import Any

from chalicelib.backtest.page import write_page
from chalicelib.backtest.result import BacktestResult
from chalicelib.domain.performance import to_plain
from chalicelib.local.report import peak_memory, write_report
from chalicelib.local.trades import Trade, iso, write_rows, write_trades

EQUITY_COLUMNS = ("time", "equity", "exposure", "buy_and_hold")


def write_files(
    result: BacktestResult, trades: tuple[Trade, ...], audit: dict[str, Any], seconds: float, out: Path
) -> None:
    """Write all four files into `out`, each all or nothing."""
    write_trades(trades, out / "trades.csv")
    curve = result.curve
    rows = zip(map(iso, curve.time.tolist()), curve.equity, curve.exposure, result.benchmark, strict=True)
    write_rows(out / "equity.csv", EQUITY_COLUMNS, ((at, *map(_plain, numbers)) for at, *numbers in rows))
    write_report(_report(result, audit, seconds), out / "report.json")
    write_page(result, out / "report.html")


def _report(result: BacktestResult, audit: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "options": dict(result.title),
        "statistics": to_plain(result.summary),
        "refused": dict(result.refused),
        "audit": audit,
        "wall_seconds": round(seconds, 3),
        "peak_rss_mb": peak_memory(),
    }


def _plain(number: float) -> str:
    return repr(round(float(number), 10))
