"""The peculiarities of the five exchanges; the evidence is in the notes on exchanges beside the design.

Codes are those of the body: ccxt's classes follow the message text and the host name, and some are wrong
for us (a duplicate id is an InvalidOrder at Binance and Bybit, a clock skew a BadSymbol at BingX).
"""

from chalicelib.domain.market import MarketType
from chalicelib.exchanges.quirk_types import BalanceFields, Quirks, codes

_IDS = r"[A-Za-z0-9_-]{1,36}"
_SPOT_MARKET = frozenset({"clientOrderId"})
_SPOT_LIMIT = frozenset({"clientOrderId", "postOnly"})
_SWAP_MARKET = frozenset({"clientOrderId", "reduceOnly", "hedged"})
_SWAP_LIMIT = _SWAP_MARKET | {"postOnly"}
_SWAP_STOP = _SWAP_MARKET | {"stopLossPrice"}

_BOTH_TYPES: dict[MarketType, dict[str, str]] = {
    "spot": {"type": "spot"},
    "swap": {"type": "swap", "subType": "linear"},
}
_BYBIT_WALLET = BalanceFields(
    ("result", "list", 0, "coin"),
    "coin",
    "walletBalance",
    used=("totalOrderIM", "totalPositionIM", "locked"),
)

BINANCE = Quirks(
    exchange="binance",
    market_types=frozenset({"spot", "swap"}),
    requests_per_second=10.0,
    client_ids=r"[.A-Z:/a-z0-9_-]{1,36}",
    codes=codes(
        DUPLICATE="-4116",
        NOT_FOUND="-2011 -2013",
        NOT_MODIFIED="-4046 -4059",
        INSUFFICIENT_FUNDS="-2018 -2019",
        BAD_SYMBOL="-1121 -4108 -4141",
        INVALID_ORDER="-1013 -1111 -4003 -4004 -4005 -4013 -4014 -4016 -4023 -4024 -4029 -4030 -4131 -4164",
        REDUCE_ONLY="-2022 -4112 -4118",
        UNAUTHORIZED="-1002 -1022 -1099 -2008 -2014 -2015",
        CLOCK_SKEW="-1021 -4188 -5028",
        RATE_LIMIT="-1003 -1015",
        BUSY="-1008",
        UNKNOWN="-1000 -1001 -1006 -1007",
        REJECTED="-1100 -2010 -2020 -2021 -2027 -2028 -4028 -4047 -4048 -4061 -4067 -4068 -5022",
    ),
    messages=(
        ("duplicate order sent", "DUPLICATE"),
        ("insufficient balance", "INSUFFICIENT_FUNDS"),
        ("filter failure", "INVALID_ORDER"),
        ("system is under maintenance", "MAINTENANCE"),
    ),
    order_parameters={
        ("spot", "market"): _SPOT_MARKET,
        ("spot", "limit"): _SPOT_LIMIT,
        ("swap", "market"): _SWAP_MARKET,
        ("swap", "limit"): _SWAP_LIMIT,
        ("swap", "stop"): _SWAP_STOP | {"workingType"},
    },
    list_paths=frozenset(
        {
            "openOrders",
            "openAlgoOrders",
            "allOrders",
            "allAlgoOrders",
            "myTrades",
            "userTrades",
            "positionRisk",
            "income",
        }
    ),
    order_paths=("order", "algoOrder"),
    stop_parameters={"workingType": "CONTRACT_PRICE"},
    stop_lists=({"trigger": True},),
    trigger_flag={"trigger": True},
    # The same id is refused among open orders only: a market order that filled could be filled twice. The
    # executor looks up before it sends again, here as anywhere.
    closed_method="fetch_orders",
    page=500,
    scopes=_BOTH_TYPES,
    balances={"swap": BalanceFields(("assets",), "asset", "walletBalance", "availableBalance")},
    options={
        "fetchMargins": False,
        "recvWindow": 10_000,
        "disableFuturesSandboxWarning": True,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        # Only for maintenance margins, which nobody here reads: saves a request before the first positions.
        "leverageBrackets": {},
    },
    testnet=True,
    weights={
        "private GET account": 20,
        "private GET order": 4,
        "private GET openOrders": 80,
        "private GET openOrders of symbol": 6,
        "private GET allOrders": 20,
        "private GET myTrades": 20,
        "private GET myTrades of order": 5,
        "fapiPrivate GET openOrders": 40,
        "fapiPrivate GET openOrders of symbol": 1,
        "fapiPrivate GET openAlgoOrders": 40,
        "fapiPrivate GET openAlgoOrders of symbol": 1,
        "fapiPrivate GET allOrders": 5,
        "fapiPrivate GET allAlgoOrders": 5,
        "fapiPrivate GET userTrades": 5,
        "fapiPrivate GET income": 30,
        "fapiPrivateV3 GET positionRisk": 5,
        "fapiPrivateV3 GET account": 5,
    },
)

