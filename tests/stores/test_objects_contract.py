"""Candles and snapshots behave the same in memory and on S3; broken objects count as absent."""

import logging
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from chalicelib.domain.candles import ANCHOR_BLOCK, FIELDS, Candles
from chalicelib.domain.snapshots import IndicationSnapshot, LadderSnapshot
from chalicelib.errors import StaleWrite
from chalicelib.flows.world import ObjectStore
from chalicelib.stores import object_codec
from chalicelib.stores.columns import pack, unpack
from tests.stores.examples import CONNECTION, TENANT
from tests.stores.worlds import SETTINGS, Stores

PLACE = (TENANT, CONNECTION)
CANDLES_KEY = "candles/binance/300"
BLOCK = ANCHOR_BLOCK * 300


def candles(symbols: int = 3, bars: int = 10, seed: int = 0) -> Candles:
    """Random candles with a gap."""
    random = np.random.default_rng(seed)
    grid = 1_600_000_200 + 300 * np.arange(bars, dtype=np.int64)
    values = [random.random((symbols, bars)) for _ in FIELDS]
    for value in values:
        value[:1, :2] = np.nan
    return Candles(tuple(f"S{n}/USDT" for n in range(symbols)), 300, grid, *values)


def indications(candle_time: int = 300) -> IndicationSnapshot:
    random = np.random.default_rng(candle_time)
    direction = random.integers(-1, 2, (4, 3, 2)).astype(np.int8)
    return IndicationSnapshot(
        candle_time, ("A", "B", "C"), ("direction:3", "m", "a", "o"), direction, random.random((4, 3, 2))
    )


def ladder(version: int) -> LadderSnapshot:
    arrays: dict[str, Any] = {
        "level": np.array([0, 1, 2], np.int8),
        "profit": np.random.default_rng(version).random((5, 7)),
        "empty": np.zeros((0, 4), np.int32),
        "scalar": np.array(version),
        "names": np.array(["a", "bcd"]),
        "flags": np.array([True, False]),
    }
    return LadderSnapshot(version, 7, 300, "print", arrays)


def same_candles(one: Candles | None, other: Candles) -> bool:
    return (
        one is not None
        and (one.symbols, one.timeframe) == (other.symbols, other.timeframe)
        and np.array_equal(one.open_time, other.open_time)
        and all(np.array_equal(getattr(one, f), getattr(other, f), equal_nan=True) for f in FIELDS)
    )


def saved(store: ObjectStore, block: Candles) -> str:
    try:
        store.save_candles("binance", block)
    except StaleWrite:
        return "stale"
    return "saved"


def test_candles_come_back_bit_for_bit(stores: Stores) -> None:
    writer, reader = stores.containers
    assert reader.load_candles("binance", 300) is None
    writer.save_candles("binance", candles())
    assert same_candles(reader.load_candles("binance", 300), candles())
    assert same_candles(writer.load_candles("binance", 300), candles())
    assert reader.load_candles("binance", 60) is None
    assert reader.load_candles("bybit", 300) is None


def test_candles_without_bars_are_stored(stores: Stores) -> None:
    writer, reader = stores.containers
    writer.save_candles("binance", candles(2, 0))
    assert same_candles(reader.load_candles("binance", 300), candles(2, 0))


def test_a_writer_who_has_not_seen_the_newest_candles_is_stale(stores: Stores) -> None:
    one, other = stores.containers
    one.save_candles("binance", candles(seed=1))
    assert saved(other, candles(seed=2)) == "stale"
    other.load_candles("binance", 300)
    assert saved(other, candles(seed=2)) == "saved"
    assert saved(other, candles(seed=3)) == "saved"
    assert saved(one, candles(seed=4)) == "stale"
    assert same_candles(one.load_candles("binance", 300), candles(seed=3))
    assert saved(one, candles(seed=4)) == "saved"
    assert same_candles(other.load_candles("binance", 300), candles(seed=4))


def test_of_two_writers_at_once_one_wins(stores: Stores) -> None:
    for store in stores.containers:
        store.load_candles("binance", 300)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda store: saved(store, candles()), stores.containers))
    assert sorted(results) == ["saved", "stale"]


