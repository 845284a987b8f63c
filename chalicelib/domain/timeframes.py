"""Names of the candle lengths that exchanges know, and their seconds."""

from chalicelib.errors import UsageError

TIMEFRAMES = {"1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "1d": 86400}


def timeframe_seconds(name: str) -> int:
    """Return the seconds of a timeframe such as `5m`; raise UsageError with the known ones otherwise."""
    if name not in TIMEFRAMES:
        raise UsageError(f"unknown timeframe {name!r}: use one of {', '.join(TIMEFRAMES)}")
    return TIMEFRAMES[name]


def timeframe_name(seconds: int) -> str:
    """Return the name of a timeframe given in seconds."""
    return next(name for name, length in TIMEFRAMES.items() if length == seconds)
