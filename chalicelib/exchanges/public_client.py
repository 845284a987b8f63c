"""A ccxt-style client without a key, and what its errors mean; made for the public feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chalicelib.errors import Retryable, UsageError
from chalicelib.exchanges.ccxt_loader import ccxt_errors, load_exchange_class
from chalicelib.exchanges.quirks import quirks_of

if TYPE_CHECKING:
    from chalicelib.domain.market import MarketType
    from chalicelib.exchanges.pace import Pace

TIMEOUT = 10.0
_MARKET_KINDS: Mapping[MarketType, str] = {"spot": "spot", "swap": "linear"}


def public_client(exchange: str, market_type: MarketType) -> Any:
    client = load_exchange_class(exchange)(
        {
            "timeout": int(TIMEOUT * 1000),
            "enableRateLimit": False,
            # Never `defaultType` swap: it turns BTC/USDT into the perpetual without a word.
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": [_MARKET_KINDS[market_type]]},
                **quirks_of(exchange).options,
            },
        }
    )
    client.has["fetchCurrencies"] = False
    client.fetch = _json_only(client.fetch)
    return client


def _json_only(fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a body that is no JSON object or list: ccxt hands on HTML or null as "no candles"."""

    def checked(*arguments: Any, **named: Any) -> Any:
        body = fetch(*arguments, **named)
        if not isinstance(body, (dict, list)):
            raise ValueError(f"the body is no JSON object or list: {str(body)[:80]!r}")
        return body

    return checked


@contextmanager
def translated(exchange: str, pace: Pace | None, client: Any = None) -> Iterator[None]:
    """Turn what ccxt raises into our errors: reading public data again is always safe.

    After a limit was reached `pace` holds for as long as the last answer to `client` says.
    """
    errors = ccxt_errors()
    try:
        yield
    except errors.BadSymbol as error:
        raise UsageError(f"{exchange} does not know the symbol: {error}") from error
    except (errors.RateLimitExceeded, errors.DDoSProtection) as error:
        if pace:
            pace.hold(_told_pause(client))
        raise Retryable(f"{exchange}: the rate limit is reached: {error}") from error
    # A body that is not what was asked for (HTML, null) makes ccxt's parsers fail with Python's own errors.
    except (errors.BaseError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise Retryable(f"{exchange} did not answer as it should: {type(error).__name__}: {error}") from error


def _told_pause(client: Any) -> float | None:
    """Return the seconds in the header Retry-After of the client's last answer; None without one."""
    headers = getattr(client, "last_response_headers", None) or {}
    stated = next((str(text) for name, text in headers.items() if name.lower() == "retry-after"), "")
    return float(stated) if stated.replace(".", "", 1).isdigit() else None
