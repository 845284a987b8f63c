"""The settings of a session as few bytes: each update of an engine's item pays for all of it."""

import json
import zlib
from typing import Any

_DICTIONARY = (
    b'{"connection_id":"","exchange":"","symbols":[],"tenant":"default","name":"","mode":"paper",'
    b'"market_type":"spot","timeframe":"5m","intervals":{"market":60,"indication":60,"strategy":120,'
    b'"realtime":30,"health":30},"strategies":{"trend":{"weight":1.0,"parameters":{}},'
    b'"mean_reversion":{"weight":1.0,"parameters":{}},"momentum":{"weight":1.0,"parameters":{}},'
    b'"breakout":{"weight":1.0,"parameters":{}},"step":{"weight":1.0,"parameters":{}}},'
    b'"risk":{"max_positions":10,"max_exposure":"1.0","max_symbol_exposure":"0.2","min_confidence":0.6,'
    b'"cooldown":20.0},"exits":{"take_profit":"0.02","stop_loss":"0.01","trailing_distance":null,'
    b'"trailing_activation":null,"time_limit":null},"ladder":{"enabled":true,"profile":"source",'
    b'"gate_open":true},"paper":{"cash":"10000","fee_rate":"0.001","spread":"0.0004","slippage":"0.0002"},'
    b'"position_cost":"0.1","freeze_exits":false,"cancel_orders_on_stop":true,"enabled":true,'
    b'"created_at":0.0,"revision":0}'
)
"""Text that zlib may refer to: what settings have in common. It is part of the stored form and never changes.

Settings may change as they like: what is not in here takes more bytes, nothing else."""


def pack(value: Any) -> bytes:
    """Return a plain value as compressed JSON."""
    squeezed = zlib.compressobj(level=9, zdict=_DICTIONARY)
    return squeezed.compress(json.dumps(value, separators=(",", ":")).encode()) + squeezed.flush()


def unpack(data: bytes) -> Any:
    """Return the value that was packed; zlib.error or ValueError if the bytes are broken."""
    opened = zlib.decompressobj(zdict=_DICTIONARY)
    return json.loads(opened.decompress(data) + opened.flush())
