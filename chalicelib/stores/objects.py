"""Candles, indication snapshots and ladder snapshots in S3; warm copies are reused by ETag."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.candle_blocks import block_start
from chalicelib.domain.candles import Candles
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import StaleWrite
from chalicelib.stores import object_codec
from chalicelib.stores.failures import translated

_MISSING = frozenset({"NoSuchKey", "404"})
_UNCHANGED = frozenset({"304", "NotModified"})
_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MOST_WARM = 128
_LOG = logging.getLogger(__name__)

Read = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class _Warm:
    """An object as this container last saw it; `value` None: it could not be read."""

    etag: str
    value: Any


class S3ObjectStore:
    """What `flows.world.ObjectStore` asks for: 1 call per method; `client` is a boto3 S3 client."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._warm: dict[str, _Warm] = {}
        self._blocks: dict[str, str] = {}

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None:
        """Read the candle object, without a body if the warm copy is the newest."""
        found: Candles | None = self._load(_candle_key(exchange, timeframe), object_codec.read_candles)
        return found

    def save_candles(self, exchange: str, candles: Candles) -> None:
        """Store, if nobody else stored since this store last loaded or saved them; else StaleWrite."""
        key = _candle_key(exchange, candles.timeframe)
        known = self._warm.get(key)
        condition = {"IfMatch": known.etag} if known else {"IfNoneMatch": "*"}
        self._save(key, object_codec.write_candles(candles), object_codec.read_candles, condition)

    def load_block(self, exchange: str, timeframe: int, start: int) -> Candles | None:
        """Read archived candles by when their block begins; None if they are lost or broken."""
        key = _block_key(exchange, timeframe, start)
        found: Candles | None = self._load(key, object_codec.read_block)
        # Read once per rebuild: of a warm copy only the version is of use, to whoever replaces the block.
        read = self._warm.pop(key, None)
        self._blocks = {key: read.etag} if read is not None else {}
        return found

    def save_block(self, exchange: str, block: Candles) -> None:
        """Archive candles, if nobody did since this store last loaded the block; else StaleWrite."""
        key = _block_key(exchange, block.timeframe, block_start(int(block.open_time[0]), block.timeframe))
        etag = self._blocks.pop(key, None)
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        self._put(key, object_codec.write_block(block), condition)

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None:
        key = _indication_key(tenant, connection_id)
        found: IndicationSnapshot | None = self._load(key, object_codec.read_indications)
        return found

    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None:
        """Store; the last one stands, and readers compare its candle time with their own."""
        key = _indication_key(tenant, connection_id)
        self._save(key, object_codec.write_indications(snapshot), object_codec.read_indications, {})

    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        """Read a ladder snapshot; None if it is lost, broken or carries another version."""
        key = _ladder_key(tenant, connection_id, version)
        found: LadderSnapshot | None = self._load(key, object_codec.read_ladder)
        # Read once per cold start: a warm copy would only take memory.
        self._warm.pop(key, None)
        return found if found is not None and found.version == version else None

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None:
        """Store a ladder snapshot beside the one before it."""
        key = _ladder_key(tenant, connection_id, snapshot.version)
        self._put(key, object_codec.write_ladder(snapshot), {})

    def delete_all(self, tenant: str, connection_id: str) -> None:
        keys = [_indication_key(tenant, connection_id)]
        keys += [_ladder_key(tenant, connection_id, parity) for parity in (0, 1)]
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with translated("objects"):
            self._client.delete_objects(Bucket=self._bucket, Delete=objects)
        for key in keys:
            self._warm.pop(key, None)

    def _load(self, key: str, read: Read) -> Any:
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
            if code not in _MISSING:
                raise
            self._warm.pop(key, None)
            return None
        value = _readable(key, body, read)
        self._keep(key, _Warm(answer["ETag"], value))
        return value

    def _save(self, key: str, body: bytes, read: Read, condition: Mapping[str, str]) -> None:
        etag = self._put(key, body, condition)
        # Kept as it would be loaded: read-only, and independent of what the caller does with its arrays.
        self._keep(key, _Warm(etag, read(body)))

    def _put(self, key: str, body: bytes, condition: Mapping[str, str]) -> str:
        try:
            with translated(key):
                answer = self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)
        except ClientError as error:
            # A conditional write on an object that was removed meanwhile answers NoSuchKey.
            if error.response["Error"]["Code"] in _LOST | _MISSING:
                self._warm.pop(key, None)
                raise StaleWrite(f"{key} was written by somebody else") from error
            raise
        return str(answer["ETag"])

    def _keep(self, key: str, warm: _Warm) -> None:
        self._warm.pop(key, None)
        self._warm[key] = warm
        if len(self._warm) > _MOST_WARM:
            del self._warm[next(iter(self._warm))]


def _readable(key: str, body: bytes, read: Read) -> Any:
    try:
        return read(body)
    except object_codec.BROKEN as error:
        _LOG.warning("object %s can't be read and counts as absent: %s", key, error)
        return None


def _candle_key(exchange: str, timeframe: int) -> str:
    return f"candles/{exchange}/{timeframe}"


def _block_key(exchange: str, timeframe: int, start: int) -> str:
    return f"{_candle_key(exchange, timeframe)}/{start}"


def _indication_key(tenant: str, connection_id: str) -> str:
    return f"indications/{tenant}/{connection_id}"


def _ladder_key(tenant: str, connection_id: str, version: int) -> str:
    return f"ladder/{tenant}/{connection_id}/{version & 1}"