def test_archived_candles_come_back_by_their_block_and_are_replaced_by_who_read_them(stores: Stores) -> None:
    one, other = stores.containers
    start, block = 1_600_000_200 // BLOCK * BLOCK, candles()
    assert one.load_block("binance", 300, start) is None
    one.save_block("binance", block)
    assert same_candles(other.load_block("binance", 300, start), block)
    assert other.load_block("binance", 300, start + BLOCK) is None
    assert other.load_block("bybit", 300, start) is None
    assert other.load_candles("binance", 300) is None
    with pytest.raises(StaleWrite):
        one.save_block("binance", candles(seed=1))
    for store in (one, other):
        assert store.load_block("binance", 300, start) is not None
    other.save_block("binance", candles(seed=2))
    with pytest.raises(StaleWrite):
        one.save_block("binance", candles(seed=3))
    assert same_candles(one.load_block("binance", 300, start), candles(seed=2))


@pytest.mark.parametrize("body", [b"", b"rubbish", zlib.compress(b"rubbish"), zlib.compress(b"{}\n")])
def test_a_broken_block_counts_as_absent_and_can_be_replaced(aws: Stores, body: bytes) -> None:
    start = 1_600_000_200 // BLOCK * BLOCK
    aws.clients["s3"].put_object(Bucket=SETTINGS.bucket, Key=f"{CANDLES_KEY}/{start}", Body=body)
    store = aws.containers[0]
    assert store.load_block("binance", 300, start) is None
    store.save_block("binance", candles())
    assert same_candles(aws.containers[1].load_block("binance", 300, start), candles())


def test_indications_come_back_and_the_last_one_stands(stores: Stores) -> None:
    writer, reader = stores.containers
    assert reader.load_indications(*PLACE) is None
    for time in (300, 600):
        writer.save_indications(*PLACE, indications(time))
        found, expected = reader.load_indications(*PLACE), indications(time)
        assert found is not None
        assert (found.candle_time, found.symbols, found.names) == (time, expected.symbols, expected.names)
        assert found.direction.dtype == np.int8
        assert np.array_equal(found.direction, expected.direction)
        assert np.array_equal(found.strength, expected.strength)
    assert reader.load_indications("other", CONNECTION) is None


def test_a_ladder_is_loaded_by_its_version_and_the_one_before_is_kept(stores: Stores) -> None:
    writer, reader = stores.containers
    for version in (4, 5):
        writer.save_ladder(*PLACE, ladder(version))
    for version in (4, 5):
        found, expected = reader.load_ladder(*PLACE, version), ladder(version)
        assert found is not None
        assert (found.version, found.fence, found.candle_time, found.fingerprint) == (
            version,
            7,
            300,
            "print",
        )
        assert found.arrays.keys() == expected.arrays.keys()
        for name, array in expected.arrays.items():
            assert found.arrays[name].dtype == array.dtype
            assert found.arrays[name].shape == array.shape
            assert np.array_equal(found.arrays[name], array)
    assert reader.load_ladder(*PLACE, 6) is None
    writer.save_ladder(*PLACE, ladder(6))
    assert reader.load_ladder(*PLACE, 4) is None
    assert reader.load_ladder(*PLACE, 5) is not None


def test_delete_all_removes_a_connection_and_leaves_candles_and_others(stores: Stores) -> None:
    writer, reader = stores.containers
    writer.save_candles("binance", candles())
    for connection in (CONNECTION, "desk-2"):
        writer.save_indications(TENANT, connection, indications())
        writer.save_ladder(TENANT, connection, ladder(4))
        writer.save_ladder(TENANT, connection, ladder(5))
    writer.delete_all(*PLACE)
    writer.delete_all(*PLACE)
    for store in (writer, reader):
        assert store.load_indications(*PLACE) is None
        assert store.load_ladder(*PLACE, 4) is None
        assert store.load_ladder(*PLACE, 5) is None
        assert store.load_indications(TENANT, "desk-2") is not None
        assert store.load_ladder(TENANT, "desk-2", 5) is not None
        assert store.load_candles("binance", 300) is not None


