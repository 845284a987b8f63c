"""Matching of the paper exchange, pure: what becomes of an order at the prices of now and of closed candles.

Market orders and marketable limit orders fill at the ticker's side plus slippage against the taker (never
worse than the limit). Other orders rest until a candle that opened at or after their placement trades
through them. The fee is a rate of the notional in quote currency, the same for maker and taker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from chalicelib.domain.connection import PaperTerms
from chalicelib.domain.market import Market, Ticker, floor_to_step, round_to_step
from chalicelib.domain.matching_checks import Refusal, fee_of, refusal, room_to_reduce, short_of_funds
from chalicelib.domain.order import TERMINAL, Fill, OrderState
from chalicelib.domain.paper import FLAT, PaperAccount, PaperOrder, apply_fill
from chalicelib.domain.replacing import replace

if TYPE_CHECKING:
    from chalicelib.domain.candles import Candles

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Booked:
    """What a step of matching changed: the account, and the orders that are to be stored with it."""

    account: PaperAccount
    orders: tuple[PaperOrder, ...]


@dataclass(frozen=True, slots=True)
class _Touch:
    """The first trade of a candle through a resting order; `bar` orders touches in time."""

    bar: int
    price: Decimal
    time: float


def place(
    account: PaperAccount,
    order: PaperOrder,
    market: Market,
    tickers: Mapping[str, Ticker],
    terms: PaperTerms,
    resting: Sequence[PaperOrder],
    now: float,
    share: Decimal = ONE,
) -> Booked | Refusal:
    """Accept a new order and fill it if it trades at once, or say as an exchange does why not.

    `tickers` has the order's symbol and, on swaps, marks the other holdings (one without a ticker counts at
    its entry price). `resting` are the account's open orders. `share` below 1 fills only that part of what
    would fill at once; the rest stays open.
    """
    price = taker_price(order, market, tickers[order.symbol], terms)
    problem = refusal(account, order, market, tickers, terms, resting, price)
    if problem:
        return problem
    quantity = order.quantity
    if order.reduce_only:
        quantity = min(quantity, room_to_reduce(account, order, resting))
    venue_order_id = f"{account.connection_id}-{account.next_order}"
    order = replace(order, quantity=quantity, venue_order_id=venue_order_id)
    account = replace(account, next_order=account.next_order + 1)
    orphans: tuple[PaperOrder, ...] = ()
    if marketable(order, tickers[order.symbol]):
        quantity = floor_to_step(order.quantity * share, market.amount_step) if share < 1 else order.quantity
        account, order = _fill(account, order, quantity, price, now, market, terms)
        account, orphans = _expire_orphans(account, resting, order.symbol, now)
    return Booked(_listed(account, order), (order, *orphans))


def cancel(account: PaperAccount, order: PaperOrder, now: float) -> Booked:
    """End an open order; its fills stay."""
    ended = _ended(order, OrderState.CANCELED, now)
    return Booked(_listed(account, ended), (ended,))


def match(
    account: PaperAccount,
    resting: Sequence[PaperOrder],
    candles: Candles,
    markets: Mapping[str, Market],
    terms: PaperTerms,
) -> Booked:
    """Fill resting orders from closed candles in the order of time, then of acceptance.

    Candles before `matched_until` were matched already and are passed over, so a repeated match changes
    nothing. Candles without volume traded nothing and fill nothing.
    """
    # Not before: with candles comes numpy, which nobody needs to place an order.
    from chalicelib.domain.candles import last_close_time

    rows = {symbol: row for row, symbol in enumerate(candles.symbols)}
    touches = [
        (touch.bar, position, touch)
        for position, order in enumerate(resting)
        if (touch := _first_touch(order, candles, rows[order.symbol], account.matched_until, terms, markets))
    ]
    current = {order.client_order_id: order for order in resting}
    changed: dict[str, PaperOrder] = {}
    for _, position, touch in sorted(touches, key=lambda item: item[:2]):
        order = current[resting[position].client_order_id]
        others = [other for other in current.values() if other.state not in TERMINAL and other is not order]
        account, filled = _fill_resting(account, order, touch, markets[order.symbol], terms, others)
        account, orphans = _expire_orphans(account, others, order.symbol, touch.time)
        for after in (filled, *orphans):
            current[after.client_order_id] = changed[after.client_order_id] = after
    # Only as far as every symbol has candles: one that comes late is still to be matched.
    until = max(account.matched_until, int(last_close_time(candles).min()))
    return Booked(replace(account, matched_until=until), tuple(changed.values()))


def marketable(order: PaperOrder, ticker: Ticker) -> bool:
    """Tell whether the order trades at once at these prices."""
    if order.price is None:
        return True
    return order.price >= ticker.ask if order.side == "buy" else order.price <= ticker.bid


def taker_price(order: PaperOrder, market: Market, ticker: Ticker, terms: PaperTerms) -> Decimal:
    """Return what a taker pays or gets: the ticker's side plus slippage, no worse than the limit."""
    price = _slipped(order, ticker.ask if order.side == "buy" else ticker.bid, market, terms)
    if order.price is None:
        return price
    return min(price, order.price) if order.side == "buy" else max(price, order.price)