BYBIT = Quirks(
    exchange="bybit",
    market_types=frozenset({"spot", "swap"}),
    requests_per_second=8.0,
    client_ids=_IDS,
    codes=codes(
        DUPLICATE="110030 110072 170141",
        NOT_FOUND="110001 170213",
        ENDED="110008 110010 170139 170142 170190",
        NOT_MODIFIED="110025 110026 110027 110043",
        INSUFFICIENT_FUNDS="110004 110006 110007 110012 110014 110044 110045 110051 110052 110053 131001 "
        "170033 170131",
        BAD_SYMBOL="10029 110074 170121 170151 170157",
        INVALID_ORDER="35015 110003 110094 170124 170132 170133 170134 170135 170136 170137 170140 170148 "
        "170192 170193 170194 170371 170372 3100116",
        REDUCE_ONLY="110017",
        UNAUTHORIZED="10003 10004 10005 10007 10008 10010 10024 10027 10028 33004",
        CLOCK_SKEW="10002 -1021",
        RATE_LIMIT="10006 10018 170222",
        # 10014 says "duplicate request", not which; 170146 is a time-out that ccxt calls a wrong order.
        UNKNOWN="10000 10014 10016 131003 170001 170007 170032 170146 170147 170149 170150 170234",
    ),
    messages=(
        ("qty invalid", "INVALID_ORDER"),
        ("price invalid", "INVALID_ORDER"),
        ("limit allowed", "INVALID_ORDER"),
    ),
    code_field=("retCode",),
    message_field=("retMsg",),
    order_parameters={
        ("spot", "market"): _SPOT_MARKET,
        ("spot", "limit"): _SPOT_LIMIT,
        ("swap", "market"): _SWAP_MARKET,
        ("swap", "limit"): _SWAP_LIMIT,
        ("swap", "stop"): _SWAP_STOP | {"triggerBy"},
    },
    order_paths=("order/create",),
    find="realtime",
    cancel_parameter="orderLinkId",
    stop_parameters={"triggerBy": "LastPrice"},
    stop_lists=({"trigger": True},),
    closed_method="fetch_canceled_and_closed_orders",
    page=50,
    paging="cursor",
    scopes=_BOTH_TYPES,
    position_scope=True,
    funding_sign=-1,
    balances={
        "swap": _BYBIT_WALLET,
        "spot": _BYBIT_WALLET,
    },
    position_mode_of_symbol=True,
    account_margin_mode=True,
    options={
        "recvWindow": 5_000,
        # Bybit has moved its accounts to the unified one. ccxt would ask for that before each first call;
        # `permissions` tells who has another.
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
    },
    testnet=True,
)

BINGX = Quirks(
    exchange="bingx",
    market_types=frozenset({"swap"}),
    requests_per_second=8.0,
    # The server folds ids to lower case: an upper-case one would never be found again.
    client_ids=r"[a-z0-9_-]{1,40}",
    codes=codes(
        DUPLICATE="101481 109201",
        NOT_FOUND="80016 80017 109414 109421",
        ENDED="80018",
        INSUFFICIENT_FUNDS="80012 100202 101204",
        BAD_SYMBOL="100490 109418 109425",
        INVALID_ORDER="101211 101400 110400 110425",
        REDUCE_ONLY="101205 101290 110424",
        UNAUTHORIZED="401 403 100001 100004 100412 100413 100414 100419",
        REJECTED="101209 101215 101414 110411 110412 110413 110414",
        CLOCK_SKEW="100421",
        RATE_LIMIT="418 429 100410",
        UNKNOWN="500 504 100500 100503 109500 110500",
    ),
    messages=(
        # The code of a clock skew is that of a restricted symbol too.
        ("restricted from api", "BAD_SYMBOL"),
        ("timestamp", "CLOCK_SKEW"),
        ("no need to change", "NOT_MODIFIED"),
    ),
    order_parameters={
        ("swap", "market"): _SWAP_MARKET,
        ("swap", "limit"): _SWAP_LIMIT,
        ("swap", "stop"): _SWAP_STOP | {"workingType"},
    },
    envelope=frozenset({"code", "data"}),
    bare_paths=frozenset({"account/apiPermissions"}),
    order_paths=("trade/order",),
    find="raw",
    stop_parameters={"workingType": "CONTRACT_PRICE"},
    trades="fill_history",
    closed_method="fetch_canceled_and_closed_orders",
    closed_since="startTime",
    page=500,
    scopes=_BOTH_TYPES,
    balances={"swap": BalanceFields(("data",), "asset", "balance", "availableMargin")},
    leverage_parameters={
        "one_way": ({"side": "BOTH"},),
        "hedge": ({"side": "LONG"}, {"side": "SHORT"}),
    },
    options={"recvWindow": 5_000},
    own_clock=True,
    testnet=True,
    # Ten, five and two requests a second are what the routes have: 1, 2 and 5 of ten units.
    weights={
        "swap POST positionSide/dual": 5,
        "swap POST trade/marginType": 5,
        "swap POST trade/leverage": 2,
        "swap DELETE trade/order": 2,
        "swap GET trade/order": 2,
        "swap GET trade/openOrders": 2,
        "swap GET trade/allOrders": 2,
        "swap GET trade/fillHistory": 2,
        "swap GET trade/allFillOrders": 2,
        "swap GET user/balance": 2,
        "swap GET user/positions": 2,
        "swap GET user/income": 2,
    },
)

