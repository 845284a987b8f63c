"""In-memory twin of the object store: every store sees one bucket, and has warm versions of its own."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from chalicelib.domain.candle_blocks import block_start
from chalicelib.domain.candles import FIELDS, Candles
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import StaleWrite


class MemoryBucket:
    """Values by key, and how often each was written."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes: dict[str, int] = {}

    def put(self, key: str, value: Any) -> int:
        self.values[key] = value
        self.writes[key] = written = self.writes.get(key, 0) + 1
        return written


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy: independent of its writer, and no reader can change it."""
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _kept(candles: Candles) -> Candles:
    fields = (frozen(getattr(candles, name)) for name in FIELDS)
    return Candles(candles.symbols, candles.timeframe, frozen(candles.open_time), *fields)


class MemoryObjectStore:
    """Twin of S3ObjectStore; two stores on one bucket are two containers."""

    def __init__(self, bucket: MemoryBucket | None = None) -> None:
        self._bucket = bucket or MemoryBucket()
        self._seen: dict[str, int] = {}
        self._blocks: dict[str, int] = {}

    def load_candles(self, exchange: str, timeframe: int) -> Candles | None:
        key = f"candles/{exchange}/{timeframe}"
        if key not in self._bucket.values:
            self._seen.pop(key, None)
            return None
        self._seen[key] = self._bucket.writes[key]
        found: Candles = self._bucket.values[key]
        return found

    def save_candles(self, exchange: str, candles: Candles) -> None:
        key = f"candles/{exchange}/{candles.timeframe}"
        present = self._bucket.writes.get(key, 0) if key in self._bucket.values else None
        if self._seen.get(key) != present:
            self._seen.pop(key, None)
            raise StaleWrite(f"{key} was written by somebody else")
        self._seen[key] = self._bucket.put(key, _kept(candles))

    def load_block(self, exchange: str, timeframe: int, start: int) -> Candles | None:
        key = f"candles/{exchange}/{timeframe}/{start}"
        found: Candles | None = self._bucket.values.get(key)
        self._blocks = {} if found is None else {key: self._bucket.writes[key]}
        return found

    def save_block(self, exchange: str, block: Candles) -> None:
        start = block_start(int(block.open_time[0]), block.timeframe)
        key = f"candles/{exchange}/{block.timeframe}/{start}"
        present = self._bucket.writes.get(key, 0) if key in self._bucket.values else None
        if self._blocks.pop(key, None) != present:
            raise StaleWrite(f"{key} was written by somebody else")
        self._bucket.put(key, _kept(block))

    def load_indications(self, tenant: str, connection_id: str) -> IndicationSnapshot | None:
        return self._bucket.values.get(f"indications/{tenant}/{connection_id}")

    def save_indications(self, tenant: str, connection_id: str, snapshot: IndicationSnapshot) -> None:
        kept = replace(snapshot, direction=frozen(snapshot.direction), strength=frozen(snapshot.strength))
        self._bucket.put(f"indications/{tenant}/{connection_id}", kept)

    def load_ladder(self, tenant: str, connection_id: str, version: int) -> LadderSnapshot | None:
        found: LadderSnapshot | None = self._bucket.values.get(
            f"ladder/{tenant}/{connection_id}/{version & 1}"
        )
        return found if found is not None and found.version == version else None

    def save_ladder(self, tenant: str, connection_id: str, snapshot: LadderSnapshot) -> None:
        kept = replace(snapshot, arrays={name: frozen(array) for name, array in snapshot.arrays.items()})
        self._bucket.put(f"ladder/{tenant}/{connection_id}/{snapshot.version & 1}", kept)

    def delete_all(self, tenant: str, connection_id: str) -> None:
        self._bucket.values.pop(f"indications/{tenant}/{connection_id}", None)
        for parity in (0, 1):
            self._bucket.values.pop(f"ladder/{tenant}/{connection_id}/{parity}", None)