def _slipped(order: PaperOrder, price: Decimal, market: Market, terms: PaperTerms) -> Decimal:
    step = market.price_step
    if order.side == "buy":
        return (price * (1 + terms.slippage) / step).to_integral_value(ROUND_UP) * step
    return max(floor_to_step(price * (1 - terms.slippage), step), step)


def _first_touch(
    order: PaperOrder,
    candles: Candles,
    row: int,
    matched_until: int,
    terms: PaperTerms,
    markets: Mapping[str, Market],
) -> _Touch | None:
    """Return where the candles first trade through the order: at their open if that is beyond the limit."""
    opened = candles.open_time
    eligible = (opened >= order.created_at) & (opened >= matched_until) & (candles.volume[row] > 0)
    if order.price is not None:
        limit = float(order.price)
        through = candles.low[row] <= limit if order.side == "buy" else candles.high[row] >= limit
        eligible &= through
    (bars,) = eligible.nonzero()
    if not bars.size:
        return None
    bar = int(bars[0])
    market = markets[order.symbol]
    first = round_to_step(Decimal(str(float(candles.open[row, bar]))), market.price_step)
    opens_at, closes_at = float(opened[bar]), float(opened[bar] + candles.timeframe)
    if order.price is None:
        return _Touch(bar, _slipped(order, first, market, terms), opens_at)
    beyond = first <= order.price if order.side == "buy" else first >= order.price
    return _Touch(bar, first, opens_at) if beyond else _Touch(bar, order.price, closes_at)


def _fill_resting(
    account: PaperAccount,
    order: PaperOrder,
    touch: _Touch,
    market: Market,
    terms: PaperTerms,
    others: Sequence[PaperOrder],
) -> tuple[PaperAccount, PaperOrder]:
    """Fill what is left of a resting order, or end it where the account no longer lets it fill.

    Nothing is left of one that ended earlier in the same match.
    """
    quantity = order.remaining
    if order.reduce_only:
        quantity = min(quantity, room_to_reduce(account, order, ()))
    # A limit order's funds were held back from its placement on; the price of a market order's rest was open.
    unfunded = order.price is None and short_of_funds(
        account, order, quantity, touch.price, others, terms, {}
    )
    if quantity > 0 and not unfunded:
        account, order = _fill(account, order, quantity, touch.price, touch.time, market, terms)
    if order.state not in TERMINAL:
        order = _ended(order, OrderState.EXPIRED, touch.time)
    return _listed(account, order), order


def _fill(
    account: PaperAccount,
    order: PaperOrder,
    quantity: Decimal,
    price: Decimal,
    time: float,
    market: Market,
    terms: PaperTerms,
) -> tuple[PaperAccount, PaperOrder]:
    if quantity <= 0:
        return account, order
    fill = Fill(
        trade_id=f"{account.connection_id}-t{account.next_trade}",
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price=price,
        fee=fee_of(quantity, price, terms),
        fee_currency=market.quote,
        time=time,
    )
    account = apply_fill(account, fill)
    done = order.filled + quantity >= order.quantity
    state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
    return account, replace(order, fills=(*order.fills, fill), state=state, updated_at=time)


def _expire_orphans(
    account: PaperAccount, resting: Sequence[PaperOrder], symbol: str, time: float
) -> tuple[PaperAccount, tuple[PaperOrder, ...]]:
    """End reduce-only orders whose position is gone: they must not meet the next position."""
    if account.holdings.get(symbol, FLAT).quantity:
        return account, ()
    orphans = tuple(
        _ended(order, OrderState.EXPIRED, time)
        for order in resting
        if order.reduce_only and order.symbol == symbol
    )
    for order in orphans:
        account = _listed(account, order)
    return account, orphans


def _ended(order: PaperOrder, state: OrderState, time: float) -> PaperOrder:
    return replace(order, state=state, updated_at=time)


def _listed(account: PaperAccount, order: PaperOrder) -> PaperAccount:
    """Keep `open_orders` in step with an order's state."""
    listed = order.client_order_id in account.open_orders
    if listed is (order.state not in TERMINAL):
        return account
    if not listed:
        return replace(account, open_orders=(*account.open_orders, order.client_order_id))
    others = tuple(one for one in account.open_orders if one != order.client_order_id)
    return replace(account, open_orders=others)
