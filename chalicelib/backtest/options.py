"""The options of `cts backtest`: those of `cts run` that mean the same, and what is tried out."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from chalicelib.domain.connection import (
    Connection,
    PaperTerms,
    StrategyChoice,
    complete_intervals,
    validate,
)
from chalicelib.domain.market import MarketType
from chalicelib.domain.strategies import strategy_named
from chalicelib.domain.timeframes import TIMEFRAMES
from chalicelib.domain.trading_settings import DEFAULT_STRATEGIES, LadderChoice, RiskLimits
from chalicelib.errors import Rejected, UsageError
from chalicelib.local.options import (
    DATA_HELP,
    DEFAULT_SYMBOLS,
    DEFAULT_TIMEFRAME,
    PRESET_HELP,
    RunOptions,
    moment,
    preset_option,
    symbols_of,
    timeframe_of,
)

CONNECTION = "paper-1"
"""The account's name is that of a run's first account: ids of orders and positions are then the same."""


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What `cts backtest` was asked for; `market` are the options that choose candles and period."""

    market: RunOptions
    terms: PaperTerms
    strategies: Mapping[str, StrategyChoice] = field(default_factory=lambda: dict(DEFAULT_STRATEGIES))
    ladder: LadderChoice = field(default_factory=LadderChoice)
    breakers: bool = True
    out: Path | None = None
    quiet: bool = False

    def connection(self, symbols: tuple[str, ...], now: float) -> Connection:
        """Return the account that trades; UsageError says what can't be combined."""
        limits = RiskLimits() if self.breakers else RiskLimits(daily_loss=None, max_drawdown=None)
        connection = Connection(
            connection_id=CONNECTION,
            exchange=self.market.exchange,
            symbols=symbols,
            market_type=self.market.market_type,
            timeframe=self.market.timeframe,
            intervals=complete_intervals({}),
            ladder=self.ladder,
            paper=self.terms,
            risk=limits,
            created_at=now,
            strategies=self.strategies,
        )
        try:
            valid = validate(connection)
        except Rejected as error:
            raise UsageError(str(error)) from error
        if self.ladder.preset is not None:
            from chalicelib.local.preset_files import check_fits

            check_fits(self.ladder.preset, symbols, valid.timeframe_seconds)
        return valid


def register(commands: Any) -> None:
    """Add `cts backtest` to the commands of a parser."""
    parser = commands.add_parser(
        "backtest",
        help="trade recorded candles with the engine's own flows, in memory, and report",
        description="Trade recorded candles with the flows, risk gate, sizing and paper exchange of cts.",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help=f"recorded candles: {DATA_HELP}")
    add("--exchange", default="binance", metavar="NAME", help="exchange of the candles (default: binance)")
    add("--symbols", default=str(DEFAULT_SYMBOLS), metavar="N|LIST", help="how many, or BTC/USDT,ETH/USDT")
    add("--timeframe", default=DEFAULT_TIMEFRAME, metavar="T", help=f"{', '.join(TIMEFRAMES)} (default: 5m)")
    add("--from", dest="start", metavar="ISO", help="begin, UTC (default: two days before the end)")
    add("--to", dest="end", metavar="ISO", help="end, UTC (default: the end of the data)")
    add("--market-type", choices=("spot", "swap"), default="spot", help="spot (default) or perpetual swaps")
    add("--strategy", metavar="LIST", help="strategies that vote, such as trend,breakout (default: all)")
    add("--preset", type=Path, metavar="FILE", help=PRESET_HELP)
    add("--no-ladder", action="store_true", help="leave the ladder out: many times faster")
    add("--no-breakers", action="store_true", help="go on after a bad day and after a deep drawdown")
    add("--capital", metavar="N", help=f"cash at the start (default: {PaperTerms().cash})")
    add("--fee", metavar="RATIO", help=f"fee per side (default: {PaperTerms().fee_rate})")
    add("--slippage", metavar="RATIO", help=f"slippage per side (default: {PaperTerms().slippage})")
    add("--out", type=Path, metavar="DIR", help="write report.json, report.html, trades.csv and equity.csv")
    add("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(command=_run)


def _run(given: argparse.Namespace) -> int:
    options = options_of(given)
    # What a backtest needs takes time to import; a wrong option is told at once.
    from chalicelib.backtest.run import run

    return run(options)


def options_of(given: argparse.Namespace) -> BacktestOptions:
    """Return the options of a parsed command line; UsageError if they make no sense."""
    if not given.data.is_dir():
        raise UsageError(f"--data {given.data}: no such directory; name one with candle files")
    if given.out is not None and given.out.exists() and not given.out.is_dir():
        raise UsageError(f"--out {given.out} is a file: name a directory")
    if given.no_ladder and given.preset is not None:
        raise UsageError("--preset describes the ladder's sets: leave --no-ladder out")
    start, end = moment(given.start, "--from"), moment(given.end, "--to")
    if start is not None and end is not None and start >= end:
        raise UsageError("--from must be before --to")
    return BacktestOptions(
        market=RunOptions(
            data=given.data,
            exchange=given.exchange,
            symbols=symbols_of(given.symbols),
            timeframe=timeframe_of(given.timeframe),
            start=start,
            end=end,
            replay=True,
            market_type=cast(MarketType, given.market_type),
        ),
        terms=_terms(given),
        strategies=_strategies(given.strategy),
        ladder=LadderChoice(enabled=not given.no_ladder, preset=preset_option(given.preset)),
        breakers=not given.no_breakers,
        out=given.out,
        quiet=given.quiet,
    )


def _terms(given: argparse.Namespace) -> PaperTerms:
    standard = PaperTerms()
    return PaperTerms(
        cash=_number(given.capital, "--capital", standard.cash),
        fee_rate=_number(given.fee, "--fee", standard.fee_rate),
        spread=standard.spread,
        slippage=_number(given.slippage, "--slippage", standard.slippage),
    )


def _number(text: str | None, option: str, standard: Decimal) -> Decimal:
    if text is None:
        return standard
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(f"{option} {text!r} is no number of 0 or more")
    return number


def _strategies(text: str | None) -> Mapping[str, StrategyChoice]:
    if text is None:
        return dict(DEFAULT_STRATEGIES)
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return {strategy_named(name).name: StrategyChoice() for name in names}
    except Rejected as error:
        raise UsageError(f"--strategy: {error}") from error
