"""The trading rules and prices that a venue needs, from a market feed; its errors leave as venue errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from chalicelib.domain.market import split_symbol
from chalicelib.errors import Retryable, UsageError, VenueNotSent, VenueRejected

if TYPE_CHECKING:
    from decimal import Decimal

    from chalicelib.domain.market import Market, MarketType, Ticker

T = TypeVar("T")


class Rules(Protocol):
    """The part of a market feed that a venue needs."""

    def markets(self, symbols: Sequence[str]) -> Mapping[str, Market]: ...
    def tickers(self, symbols: Sequence[str], now: float) -> Mapping[str, Ticker]: ...
    def rules_client(self, market_type: MarketType) -> Any:
        """Return the public ccxt client that holds the present trading rules."""

    def wait(self, weight: int) -> None:
        """Wait for the next free moment of this address; Retryable while the exchange holds it off."""

    def hold(self, seconds: float | None = None) -> None:
        """Let no request of this address through for so long, or for a while."""

    def outdated(self, market_type: MarketType) -> None:
        """Hear that the trading rules may have changed; they are read again, at most once a minute."""


class RuleBook:
    """The rules of one market type. What the feed cannot tell now means that nothing was sent."""

    def __init__(self, rules: Rules, market_type: MarketType) -> None:
        self._rules = rules
        self._type = market_type

    def market(self, symbol: str) -> Market:
        """Return the rules of a symbol; VenueRejected if it is not traded, or on another type of market."""
        if split_symbol(symbol)[2] != self._type:
            raise VenueRejected(f"the connection trades {self._type} markets, not {symbol}", "BAD_SYMBOL")
        return self._read(lambda: self._rules.markets((symbol,)))[symbol]

    def last_price(self, symbol: str, now: float) -> Decimal | None:
        """Return the last price; None if there is none."""
        ticker = self._read(lambda: self._rules.tickers((symbol,), now)).get(symbol)
        return ticker.last if ticker else None

    def source(self) -> Any:
        """Return the public ccxt client that holds the present rules."""
        return self._read(lambda: self._rules.rules_client(self._type))

    def outdated(self) -> None:
        """Let the rules be read anew."""
        self._rules.outdated(self._type)

    def _read(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except Retryable as error:
            raise VenueNotSent(f"the trading rules cannot be read: {error}", "NOT_CONNECTED") from error
        except UsageError as error:
            raise VenueRejected(str(error), "BAD_SYMBOL") from error