PIONEX = Quirks(
    exchange="pionex",
    limit_by_address=True,
    market_types=frozenset({"spot", "swap"}),
    requests_per_second=8.0,
    client_ids=r"[A-Za-z0-9-]{1,64}",
    codes=codes(
        DUPLICATE="TRADE_REPEAT_CLIENT_ORDER_ID",
        NOT_FOUND="TRADE_ORDER_NOT_FOUND",
        INSUFFICIENT_FUNDS="TRADE_NOT_ENOUGH_MONEY",
        BAD_SYMBOL="TRADE_INVALID_SYMBOL TRADE_INVAILD_SYMBOL MARKET_INVALID_SYMBOL",
        INVALID_ORDER="TRADE_PRICE_FILTER_DENIED TRADE_SIZE_FILTER_DENIED TRADE_AMOUNT_FILTER_DENIED",
        UNAUTHORIZED="APIKEY_LOST SIGNATURE_LOST INVALID_APIKEY INVALIE_APIKEY INVALID_SIGNATURE "
        "APIKEY_EXPIRED IP_NOT_WHITELISTED PERMISSION_DENIED",
        CLOCK_SKEW="INVALID_TIMESTAMP",
        REJECTED="TRADE_PARAMETER_ERROR MARKET_PARAMETER_ERROR MARKET_INVALID_TIME "
        "TRADE_OPEN_ORDER_EXCEED_LIMIT TRADE_OPERATION_DENIED",
    ),
    message_field=("message",),
    order_parameters={
        ("spot", "market"): _SPOT_MARKET | {"cost"},
        ("spot", "limit"): _SPOT_MARKET,
        ("swap", "market"): _SWAP_MARKET,
        ("swap", "limit"): _SWAP_LIMIT,
    },
    order_paths=("trade/order",),
    cancels_by_client_id=False,
    trades="order_trades",
    paging="whole",
    scopes={"swap": {"type": "swap"}},
    cost_buys=frozenset({"spot"}),
    declared_weights=True,
    # A ban lasts a minute, and every request during it makes it ten seconds longer.
    cool_down=60.0,
)

ORANGEX = Quirks(
    exchange="orangex",
    limit_by_address=True,
    market_types=frozenset({"swap"}),
    requests_per_second=5.0,
    client_ids=r"[.A-Z:/a-z0-9_-]{1,36}",
    codes=codes(
        # Where nothing was seen, the codes are those of BTCEX, whose interface this is.
        NOT_FOUND="5002",
        ENDED="5004",
        INSUFFICIENT_FUNDS="5907",
        BAD_SYMBOL="5001 5003",
        INVALID_ORDER="5007 5013 5014 5119 5135",
        UNAUTHORIZED="2033 10000",
        REJECTED="1000 1001 8000",
        UNKNOWN="9999",
    ),
    code_field=("error", "code"),
    message_field=("error", "message"),
    order_parameters={
        ("swap", "market"): _SWAP_MARKET,
        ("swap", "limit"): _SWAP_LIMIT,
        ("swap", "stop"): _SWAP_STOP,
    },
    order_paths=("private/buy", "private/sell"),
    find="venue_id",
    cancels_by_client_id=False,
    rejects_duplicates=False,
    resend_after_absence=False,
    trades="order_trades",
    paging="whole",
    scopes={"swap": {"type": "swap"}},
    sets_position_mode=False,
    # Its list of positions stays empty; the one that works names one instrument.
    positions_of_all=False,
    cool_down=10.0,
)
