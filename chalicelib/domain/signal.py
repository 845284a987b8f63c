"""A signal: a wish to enter or leave, with confidence, reasons and the exits it asks for."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from chalicelib.domain.stored import sparse

Direction = Literal["long", "short"]
Action = Literal["enter", "leave"]
SignalStatus = Literal["emitted", "executed", "refused"]


@dataclass(frozen=True, slots=True)
class PartialExit:
    """One step of taking profit: at `gain` (a ratio of the entry price) sell `share` of what is held then."""

    gain: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True)
class ExitProfile:
    """Exits as ratios of the entry price; None switches one off. `time_limit` in seconds.

    `partial` are steps of taking profit before the last one, nearest first.
    """

    take_profit: Decimal | None = Decimal("0.02")
    stop_loss: Decimal | None = Decimal("0.01")
    trailing_distance: Decimal | None = None
    trailing_activation: Decimal | None = None
    time_limit: int | None = None
    partial: tuple[PartialExit, ...] = sparse(())


@dataclass(frozen=True, slots=True)
class Signal:
    """One wish of one source for one symbol; `outcome` is the reason code once it was decided.

    `checks` is the record of the risk gate (`risk.record`): how many checks of which table were made, and the
    failed ones with what they saw. `adjustments` says what changed its size, and why.
    """

    signal_id: str
    connection_id: str
    symbol: str
    action: Action
    direction: Direction
    source: str
    strategy: str
    confidence: float
    price: Decimal
    candle_time: int
    created_at: float
    correlation_id: str
    exits: ExitProfile
    reasons: tuple[str, ...] = ()
    status: SignalStatus = "emitted"
    outcome: str = ""
    checks: tuple[str, ...] = sparse(())
    adjustments: tuple[str, ...] = sparse(())
    client_order_id: str = ""
    revision: int = 0


def signal_id(symbol: str, source: str, strategy: str, action: str, direction: str, candle_time: int) -> str:
    """Return the id of a signal: sortable by candle, the same for the same wish."""
    return f"{candle_time:010d}-{symbol}-{source}-{strategy}-{action}-{direction}"
