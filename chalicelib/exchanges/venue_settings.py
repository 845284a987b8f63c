"""How a swap is held: position mode, margin mode and leverage, each set once; called by the venue."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from chalicelib.exchanges.translate import NotModified

if TYPE_CHECKING:
    from chalicelib.domain.venue import MarginMode, PositionMode
    from chalicelib.exchanges.client import PrivateClient
    from chalicelib.exchanges.quirk_types import Quirks


_lock = Lock()


def configure(
    client: PrivateClient,
    quirks: Quirks,
    done: MutableMapping[str, Any],
    symbol: str,
    leverage: int,
    margin_mode: MarginMode,
    position_mode: PositionMode,
) -> None:
    """Set what is not in `done` as it is wanted, and note it there; "not modified" is a success."""
    hedged = position_mode == "hedge"
    if quirks.sets_position_mode:
        # Of the whole account with most; asked with a symbol, because Bybit and Binance want one.
        name = f"position_mode {symbol}" if quirks.position_mode_of_symbol else "position_mode"
        _set(client, done, name, position_mode, lambda ccxt: ccxt.set_position_mode(hedged, symbol))
    name = "margin_mode" if quirks.account_margin_mode else f"margin_mode {symbol}"
    _set(client, done, name, margin_mode, lambda ccxt: ccxt.set_margin_mode(margin_mode, symbol))
    for params in quirks.leverage_parameters.get(position_mode, ({},)):
        name = " ".join(("leverage", symbol, *params.values()))
        _set(client, done, name, leverage, _leverage(leverage, symbol, dict(params)))


def _leverage(leverage: int, symbol: str, params: dict[str, str]) -> Callable[[Any], Any]:
    return lambda ccxt: ccxt.set_leverage(leverage, symbol, params)


def _set(
    client: PrivateClient,
    done: MutableMapping[str, Any],
    name: str,
    value: Any,
    call: Callable[[Any], Any],
) -> None:
    # One at a time: parallel entries on a fresh account would each set the account's own modes.
    with _lock:
        if done.get(name) == value:
            return
        with suppress(NotModified):
            client.ask("configure", call)
        done[name] = value
