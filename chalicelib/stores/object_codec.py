"""Candles and snapshots as the bytes of an object, and back with their shapes checked."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.stores.columns import pack, unpack

BROKEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, zlib.error)
"""What reading a broken object may raise."""

_FASTEST = 1


def write_candles(candles: Candles) -> bytes:
    """Return candles as bytes."""
    arrays = {name: getattr(candles, name) for name in ("open_time", *FIELDS)}
    return pack({"symbols": candles.symbols, "timeframe": candles.timeframe}, arrays)


def read_candles(body: bytes) -> Candles:
    """Build candles; an error of BROKEN if they are not whole."""
    meta, arrays = unpack(body)
    symbols, step, grid = tuple(meta["symbols"]), int(meta["timeframe"]), arrays["open_time"]
    if grid.ndim != 1 or (np.diff(grid) != step).any():
        raise ValueError(f"the bars are not {step} s apart")
    for name in FIELDS:
        _check(name, arrays[name], (len(symbols), len(grid)), "f8")
    return Candles(symbols, step, _as(grid, "i8"), *(arrays[name] for name in FIELDS))


def write_block(block: Candles) -> bytes:
    """Return archived candles as compressed bytes."""
    return zlib.compress(write_candles(block), _FASTEST)


def read_block(body: bytes) -> Candles:
    """Build archived candles; an error of BROKEN if they are not whole."""
    return read_candles(zlib.decompress(body))


def write_indications(snapshot: IndicationSnapshot) -> bytes:
    """Return an indication snapshot as bytes."""
    meta = {"candle_time": snapshot.candle_time, "symbols": snapshot.symbols, "names": snapshot.names}
    return pack(meta, {"direction": snapshot.direction, "strength": snapshot.strength})


def read_indications(body: bytes) -> IndicationSnapshot:
    """Build an indication snapshot; an error of BROKEN if it is not whole."""
    meta, arrays = unpack(body)
    symbols, names = tuple(meta["symbols"]), tuple(meta["names"])
    direction, strength = arrays["direction"], arrays["strength"]
    shape = (len(names), len(symbols), *direction.shape[2:])
    _check("direction", direction, shape, "i1")
    _check("strength", strength, shape, "f8")
    return IndicationSnapshot(int(meta["candle_time"]), symbols, names, direction, strength)


def write_ladder(snapshot: LadderSnapshot) -> bytes:
    """Return a ladder snapshot as compressed bytes."""
    meta = {
        "version": snapshot.version,
        "fence": snapshot.fence,
        "candle_time": snapshot.candle_time,
        "fingerprint": snapshot.fingerprint,
    }
    return zlib.compress(pack(meta, snapshot.arrays), _FASTEST)


def read_ladder(body: bytes) -> LadderSnapshot:
    """Build a ladder snapshot; an error of BROKEN if it is not whole."""
    meta, arrays = unpack(zlib.decompress(body))
    return LadderSnapshot(
        int(meta["version"]), int(meta["fence"]), int(meta["candle_time"]), str(meta["fingerprint"]), arrays
    )


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...], kind: str) -> None:
    if array.shape != shape or array.dtype != np.dtype(kind):
        raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, not {kind}{list(shape)}")


def _as(array: NDArray[Any], kind: str) -> NDArray[Any]:
    return array.astype(kind, copy=False)
