"""The classes of which a backtest makes thousands of values; it lets them be made quickly."""

from chalicelib.domain.decision import Approved
from chalicelib.domain.engine import Account
from chalicelib.domain.market import Ticker
from chalicelib.domain.matching import Booked
from chalicelib.domain.order import Fill, Order, VenueOrder
from chalicelib.domain.paper import PaperAccount, PaperHolding, PaperOrder
from chalicelib.domain.position import Position
from chalicelib.domain.records import Fence
from chalicelib.domain.risk import EntryContext
from chalicelib.domain.signal import Signal
from chalicelib.domain.sizing import SizeRequest
from chalicelib.flows.orders import Placed
from chalicelib.flows.realtime_tick import Valuation
from chalicelib.flows.tick import Turn
from chalicelib.local.trades import Trade

MADE_BY_THE_THOUSAND = (
    Account,
    Approved,
    Booked,
    EntryContext,
    Fence,
    Fill,
    Order,
    PaperAccount,
    PaperHolding,
    PaperOrder,
    Placed,
    Position,
    Signal,
    SizeRequest,
    Ticker,
    Trade,
    Turn,
    Valuation,
    VenueOrder,
)
