"""Reads of a shared object for which machine it is and which libraries it needs; for `infra.native_check`."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"
"""64 bits, little endian: both architectures of Lambda."""
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5


@dataclass(frozen=True, slots=True)
class SharedObject:
    """The machine's number and the names of the libraries that the loader must find."""

    machine: int
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def read_shared_object(path: Path) -> SharedObject | None:
    """Read the header and the dynamic section (System V ABI, chapters 4 and 5); None if it is no ELF file."""
    data = path.read_bytes()
    if not data.startswith(_MAGIC):
        return None
    (machine,) = struct.unpack_from("<H", data, 18)
    segments = tuple(_segments(data))
    entries = list(_dynamic(data, segments))
    names = next((_offset(segments, value) for tag, value in entries if tag == _DT_STRTAB), 0)
    return SharedObject(
        machine, tuple(_text(data, names + value) for tag, value in entries if tag == _DT_NEEDED)
    )


def _segments(data: bytes) -> Iterator[_Segment]:
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, start + number * size)
        yield _Segment(kind, offset, address, length)


def _dynamic(data: bytes, segments: tuple[_Segment, ...]) -> Iterator[tuple[int, int]]:
    for segment in segments:
        if segment.kind != _PT_DYNAMIC:
            continue
        for tag, value in struct.iter_unpack("<QQ", data[segment.offset : segment.offset + segment.size]):
            if tag == _DT_NULL:
                return
            yield tag, value


def _offset(segments: tuple[_Segment, ...], address: int) -> int:
    """Return where in the file an address of the loaded object lies."""
    loaded = (s for s in segments if s.kind == _PT_LOAD and s.address <= address < s.address + s.size)
    found = next(loaded)
    return address - found.address + found.offset


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
