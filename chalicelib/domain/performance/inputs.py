"""What performance is measured on: an equity curve and the closed trades; filled in by the backtest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """One point per candle, columns `[points]`.

    `time` is the epoch second at which the equity was marked to market, ascending.
    `equity` is in quote currency, `exposure` the notional of the open positions / equity.
    """

    time: Integers
    equity: Floats
    exposure: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ClosedTrades:
    """Closed positions, columns `[trades]`, in the order in which they closed.

    `direction` is +1 for long and -1 for short, times are epoch seconds, `profit` is net of fees and funding
    and like `fees` (paid: above 0) in quote currency; `net_return` is profit / entry notional.
    """

    symbol: tuple[str, ...]
    strategy: tuple[str, ...]
    exit_reason: tuple[str, ...]
    direction: NDArray[np.int8]
    opened_at: Integers
    closed_at: Integers
    quantity: Floats
    entry_price: Floats
    exit_price: Floats
    profit: Floats
    fees: Floats
    net_return: Floats
