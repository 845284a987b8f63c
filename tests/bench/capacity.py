"""What DynamoDB charges for items: sizes and request units by the rules of its developer guide.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html (write cost of local indexes).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Image = Mapping[str, Mapping[str, Any]]

WRITE_BYTES = 1024
READ_BYTES = 4096
STORED_OVERHEAD = 100
"""Bytes that storage counts on top of every item and every entry of an index."""

_CONTAINER_BYTES = 3


def item_size(image: Image) -> int:
    """Return the bytes of an item: names and values of its attributes."""
    return sum(len(name.encode()) + value_size(value) for name, value in image.items())


def value_size(value: Mapping[str, Any]) -> int:
    """Return the bytes of one attribute value in its wire form, such as `{"S": "text"}`."""
    ((kind, held),) = value.items()
    if kind == "S":
        return len(held.encode())
    if kind == "N":
        return _number_size(held)
    if kind == "B":
        return len(held)
    if kind == "M":
        return _CONTAINER_BYTES + sum(
            1 + len(name.encode()) + value_size(part) for name, part in held.items()
        )
    if kind == "L":
        return _CONTAINER_BYTES + sum(1 + value_size(part) for part in held)
    if kind in ("BOOL", "NULL"):
        return 1
    raise ValueError(f"attribute type {kind} is not used by any table")


def _number_size(text: str) -> int:
    """Return the bytes of a number: one for every two significant digits, one more, and one for a minus."""
    digits = text.lstrip("-").upper().partition("E")[0].replace(".", "").strip("0")
    return max(1, math.ceil(len(digits) / 2)) + 1 + text.startswith("-")


def write_units(size: int) -> int:
    """Return the units of one standard write of an item of `size` bytes."""
    return max(1, math.ceil(size / WRITE_BYTES))


def read_units(sizes: Iterable[int], consistent: bool = True) -> float:
    """Return the units of one read that adds its items up before rounding (a query, a scan, one item)."""
    units = max(1, math.ceil(sum(sizes) / READ_BYTES))
    return units if consistent else units / 2


def item_write_units(before: Image | None, after: Image | None, indexes: Sequence[str]) -> int:
    """Return the units of one write with its local indexes, all of which project whole items.

    `indexes` are the names of their sort keys; an item without that attribute is not in the index. The table
    charges the larger of both images; an index one write for an entry that comes, goes or changes, and two
    for one that moves.
    """
    units = write_units(max(item_size(before or {}), item_size(after or {})))
    return units + sum(_index_units(before, after, key) for key in indexes)


def _index_units(before: Image | None, after: Image | None, key: str) -> int:
    old = before if before and key in before else None
    new = after if after and key in after else None
    if (old is None and new is None) or old == new:
        return 0
    if old and new and old[key] == new[key]:
        return write_units(max(item_size(old), item_size(new)))
    return sum(write_units(item_size(entry)) for entry in (old, new) if entry)


def stored_bytes(image: Image | None, indexes: Sequence[str]) -> int:
    """Return what an item takes of the storage, with its entries in local indexes."""
    if image is None:
        return 0
    copies = 1 + sum(key in image for key in indexes)
    return copies * (item_size(image) + STORED_OVERHEAD)
