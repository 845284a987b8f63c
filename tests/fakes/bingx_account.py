"""BingX's routes of the swap account: balance, positions, payments, settings, and what the key may do."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Literal

from tests.fakes.bingx_market import currencies
from tests.fakes.bingx_words import (
    BAD_PARAMETER,
    CODES,
    answer,
    market_id,
    milliseconds,
    plain,
    refuse,
    swap_symbol,
    wire_id,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key, Position
from tests.fakes.core_values import Payment, Refused
from tests.fakes.wire import Call, Route

_INCOMES = {"funding": "FUNDING_FEE", "realised": "REALIZED_PNL", "fee": "TRADING_FEE"}
_MARGIN_MODES: dict[str, Literal["cross", "isolated"]] = {"CROSSED": "cross", "ISOLATED": "isolated"}

PERMISSIONS = {"spot": 1, "read": 2, "swap": 3, "transfer": 4, "withdraw": 5}
"""What a key's numbers of permission mean."""


class AccountRoutes:
    """The handlers."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange

    def routes(self) -> Iterable[Route]:
        dual, leverage = "/openApi/swap/v1/positionSide/dual", "/openApi/swap/v2/trade/leverage"
        margin = "/openApi/swap/v2/trade/marginType"
        table: tuple[tuple[str, str, str, Callable[[Call], Any]], ...] = (
            ("GET", "/openApi/v1/account/apiPermissions", "permissions", self.permissions),
            ("GET", "/openApi/wallets/v1/capital/config/getall", "currencies", self.currencies),
            ("GET", "/openApi/swap/v3/user/balance", "balance", self.balance),
            ("GET", "/openApi/swap/v2/user/positions", "positions", self.positions),
            ("GET", "/openApi/swap/v2/user/income", "payments", self.income),
            ("GET", leverage, "leverage", self.leverage),
            ("GET", margin, "margin_mode", self.margin_type),
            ("GET", dual, "position_mode", self.position_mode),
            ("POST", leverage, "set_leverage", self.set_leverage),
            ("POST", margin, "set_margin_mode", self.set_margin_type),
            ("POST", dual, "set_position_mode", self.set_position_mode),
        )
        for method, path, name, handler in table:
            yield Route(
                method=method,
                path=path,
                name=name,
                handler=handler,
                private=True,
                trades=method == "POST",
                group=name,
            )

    def permissions(self, call: Call) -> Any:
        """Return the key's permissions as numbers, without the envelope of all other answers."""
        key = call.key or Key(key="", secret="")
        held = [PERMISSIONS["read"]]
        held += [PERMISSIONS["spot"], PERMISSIONS["swap"]] if key.trade else []
        held += [PERMISSIONS["withdraw"]] if key.withdraw else []
        return {"apiKey": key.key, "permissions": sorted(held), "ipAddresses": [], "note": ""}

    def currencies(self, call: Call) -> Any:
        return currencies(self._exchange)

    def balance(self, call: Call) -> Any:
        """Return USDT, and USDC with empty figures, as accounts without any have it."""
        owner, last = call.owner, self._exchange.last
        cash, profit = owner.total("swap", "USDT"), owner.unrealised(last)
        used = sum(
            (owner.position_margin(held, last(held.symbol)) for held in owner.open_positions()), Decimal(0)
        )
        figures = {
            "balance": cash,
            "equity": cash + profit,
            "unrealizedProfit": profit,
            "realisedProfit": self._realised(owner),
            "availableMargin": owner.available_margin("USDT", last),
            "usedMargin": used,
            "freezedMargin": owner.order_margin(),
        }
        rows = [
            {"userId": "116", "asset": "USDT", **{name: plain(value) for name, value in figures.items()}},
            {"userId": "", "asset": "USDC", **dict.fromkeys(figures, "")},
        ]
        return answer([row | {"shortUid": "12851936"} for row in rows])

    def positions(self, call: Call) -> Any:
        """Return what is not flat; also in one-way mode a position says LONG or SHORT, never BOTH."""
        wanted = self._symbol(call) if call.parameters.get("symbol") else None
        held = [row for row in call.owner.open_positions() if wanted in (None, row.symbol)]
        return answer([self._position(call.owner, row) for row in held])

    def income(self, call: Call) -> Any:
        """Return payments, received ones positive."""
        asked = call.parameters
        wanted = self._symbol(call) if asked.get("symbol") else None
        since, until = int(asked.get("startTime") or 0), int(asked.get("endTime") or 2**63)
        rows = [
            _income(payment)
            for payment in reversed(call.owner.payments)
            if asked.get("incomeType") in (None, "", _INCOMES[payment.kind])
            and wanted in (None, payment.symbol)
            and since <= milliseconds(payment.time) <= until
        ]
        return answer(rows[: min(1000, int(asked.get("limit") or 100))])

    def leverage(self, call: Call) -> Any:
        symbol = self._symbol(call)
        now, most = call.owner.leverage_of(symbol), self._exchange.markets[symbol].max_leverage
        return answer(
            {
                "longLeverage": now,
                "shortLeverage": now,
                "maxLongLeverage": most,
                "maxShortLeverage": most,
            }
        )

    def set_leverage(self, call: Call) -> Any:
        """Set the leverage of a side, which must fit the position mode; both sides have the same here."""
        asked, hedge = call.parameters, call.owner.hedge
        symbol = self._symbol(call)
        if hedge and asked.get("side") not in ("LONG", "SHORT"):
            refuse(BAD_PARAMETER, "In the Hedge mode, the 'Side' field can only be set to LONG or SHORT.")
        if not hedge and asked.get("side") != "BOTH":
            refuse(BAD_PARAMETER, "In the One-way mode, the 'Side' field can only be set to BOTH.")
        leverage = int(asked.get("leverage") or 0)
        self._settled(self._exchange.set_leverage(call.owner, symbol, leverage), symbol)
        return answer({"leverage": leverage, "symbol": market_id(symbol)})

    def margin_type(self, call: Call) -> Any:
        cross = call.owner.margin_mode_of(self._symbol(call)) == "cross"
        return answer({"marginType": "CROSSED" if cross else "ISOLATED"})

    def set_margin_type(self, call: Call) -> Any:
        symbol = self._symbol(call)
        mode = _MARGIN_MODES.get(call.parameters.get("marginType", ""))
        if mode is None:
            refuse(BAD_PARAMETER, "marginType: This field must be ISOLATED or CROSSED.")
        self._settled(self._exchange.set_margin_mode(call.owner, symbol, mode), symbol)
        return {"code": 0, "msg": ""}

    def position_mode(self, call: Call) -> Any:
        return answer({"dualSidePosition": "true" if call.owner.hedge else "false"})

    def set_position_mode(self, call: Call) -> Any:
        wanted = call.parameters.get("dualSidePosition")
        if wanted not in ("true", "false"):
            refuse(BAD_PARAMETER, "dualSidePosition: This field is required.")
        refused = self._exchange.set_hedge(call.owner, wanted == "true")
        if refused is not None and refused.reason != "NOT_MODIFIED":
            refuse(104103, "Cannot switch position mode while positions or pending orders exist.")
        return answer({"dualSidePosition": wanted})

    def _settled(self, refused: Refused | None, symbol: str) -> None:
        """Refuse a setting; one that is as wished already is no error here."""
        if refused is not None and refused.reason != "NOT_MODIFIED":
            code, message = CODES[refused.reason]
            refuse(code, message.format(symbol=market_id(symbol)))

    def _symbol(self, call: Call) -> str:
        name = str(call.parameters.get("symbol", ""))
        if swap_symbol(name) not in self._exchange.markets:
            refuse(109425, f"{name} not exist, please verify it in api: /openApi/swap/v2/quote/contracts")
        return swap_symbol(name)

    def _realised(self, owner: Account) -> Decimal:
        return sum((paid.amount for paid in owner.payments if paid.kind == "realised"), Decimal(0))

    def _position(self, owner: Account, position: Position) -> dict[str, Any]:
        mark, size = self._exchange.last(position.symbol), abs(position.quantity)
        margin = owner.position_margin(position, mark)
        return {
            "positionId": str(wire_id(round(position.opened))),
            "symbol": market_id(position.symbol),
            "currency": "USDT",
            "positionAmt": plain(size),
            "availableAmt": plain(size),
            "positionSide": "LONG" if position.quantity > 0 else "SHORT",
            "isolated": owner.margin_mode_of(position.symbol) == "isolated",
            "avgPrice": plain(position.entry_price),
            "initialMargin": plain(margin),
            "margin": plain(margin + position.unrealised(mark)),
            "leverage": owner.leverage_of(position.symbol),
            "unrealizedProfit": plain(position.unrealised(mark)),
            "realisedProfit": "0",
            "liquidationPrice": float(owner.liquidation_price(position)),
            "pnlRatio": "0",
            "maxMarginReduction": "0",
            "riskRate": "0.01",
            "markPrice": plain(mark),
            "positionValue": plain(size * mark),
            "onlyOnePosition": not owner.hedge,
            "createTime": milliseconds(position.opened),
            "updateTime": milliseconds(position.updated),
        }


def _income(payment: Payment) -> dict[str, Any]:
    return {
        "symbol": market_id(payment.symbol),
        "incomeType": _INCOMES[payment.kind],
        "income": plain(payment.amount),
        "asset": payment.currency,
        "info": _INCOMES[payment.kind].replace("_", " ").title(),
        "time": milliseconds(payment.time),
        "tranId": str(payment.id),
        "tradeId": str(payment.trade_id or payment.id),
    }
