"""Settings come back as they went in, whatever they are, and a stored one can be read for ever."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.codec import to_stored
from chalicelib.domain.connection import Connection, complete_intervals
from chalicelib.stores.packed_settings import pack, unpack

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_any_value_comes_back(value: object) -> None:
    assert unpack(pack(value)) == value


def test_a_hundred_symbols_take_less_than_half_a_kilobyte() -> None:
    symbols = tuple(f"{chr(65 + n // 26)}{chr(65 + n % 26)}{n:03d}/USDT" for n in range(100))
    settings = to_stored(Connection("paper-1", "binance", symbols, intervals=complete_intervals({})))
    assert len(pack(settings)) < 512


def test_what_was_stored_once_is_read_by_every_later_version() -> None:
    stored = bytes.fromhex(STORED)
    assert unpack(stored) == {"connection_id": "mine", "exchange": "binance", "symbols": ["BTC/USDT"]}


def test_broken_bytes_are_refused() -> None:
    with pytest.raises(zlib.error):
        unpack(b"no settings")


STORED = "78f9523335fcabc6c8a2c0384b45cda6499979e04046cead4a4e21cefaa1c12e214ab1b5002f0116b8"
