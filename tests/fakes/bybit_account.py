"""Bybit's routes of the account: what the key may do, the unified balance, payments, currencies."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.fakes.bybit_words import (
    BAD_PARAMETER,
    envelope,
    market_id,
    milliseconds,
    number_to_id,
    plain,
    refuse,
)
from tests.fakes.core import FakeExchange
from tests.fakes.core_accounts import Account, Key
from tests.fakes.core_values import Payment
from tests.fakes.wire import Call, Route

_TRADE_PERMISSIONS = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"]}
_OTHER_PERMISSIONS = ("Options", "CopyTrading", "BlockTrade", "NFT", "Affiliate", "Earn")


class AccountRoutes:
    """The handlers."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange

    def routes(self) -> Iterable[Route]:
        for path, name, handler in (
            ("/v5/user/query-api", "permissions", self.permissions),
            ("/v5/account/info", "account", self.account),
            ("/v5/account/wallet-balance", "balance", self.balance),
            ("/v5/account/transaction-log", "payments", self.transactions),
            ("/v5/asset/coin/query-info", "currencies", self.currencies),
        ):
            yield Route(method="GET", path=path, name=name, handler=handler, private=True, group=name)

    def permissions(self, call: Call) -> Any:
        """Return what the key may do, in the words of a unified account."""
        key = call.key or Key(key="", secret="")
        return self._answer(
            {
                "id": "13770661",
                "note": "",
                "apiKey": key.key,
                "readOnly": 0 if key.trade or key.withdraw else 1,
                "secret": "",
                "permissions": {
                    **{name: rights if key.trade else [] for name, rights in _TRADE_PERMISSIONS.items()},
                    "Wallet": ["AccountTransfer", *(["Withdraw"] if key.withdraw else [])],
                    "Derivatives": ["DerivativesTrade"] if key.trade else [],
                    "Exchange": ["ExchangeHistory"],
                    **{name: [] for name in _OTHER_PERMISSIONS},
                },
                "ips": ["*"],
                "type": 1,
                "deadlineDay": 66,
                "expiredAt": "2030-12-22T07:20:25Z",
                "createdAt": "2022-10-16T02:24:40Z",
                "unified": 0,
                "uta": 1,
                "userID": 24617703,
                "isMaster": True,
                "parentUid": "0",
            }
        )

    def account(self, call: Call) -> Any:
        cross = call.owner.default_margin_mode == "cross"
        return self._answer(
            {
                "marginMode": "REGULAR_MARGIN" if cross else "ISOLATED_MARGIN",
                "updatedTime": milliseconds(self._exchange.now),
                "unifiedMarginStatus": 6,
                "dcpStatus": "OFF",
                "timeWindow": 10,
                "smpGroup": 0,
                "isMasterTrader": False,
                "spotHedgingStatus": "OFF",
            }
        )

    def balance(self, call: Call) -> Any:
        """Return the unified wallet with the coins that there are, or those asked for."""
        if call.parameters.get("accountType") != "UNIFIED":
            refuse(self._exchange.now, BAD_PARAMETER, "accountType only support UNIFIED.")
        owner = call.owner
        wanted = str(call.parameters.get("coin") or "")
        coins = [
            self._coin(owner, currency)
            for currency in owner.wallets["spot"]
            if (currency in wanted.split(",") if wanted else owner.total("spot", currency))
        ]
        whole = self._whole(owner, sum((Decimal(coin["usdValue"]) for coin in coins), Decimal(0)))
        return self._answer({"list": [{**whole, "accountType": "UNIFIED", "accountLTV": "0", "coin": coins}]})

    def transactions(self, call: Call) -> Any:
        """Return payments newest first; funding that was paid is negative here, unlike in executions."""
        asked = call.parameters
        rows = [
            _transaction(payment)
            for payment in reversed(call.owner.payments)
            if payment.kind != "fee"
            and payment.time * 1000 >= int(asked.get("startTime") or (self._exchange.now - 86_400) * 1000)
            and asked.get("type") in (None, "", _TRANSACTION_TYPES[payment.kind])
        ]
        return self._answer({"list": rows[: min(50, int(asked.get("limit") or 20))], "nextPageCursor": ""})

    def currencies(self, call: Call) -> Any:
        names = sorted(
            {name for listing in self._exchange.markets.values() for name in (listing.base, listing.quote)}
        )
        rows = [
            {"name": name, "coin": name, "remainAmount": "1000", "chains": [_chain(name)]} for name in names
        ]
        return self._answer({"rows": rows})

    def _whole(self, owner: Account, equity: Decimal) -> dict[str, str]:
        """Return the whole account in dollars: under isolated margin most of it is empty."""
        held, profit = self._held(owner), owner.unrealised(self._exchange.last)
        whole = {
            "totalWalletBalance": plain(equity - profit),
            "totalMarginBalance": plain(equity),
            "totalAvailableBalance": plain(owner.available_margin("USDT", self._exchange.last)),
            "totalInitialMargin": plain(held + owner.order_margin()),
            "totalMaintenanceMargin": plain(held / 10),
            "totalPerpUPL": plain(profit),
            "accountIMRate": "0",
            "accountMMRate": "0",
        }
        if owner.default_margin_mode == "isolated":
            whole = dict.fromkeys(whole, "")
        return whole | {"totalEquity": plain(equity)}

    def _coin(self, owner: Account, currency: str) -> dict[str, Any]:
        exchange, quote = self._exchange, currency == "USDT"
        profit = owner.unrealised(exchange.last) if quote else Decimal(0)
        held = self._held(owner)
        total = owner.total("spot", currency)
        price = Decimal(1) if quote else exchange.last(f"{currency}/USDT")
        return {
            "coin": currency,
            "equity": plain(total + profit),
            "usdValue": plain((total + profit) * price),
            "walletBalance": plain(total),
            "locked": plain(owner.locked(currency)),
            "borrowAmount": "0",
            "accruedInterest": "0",
            "totalOrderIM": plain(owner.order_margin()) if quote else "0",
            "totalPositionIM": plain(held) if quote else "0",
            "totalPositionMM": plain(held / 10) if quote else "0",
            "unrealisedPnl": plain(profit),
            "cumRealisedPnl": "0",
            "bonus": "0",
            "marginCollateral": True,
            "collateralSwitch": quote,
            "availableToWithdraw": "",
            "availableToBorrow": "",
            "spotHedgingQty": "0",
        }

    def _held(self, owner: Account) -> Decimal:
        """Return the margin of all positions."""
        last = self._exchange.last
        return sum(
            (owner.position_margin(held, last(held.symbol)) for held in owner.open_positions()), Decimal(0)
        )

    def _answer(self, result: Any) -> Any:
        return envelope(result, self._exchange.now)


_TRANSACTION_TYPES = {"funding": "SETTLEMENT", "realised": "TRADE"}


def _transaction(payment: Payment) -> dict[str, str]:
    funding = payment.kind == "funding"
    return {
        "id": str(payment.id),
        "symbol": market_id(payment.symbol),
        "category": "linear",
        "type": _TRANSACTION_TYPES[payment.kind],
        "currency": payment.currency,
        "transactionTime": milliseconds(payment.time),
        "funding": plain(payment.amount) if funding else "",
        "cashFlow": "0" if funding else plain(payment.amount),
        "change": plain(payment.amount),
        "fee": "0",
        "tradeId": number_to_id(payment.symbol, payment.trade_id or payment.id),
    }


def _chain(name: str) -> dict[str, str]:
    return {
        "chainType": name,
        "chain": name,
        "confirmation": "1",
        "withdrawFee": "0.1",
        "depositMin": "0",
        "withdrawMin": "1",
        "chainDeposit": "1",
        "chainWithdraw": "1",
        "minAccuracy": "8",
    }
