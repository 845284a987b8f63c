"""Accounts of the exchange behind the wire: keys, wallets, positions, settings and what is free of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from tests.fakes.core_values import MarketType, Order, Payment, PositionSide, Trade

MAINTENANCE = Decimal("0.004")
"""Maintenance margin as a share of the notional value; decides the liquidation price only."""


@dataclass(slots=True, kw_only=True)
class Key:
    """An API key of an account and what it may do."""

    key: str
    secret: str
    passphrase: str = ""
    read: bool = True
    trade: bool = True
    withdraw: bool = False
    revoked: bool = False


@dataclass(slots=True)
class Position:
    """A swap position; `quantity` is signed (short below zero), also in hedge mode."""

    symbol: str
    side: PositionSide
    quantity: Decimal = Decimal(0)
    entry_price: Decimal = Decimal(0)
    opened: float = 0.0
    updated: float = 0.0

    def unrealised(self, price: Decimal) -> Decimal:
        return self.quantity * (price - self.entry_price)

    def apply(self, change: Decimal, price: Decimal, now: float) -> Decimal:
        """Add a trade's signed quantity; return the profit that it realised."""
        before, realised = self.quantity, Decimal(0)
        if before * change < 0:
            closed = min(abs(before), abs(change)) * (1 if before > 0 else -1)
            realised = closed * (price - self.entry_price)
            if abs(change) > abs(before):
                self.entry_price = price
        else:
            total = before + change
            self.entry_price = (before * self.entry_price + change * price) / total
        self.quantity = before + change
        self.updated = now
        if not before:
            self.opened = now
        if not self.quantity:
            self.entry_price = Decimal(0)
        return realised


@dataclass(slots=True)
class Account:
    """One customer: balances of the spot and the swap wallet (the same one if unified), positions, orders."""

    name: str
    keys: dict[str, Key] = field(default_factory=dict)
    wallets: dict[MarketType, dict[str, Decimal]] = field(default_factory=dict)
    fee_currency: str | None = None
    """Pay spot fees in this currency (`BNB`) as long as there is enough of it; None: in what is received."""
    hedge: bool = False
    default_leverage: int = 20
    default_margin_mode: Literal["cross", "isolated"] = "cross"
    leverage: dict[str, int] = field(default_factory=dict)
    margin_mode: dict[str, Literal["cross", "isolated"]] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)

    def leverage_of(self, symbol: str) -> int:
        return self.leverage.get(symbol, self.default_leverage)

    def margin_mode_of(self, symbol: str) -> Literal["cross", "isolated"]:
        return self.margin_mode.get(symbol, self.default_margin_mode)

    def total(self, wallet: MarketType, currency: str) -> Decimal:
        return self.wallets[wallet].get(currency, Decimal(0))

    def add(self, wallet: MarketType, currency: str, amount: Decimal) -> None:
        self.wallets[wallet][currency] = self.total(wallet, currency) + amount

    def position(self, symbol: str, side: PositionSide) -> Position:
        """Return the position, a flat one where there is none."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def open_positions(self) -> list[Position]:
        return [position for position in self.positions.values() if position.quantity]

    def open_orders(self, wallet: MarketType | None = None) -> list[Order]:
        return [
            order
            for order in self.orders.values()
            if order.is_open and (wallet is None or _wallet_of(order.symbol) == wallet)
        ]

    def locked(self, currency: str) -> Decimal:
        """Return how much of a currency open spot orders hold."""
        return sum((_held(order, currency) for order in self.open_orders("spot")), Decimal(0))

    def free(self, currency: str) -> Decimal:
        """Return how much of a currency a new spot order may use."""
        return self.total("spot", currency) - self.locked(currency)

    def unrealised(self, price_of: Callable[[str], Decimal]) -> Decimal:
        return sum((held.unrealised(price_of(held.symbol)) for held in self.open_positions()), Decimal(0))

    def position_margin(self, position: Position, price: Decimal) -> Decimal:
        return abs(position.quantity) * price / self.leverage_of(position.symbol)

    def order_margin(self) -> Decimal:
        """Return the margin that open swap orders hold: those that only reduce hold none."""
        return sum((self._margin_of(order) for order in self.open_orders("swap")), Decimal(0))

    def available_margin(self, currency: str, price_of: Callable[[str], Decimal]) -> Decimal:
        """Return what a new swap order may use as margin: wallet + unrealised profit - margins."""
        used = sum(
            (self.position_margin(held, price_of(held.symbol)) for held in self.open_positions()), Decimal(0)
        )
        locked = self.locked(currency) if self.wallets["spot"] is self.wallets["swap"] else Decimal(0)
        wallet = self.total("swap", currency) + self.unrealised(price_of)
        return wallet - used - self.order_margin() - locked

    def liquidation_price(self, position: Position) -> Decimal:
        """Estimate the price at which the margin of the position alone is used up; 0 when flat."""
        if not position.quantity:
            return Decimal(0)
        share = 1 / Decimal(self.leverage_of(position.symbol)) - MAINTENANCE
        return position.entry_price * (1 - share if position.quantity > 0 else 1 + share)

    def _margin_of(self, order: Order) -> Decimal:
        ticket = order.ticket
        if ticket.reduce_only or ticket.close_position or order.conditional or ticket.price is None:
            return Decimal(0)
        return order.remaining * ticket.price / self.leverage_of(order.symbol)


def spot_totals(accounts: Iterable[Account]) -> dict[str, Decimal]:
    """Return the sum of the spot wallets per currency (what deposits, trades and fees must explain)."""
    totals: dict[str, Decimal] = {}
    for account in accounts:
        for currency, amount in account.wallets["spot"].items():
            totals[currency] = totals.get(currency, Decimal(0)) + amount
    return totals


def _wallet_of(symbol: str) -> MarketType:
    return "swap" if ":" in symbol else "spot"


def _held(order: Order, currency: str) -> Decimal:
    base, quote = order.symbol.split("/")
    if order.side == "sell":
        return order.remaining if currency == base else Decimal(0)
    price = order.ticket.price or order.ticket.trigger_price or Decimal(0)
    return order.remaining * price if currency == quote else Decimal(0)
