"""Candles, indication snapshots and ladder snapshots in S3; warm copies are reused by ETag."""

import io
import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from botocore.exceptions import ClientError
from numpy.typing import NDArray

from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import StaleWrite
from chalicelib.settings import SCHEMA
from chalicelib.stores.failures import translated

_MISSING = frozenset({"NoSuchKey", "404"})
_UNCHANGED = frozenset({"304", "NotModified"})
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_LOG = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Warm:
    """An object as this container last saw it."""

    etag: str
    value: Any


class S3ObjectStore:
    """What `flows.world.ObjectStore` asks for; `client` is a boto3 S3 client."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._warm: dict[str, _Warm] = {}

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None:
        """Read the candle object: 1 call, without a body if the warm copy is the newest."""
        candles: Candles | None = self._load(_candle_key(exchange, timeframe), _candles)
        return candles

    def save_candles(self, exchange: str, candles: Candles) -> None:
        """Store, if nobody else stored since this store last loaded or saved them: 1 call."""
        key = _candle_key(exchange, candles.timeframe)
        known = self._warm.get(key)
        condition = {"IfMatch": known.etag} if known else {"IfNoneMatch": "*"}
        arrays: Arrays = {name: getattr(candles, name) for name in FIELDS}
        arrays["open_time"] = candles.open_time
        meta = {"symbols": candles.symbols, "timeframe": candles.timeframe}
        self._save(key, candles, _packed(meta, arrays), condition)

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None:
        """Read the indication snapshot: 1 call."""
        key = _indication_key(tenant, connection_id)
        snapshot: IndicationSnapshot | None = self._load(key, _indications)
        return snapshot

    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None:
        """Store the indication snapshot; the newest wins, readers check its candle: 1 call."""
        meta = {
            "candle_time": snapshot.candle_time,
            "symbols": snapshot.symbols,
            "names": snapshot.names,
        }
        arrays = {"direction": snapshot.direction, "strength": snapshot.strength}
        self._save(_indication_key(tenant, connection_id), snapshot, _packed(meta, arrays), {})

    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        """Read a ladder snapshot: 1 call; None if it is lost, broken or carries another version."""
        key = _ladder_key(tenant, connection_id, version)
        snapshot: LadderSnapshot | None = self._load(key, _ladder, keep=False)
        return snapshot if snapshot is not None and snapshot.version == version else None

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None:
        """Store a ladder snapshot beside the one before it: 1 call."""
        meta = {
            "version": snapshot.version,
            "fence": snapshot.fence,
            "candle_time": snapshot.candle_time,
            "fingerprint": snapshot.fingerprint,
        }
        body = zlib.compress(_packed(meta, dict(snapshot.arrays)), level=1)
        self._put(_ladder_key(tenant, connection_id, snapshot.version), body, {})

    def delete_all(self, tenant: str, connection_id: str) -> None:
        """Remove every object of a connection: 1 call."""
        keys = [_indication_key(tenant, connection_id)]
        keys += [_ladder_key(tenant, connection_id, parity) for parity in (0, 1)]
        with translated("objects"):
            self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        for key in keys:
            self._warm.pop(key, None)

    def _load(self, key: str, read: Any, keep: bool = True) -> Any:
        known = self._warm.get(key)
        condition = {"IfNoneMatch": known.etag} if known else {}
        try:
            with translated(key):
                answer = self._client.get_object(Bucket=self._bucket, Key=key, **condition)
                body = answer["Body"].read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _UNCHANGED and known is not None:
                return known.value
            if code in _MISSING:
                self._warm.pop(key, None)
                return None
            raise
        try:
            value = read(body)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            _LOG.warning("object %s can't be read and is left out: %s", key, error)
            value = None
        if keep:
            self._warm[key] = _Warm(answer["ETag"], value)
        return value

    def _save(self, key: str, value: Any, body: bytes, condition: Mapping[str, str]) -> None:
        self._warm[key] = _Warm(self._put(key, body, condition), value)

    def _put(self, key: str, body: bytes, condition: Mapping[str, str]) -> str:
        try:
            with translated(key):
                answer = self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST:
                self._warm.pop(key, None)
                raise StaleWrite(f"{key} was written by somebody else") from error
            raise
        return str(answer["ETag"])


def _candle_key(exchange: str, timeframe: int) -> str:
    return f"candles/{exchange}/{timeframe}"


def _indication_key(tenant: str, connection_id: str) -> str:
    return f"indications/{tenant}/{connection_id}"


def _ladder_key(tenant: str, connection_id: str, version: int) -> str:
    return f"ladder/{tenant}/{connection_id}/{version & 1}"


def _packed(meta: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Return one line of JSON (meta, names) and then each array in numpy's own format, never pickled."""
    head = {"schema": SCHEMA, "meta": meta, "names": list(arrays)}
    buffer = io.BytesIO()
    buffer.write(json.dumps(head).encode() + b"\n")
    for array in arrays.values():
        np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(body: bytes) -> tuple[dict[str, Any], Arrays]:
    buffer = io.BytesIO(body)
    head = json.loads(buffer.readline())
    arrays = {name: np.lib.format.read_array(buffer, allow_pickle=False) for name in head["names"]}
    return head["meta"], arrays


def _candles(body: bytes) -> Candles:
    meta, arrays = _unpacked(body)
    symbols, bars = tuple(meta["symbols"]), len(arrays["open_time"])
    for name in FIELDS:
        if arrays[name].shape != (len(symbols), bars) or arrays[name].dtype != np.float64:
            raise ValueError(f"{name} has shape {arrays[name].shape}, not {(len(symbols), bars)}")
    return Candles(symbols, int(meta["timeframe"]), arrays["open_time"], *(arrays[name] for name in FIELDS))


def _indications(body: bytes) -> IndicationSnapshot:
    meta, arrays = _unpacked(body)
    symbols, names = tuple(meta["symbols"]), tuple(meta["names"])
    if arrays["direction"].shape[:2] != (len(names), len(symbols)):
        raise ValueError(f"direction has shape {arrays['direction'].shape}")
    return IndicationSnapshot(
        int(meta["candle_time"]), symbols, names, arrays["direction"], arrays["strength"]
    )


def _ladder(body: bytes) -> LadderSnapshot:
    meta, arrays = _unpacked(zlib.decompress(body))
    return LadderSnapshot(
        int(meta["version"]), int(meta["fence"]), int(meta["candle_time"]), str(meta["fingerprint"]), arrays
    )
