"""What an account at an exchange holds and can do, as its venue reports it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from chalicelib.domain.order import Fill
from chalicelib.domain.signal import Direction

MarginMode = Literal["cross", "isolated"]
PositionMode = Literal["one_way", "hedge"]


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """One open position; `quantity` above 0. On spot it is what the account holds of the base currency."""

    symbol: str
    direction: Direction
    quantity: Decimal
    entry_price: Decimal | None = None
    unrealised: Decimal | None = None
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity if self.direction == "long" else -self.quantity


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """One trade of the account with the exchange's id of its order."""

    venue_order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class Balance:
    """Money in quote currency: `cash` is settled, before unrealised profit; `free` is open to new orders."""

    cash: Decimal
    free: Decimal


@dataclass(frozen=True, slots=True)
class Funding:
    """One payment between the two sides of a swap; `amount` in quote currency, positive if received."""

    payment_id: str
    symbol: str
    amount: Decimal
    time: float


@dataclass(frozen=True, slots=True)
class KeyPermissions:
    """What an API key may do; None where the exchange does not tell."""

    trade: bool | None
    withdraw: bool | None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a venue can do.

    `native_stops`: stop orders rest at the venue. `rejects_duplicates`: a client order id is taken once.
    `finds_by_client_id`: an order can be asked for by our id. `resend_after_absence`: an order that is proved
    absent may be sent again by the engine itself.
    """

    native_stops: bool
    rejects_duplicates: bool
    finds_by_client_id: bool
    resend_after_absence: bool
    hedge: bool


PAPER = Abilities(
    native_stops=False,
    rejects_duplicates=True,
    finds_by_client_id=True,
    resend_after_absence=True,
    hedge=False,
)
"""The paper exchange watches exits in the engine, as a venue without stop orders does."""