def test_an_unchanged_object_is_not_read_again(aws: Stores) -> None:
    writer, reader = aws.containers
    writer.save_candles("binance", candles())
    first = reader.load_candles("binance", 300)
    assert reader.load_candles("binance", 300) is first
    assert writer.load_candles("binance", 300) is writer.load_candles("binance", 300)
    writer.save_candles("binance", candles(seed=2))
    assert same_candles(reader.load_candles("binance", 300), candles(seed=2))
    assert aws.calls == {"s3.PutObject": 2, "s3.GetObject": 5}


def test_what_is_stored_can_not_be_changed_by_its_users(stores: Stores) -> None:
    block = candles()
    writer, _ = stores.containers
    writer.save_candles("binance", block)
    block.close[:] = 0
    warm = writer.load_candles("binance", 300)
    assert same_candles(warm, candles())
    assert warm is not None
    with pytest.raises(ValueError, match="read-only"):
        warm.close[0, 0] = 1.0
    snapshot = ladder(4)
    writer.save_ladder(*PLACE, snapshot)
    snapshot.arrays["profit"][:] = 0
    found = writer.load_ladder(*PLACE, 4)
    assert found is not None
    assert np.array_equal(found.arrays["profit"], ladder(4).arrays["profit"])
    with pytest.raises(ValueError, match="read-only"):
        found.arrays["profit"][0, 0] = 1.0


def _broken_bodies() -> dict[str, bytes]:
    whole = object_codec.write_candles(candles())
    arrays = {name: getattr(candles(), name) for name in ("open_time", *FIELDS)}
    meta = {"symbols": ("A", "B", "C"), "timeframe": 300}
    grid = arrays["open_time"].copy()
    grid[5:] += 300
    return {
        "empty": b"",
        "cut": whole[:-8],
        "longer": whole + b"\0",
        "flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        "rubbish": b"\x00\xff" * 50,
        "other": b'{"a": 1}\n',
        "list": b"[]\n",
        "null": b"null\n",
        "fewer symbols": pack({**meta, "symbols": ("A",)}, arrays),
        "integers": pack(meta, {**arrays, "close": np.zeros((3, 10), np.int64)}),
        "one field less": pack(meta, {name: arrays[name] for name in ("open_time", "open")}),
        "hole in the grid": pack(meta, {**arrays, "open_time": grid}),
    }


@pytest.mark.parametrize("body", _broken_bodies().values(), ids=_broken_bodies())
def test_broken_candles_count_as_absent_and_can_be_replaced(
    aws: Stores, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    aws.clients["s3"].put_object(Bucket=SETTINGS.bucket, Key=CANDLES_KEY, Body=body)
    store = aws.containers[0]
    with caplog.at_level(logging.WARNING):
        assert store.load_candles("binance", 300) is None
    assert CANDLES_KEY in caplog.text
    store.save_candles("binance", candles())
    assert same_candles(aws.containers[1].load_candles("binance", 300), candles())


@pytest.mark.parametrize("body", [b"", b"rubbish", zlib.compress(b"rubbish"), zlib.compress(b"{}\n")])
def test_a_broken_ladder_or_indication_counts_as_absent(aws: Stores, body: bytes) -> None:
    for key in (f"ladder/{TENANT}/{CONNECTION}/0", f"indications/{TENANT}/{CONNECTION}"):
        aws.clients["s3"].put_object(Bucket=SETTINGS.bucket, Key=key, Body=body)
    assert aws.containers[0].load_ladder(*PLACE, 4) is None
    assert aws.containers[0].load_indications(*PLACE) is None


def test_objects_are_never_pickled() -> None:
    with pytest.raises(ValueError, match="object"):
        pack({}, {"evil": np.array([object()])})
    hostile = pack({}, {"a": np.zeros(1)}).replace(b'"<f8"', b'"|O8"', 1)
    with pytest.raises(ValueError, match="object"):
        unpack(hostile)


def test_each_method_is_one_call(aws: Stores) -> None:
    store = aws.containers[0]
    store.save_indications(*PLACE, indications())
    store.load_indications(*PLACE)
    store.save_ladder(*PLACE, ladder(4))
    store.load_ladder(*PLACE, 4)
    store.save_block("binance", candles())
    store.load_block("binance", 300, 1_600_000_200 // BLOCK * BLOCK)
    store.delete_all(*PLACE)
    assert aws.calls == {"s3.PutObject": 3, "s3.GetObject": 3, "s3.DeleteObjects": 1}
