"""Dataclasses to JSON-ready values and back, by their type hints: one codec for stores, messages and API."""

import dataclasses
import types
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from chalicelib.domain.stored import SPARSE
from chalicelib.errors import Rejected

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return the value as dicts, lists, strings, numbers, booleans and None; Decimals become strings."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in _names(value.__class__)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no plain form")


def to_stored(value: Any) -> Any:
    """Return the value as `to_plain` does, without sparse fields that have their default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = _sparse(value.__class__)
        return {
            name: to_stored(part)
            for name in _names(value.__class__)
            if (part := getattr(value, name)) != kept.get(name, _ABSENT)
        }
    if isinstance(value, Mapping):
        return {str(key): to_stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_stored(item) for item in value]
    return to_plain(value)


_ABSENT = object()


@cache
def _sparse(kind: Any) -> dict[str, Any]:
    """Return the defaults of the sparse fields of a dataclass."""
    missing = dataclasses.MISSING
    return {
        field.name: field.default if field.default_factory is missing else field.default_factory()
        for field in dataclasses.fields(kind)
        if field.metadata.get(SPARSE)
    }


def from_plain(kind: type[T], data: Any, where: str = "", known_only: bool = True) -> T:
    """Build a dataclass from plain values; Rejected names the field, what it should be and what it is.

    `known_only` False leaves fields of a newer schema out instead of refusing them (stored items).
    """
    place = where or kind.__name__.lower()
    return cast(T, _dataclass(kind, data, place, known_only))


def unknown_fields(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `data` has beyond the fields of a dataclass: those of a newer schema."""
    return {name: value for name, value in data.items() if name not in _names(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.metadata.get("plain", True))


@cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


@cache
def _required(kind: Any) -> frozenset[str]:
    missing = dataclasses.MISSING
    return frozenset(
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing and field.default_factory is missing
    )


def _dataclass(kind: Any, data: Any, place: str, known_only: bool) -> Any:
    if not isinstance(data, Mapping):
        raise Rejected(f"{place} must be an object, not {data!r}")
    fields = _fields(kind)
    unknown = [str(name) for name in data if name not in fields]
    if unknown and known_only:
        raise Rejected(f"{place} has no field {unknown[0]!r}: known are {', '.join(fields)}")
    absent = sorted(_required(kind) - data.keys())
    if absent:
        raise Rejected(f"{place} lacks the field {absent[0]!r}")
    values = {
        name: _value(hint, data[name], f"{place}.{name}", known_only)
        for name, hint in fields.items()
        if name in data
    }
    return kind(**values)


def _value(hint: Any, data: Any, place: str, known_only: bool) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return data
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        inner = next(part for part in get_args(hint) if part is not type(None))
        return _value(inner, data, place, known_only)
    if origin is Literal:
        return _one_of(get_args(hint), data, place)
    if origin is tuple:
        inner = get_args(hint)[0]
        return tuple(
            _value(inner, item, f"{place}[{n}]", known_only) for n, item in enumerate(_list(data, place))
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, inner = get_args(hint)
        if not isinstance(data, Mapping):
            raise Rejected(f"{place} must be an object, not {data!r}")
        return {
            _value(key, name, place, known_only): _value(inner, item, f"{place}.{name}", known_only)
            for name, item in data.items()
        }
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, data, place, known_only)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(_one_of(tuple(member.value for member in hint), data, place))
    return _SCALARS[hint](data, place)


def _one_of(allowed: tuple[Any, ...], data: Any, place: str) -> Any:
    if data not in allowed:
        raise Rejected(f"{place} must be one of {', '.join(map(str, allowed))}, not {data!r}")
    return data


def _list(data: Any, place: str) -> list[Any]:
    if not isinstance(data, (list, tuple)):
        raise Rejected(f"{place} must be a list, not {data!r}")
    return list(data)


def _decimal(data: Any, place: str) -> Decimal:
    if isinstance(data, Decimal):
        return data
    try:
        # A float's shortest text is what its writer meant; bool is an int in Python and never money.
        value = Decimal(str(data)) if isinstance(data, (str, int, float)) and data is not True else None
    except InvalidOperation:
        value = None
    if value is None or data is False or not value.is_finite():
        raise Rejected(f"{place} must be a decimal number, not {data!r}")
    return value


def _integer(data: Any, place: str) -> int:
    if not _finite(data) or data != int(data):
        raise Rejected(f"{place} must be a whole number, not {data!r}")
    return int(data)


def _float(data: Any, place: str) -> float:
    if not _finite(data):
        raise Rejected(f"{place} must be a finite number, not {data!r}")
    return float(data)


def _finite(data: Any) -> bool:
    """Tell whether a value is a number that a float can hold; True and False are none."""
    if isinstance(data, bool) or not isinstance(data, (int, float, Decimal)):
        return False
    try:
        return isfinite(data)
    except (OverflowError, ValueError):
        return False


def _boolean(data: Any, place: str) -> bool:
    if not isinstance(data, bool):
        raise Rejected(f"{place} must be true or false, not {data!r}")
    return data


def _string(data: Any, place: str) -> str:
    if not isinstance(data, str):
        raise Rejected(f"{place} must be a text, not {data!r}")
    return data


_SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    Decimal: _decimal,
    int: _integer,
    float: _float,
    bool: _boolean,
    str: _string,
}
