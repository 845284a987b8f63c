"""Arrays as bytes and back: one line of JSON, then raw arrays, checked by length and CRC; never pickled."""

import json
import zlib
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.settings import MIN_READER, SCHEMA

Arrays = Mapping[str, NDArray[Any]]

_KINDS = frozenset("biufUS")
_ALIGNMENT = 64


def pack(meta: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Return meta and arrays as bytes; ValueError for arrays of objects."""
    blocks = [np.ascontiguousarray(array) for array in arrays.values()]
    for name, block in zip(arrays, blocks, strict=True):
        if block.dtype.kind not in _KINDS:
            raise ValueError(f"array {name!r} has elements of type {block.dtype}")
    body: list[memoryview | bytes] = []
    for block in blocks:
        body += (block.reshape(-1).view(np.uint8).data, bytes(-block.nbytes % _ALIGNMENT))
    crc = 0
    for part in body:
        crc = zlib.crc32(part, crc)
    columns = [
        {"name": name, "dtype": block.dtype.str, "shape": array.shape}
        for (name, array), block in zip(arrays.items(), blocks, strict=True)
    ]
    size = sum(map(len, body))
    head = {
        "schema": SCHEMA,
        "min_reader": MIN_READER,
        "crc": crc,
        "bytes": size,
        "meta": meta,
        "columns": columns,
    }
    line = json.dumps(head, separators=(",", ":")).encode()
    # The arrays begin at a multiple of their alignment, so that they are used where they lie.
    return b"".join((line, b" " * (-(len(line) + 1) % _ALIGNMENT), b"\n", *body))


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return meta and read-only arrays; ValueError, KeyError or TypeError if the bytes are broken.

    Bytes that only a newer program may read are as good as broken: all objects can be made anew.
    """
    # Found, not partitioned: that would copy all arrays.
    end = data.index(b"\n") + 1
    head = json.loads(data[:end])
    if head.get("min_reader", 1) > SCHEMA:
        raise ValueError(f"readable from schema {head['min_reader']} on, this program knows {SCHEMA}")
    offset = end
    body = memoryview(data)[offset:]
    if len(body) != head["bytes"] or zlib.crc32(body) != head["crc"]:
        raise ValueError(f"{len(body)} bytes of arrays are not the {head['bytes']} that were written")
    arrays: dict[str, NDArray[Any]] = {}
    for column in head["columns"]:
        dtype, shape = np.dtype(column["dtype"]), tuple(column["shape"])
        if dtype.kind not in _KINDS:
            raise ValueError(f"array {column['name']!r} has elements of type {dtype}")
        block = np.frombuffer(data, dtype, prod(shape), offset)
        arrays[column["name"]] = block.reshape(shape)
        offset += block.nbytes + -block.nbytes % _ALIGNMENT
    return head["meta"], arrays
