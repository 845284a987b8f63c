"""The formats of candle files: which names they have, and who reads and writes them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chalicelib.domain.candles import Floats
from chalicelib.domain.market import MarketType
from chalicelib.errors import UsageError
from chalicelib.local.candles.arrow_files import read_feather, read_parquet
from chalicelib.local.candles.checks import first_fault
from chalicelib.local.candles.tables import CandleTable
from chalicelib.local.candles.text_files import counted_place, csv_place, read_csv, read_json
from chalicelib.local.symbols import unified_symbol


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is read: into a table [candles, 6], and what the place of a row in it is called."""

    read: Callable[[Path], Floats]
    place: Callable[[Path, int], str]


FORMATS: Mapping[str, Format] = {
    ".csv.gz": Format(read_csv, csv_place),
    ".csv": Format(read_csv, csv_place),
    ".parquet": Format(read_parquet, counted_place),
    ".feather": Format(read_feather, counted_place),
    ".json.gz": Format(read_json, counted_place),
    ".json": Format(read_json, counted_place),
}

_NAME = re.compile(
    r"(?P<pair>[^-]+)-(?P<timeframe>\d+[a-zA-Z]+)(?P<futures>-futures)?"
    rf"(?P<suffix>{'|'.join(re.escape(suffix) for suffix in FORMATS)})"
)
"""`BTCUSDT-5m.csv.gz`; freqtrade's `BTC_USDT-5m.feather` (spot) and `BTC_USDT_USDT-5m-futures.feather`.
Its mark prices and funding rates have other endings, and are no candles to trade on."""


def find_files(directory: Path, timeframe: str, market_type: MarketType) -> dict[str, Path]:
    """Return the candle files of a timeframe by unified symbol.

    Raises UsageError where two files hold the same symbol. A name that says it is of swaps goes before one
    that does not say.
    """
    told: dict[str, Path] = {}
    untold: dict[str, Path] = {}
    for path in sorted(directory.iterdir()):
        name = _NAME.fullmatch(path.name)
        if name is None or name["timeframe"] != timeframe:
            continue
        symbol, says = _symbol(name["pair"], bool(name["futures"]), market_type)
        if symbol is None:
            continue
        files = told if says else untold
        if symbol in files:
            raise UsageError(
                f"{files[symbol]} and {path} are both {timeframe} candles of {symbol}: remove one of them"
            )
        files[symbol] = path
    if market_type == "spot" and (both := sorted(told.keys() & untold.keys())):
        raise UsageError(
            f"{untold[both[0]]} and {told[both[0]]} are both {timeframe} candles of {both[0]}: "
            f"remove one of them"
        )
    return untold | told


def timeframes_of(directory: Path) -> list[str]:
    """Return the timeframes of which a directory has files."""
    names = (_NAME.fullmatch(path.name) for path in directory.iterdir())
    return sorted({name["timeframe"] for name in names if name})


def file_stem(symbol: str, timeframe: str) -> str:
    """Return the name without suffix under which candles of a symbol are kept."""
    pair, _, settled = symbol.partition(":")
    if settled:
        return f"{pair.replace('/', '_')}_{settled}-{timeframe}-futures"
    joined = pair.replace("/", "")
    plain = unified_symbol(joined, "spot") == symbol
    return f"{joined if plain else pair.replace('/', '_')}-{timeframe}"


def read_table(path: Path, step: int) -> CandleTable:
    """Read and check a candle file of a timeframe in seconds; UsageError names file, row, time and fault."""
    raw = format_of(path).read(path)
    if not len(raw):
        raise UsageError(f"{path}: the file has no candles: record some or remove it")
    if fault := first_fault(raw, step):
        row, problem = fault
        raise UsageError(f"{path}, {place(path, row)}: {problem}")
    # Checked times are whole multiples of the step, so dividing is exact.
    return CandleTable((raw[:, 0] / 1000).astype(np.int64), raw[:, 1:])


def format_of(path: Path) -> Format:
    """Return the format of a file that `find_files` gave."""
    return next(made for suffix, made in FORMATS.items() if path.name.endswith(suffix))


def place(path: Path, row: int) -> str:
    """Return what the place of a row is called in its file, such as `line 7`."""
    return format_of(path).place(path, row)


def _symbol(pair: str, futures: bool, market_type: MarketType) -> tuple[str | None, bool]:
    """Return the unified symbol, None if it is of the other market, and whether the name told the market."""
    parts = pair.split("_")
    if len(parts) == 1:
        wanted = not futures or market_type == "swap"
        return (unified_symbol(pair, market_type) if wanted else None), futures
    if len(parts) == 2 and not futures:
        return ("/".join(parts) if market_type == "spot" else None), True
    if len(parts) == 3 and market_type == "swap":
        return f"{parts[0]}/{parts[1]}:{parts[2]}", True
    return None, True
