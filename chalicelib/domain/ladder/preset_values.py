"""The values of a preset's grid, read one by one from plain data; `preset` calls it.

Everything may be one value or a list of them. Every refusal names the place and what is allowed there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, TypeVar

from chalicelib.domain.ladder.sources import SourceKind, parameter_defaults
from chalicelib.domain.signal import Direction
from chalicelib.errors import Rejected

OFF = "off"
MAX_BARS = 100_000
MAX_DECIMALS = 8
"""Of a ratio. Written out, one like 1e-999999999 would fill the memory."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a preset something stands, for the errors."""

    text: str

    def at(self, name: str) -> "Place":
        return Place(f"{self.text}, {name}")

    def refuse_unknown(self, data: Mapping[str, Any], known: Sequence[str]) -> None:
        """Raise Rejected for the first key that is not known."""
        for key in data:
            if key not in known:
                raise Rejected(f"{self.text}: unknown key {key!r}: use {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class Trailing:
    """A trailing stop: its distance, and the gain that arms it (None: armed from the entry on)."""

    distance: Decimal
    activation: Decimal | None = None

    def plain(self) -> dict[str, str]:
        """Return the JSON-able form."""
        shown = {"distance": ratio_text(self.distance)}
        return shown if self.activation is None else {**shown, "activation": ratio_text(self.activation)}


def ratio_text(ratio: Decimal | None) -> str:
    """Return a ratio as its shortest text, `off` for none."""
    return OFF if ratio is None else f"{ratio.normalize():f}"


def listed(values: Sequence[Any]) -> list[Any]:
    """Return parameter values as JSON has them: lists for tuples."""
    return [list(value) if isinstance(value, tuple) else value for value in values]


def exit_ratios(place: Place, data: Any, below: Decimal) -> tuple[Decimal | None, ...]:
    """Read ratios of the entry price between 0 and `below` (not included), or `off`."""
    return _values(place, data, lambda item: None if item == OFF else _ratio(place, item, below))


def trailing_exits(place: Place, data: Any) -> tuple[Trailing | None, ...]:
    """Read trailing stops, `{ distance = 0.01, activation = 0.02 }` each, or `off`."""
    return _values(place, data, lambda item: None if item == OFF else _trailing(place, item))


def time_limits(place: Place, data: Any) -> tuple[int | None, ...]:
    """Read numbers of candles, or `off`."""

    def read(item: Any) -> int | None:
        if item == OFF:
            return None
        if type(item) is not int or not 0 < item <= MAX_BARS:
            raise Rejected(f"{place.text}: {_shown(item)} must be candles from 1 to {MAX_BARS}, or {OFF!r}")
        return item

    return _values(place, data, read)


def directions(place: Place, data: Any) -> tuple[Direction, ...]:
    """Read `long` and `short`."""

    def read(item: Any) -> Direction:
        if item == "long":
            return "long"
        if item == "short":
            return "short"
        raise Rejected(f"{place.text}: {item!r} must be 'long' or 'short'")

    return _values(place, data, read)


def symbol_names(place: Place, data: Any) -> tuple[str, ...]:
    """Read names of symbols; none where there are none."""

    def read(item: Any) -> str:
        if not isinstance(item, str) or "/" not in item:
            raise Rejected(f"{place.text}: {item!r} must be a symbol such as 'BTC/USDT'")
        return item

    return () if isinstance(data, tuple) and not data else _values(place, data, read)


def parameter_lists(place: Place, kind: SourceKind, name: str, data: Any) -> dict[str, tuple[Any, ...]]:
    """Read the values of each parameter, of the type of its default; Rejected for one that there is not."""
    try:
        defaults = parameter_defaults(kind, name)
    except Rejected as error:
        raise Rejected(f"{place.at(kind).text}: {error}") from None
    if not isinstance(data, Mapping):
        raise Rejected(f"{place.at('parameters').text}: must be a table such as {{ fast = [8, 12] }}")
    place.at("parameters").refuse_unknown(data, tuple(defaults))
    if "k" in defaults and "k" not in data:
        raise Rejected(f"{place.at('parameters').text}: {kind} {name} needs k, such as k = [3, 5, 8]")
    return {
        key: _parameter_values(place.at("parameters").at(key), values, defaults[key])
        for key, values in data.items()
    }


def _parameter_values(place: Place, data: Any, default: Any) -> tuple[Any, ...]:
    if isinstance(default, tuple):
        if not default:
            raise Rejected(f"{place.text}: its default is empty, which says nothing of its type")
        inner = default[0]
        return _values(place, data, lambda item: _values(place, item, lambda one: _typed(place, one, inner)))
    return _values(place, data, lambda item: _typed(place, item, default))


def _typed(place: Place, value: Any, default: Any) -> Any:
    """Return a value of the type of `default`; a whole number may stand for a float."""
    if isinstance(default, float):
        number = _number(value) if isinstance(value, (int, float, Decimal)) else None
        if number is not None and isfinite(float(number)):
            return float(number)
    elif type(value) is type(default):
        return value
    kind = {int: "a whole number", float: "a number", str: "a text"}.get(type(default), "true or false")
    raise Rejected(f"{place.text}: {_shown(value)} must be {kind}")


def _trailing(place: Place, data: Any) -> Trailing:
    if not isinstance(data, Mapping) or "distance" not in data:
        raise Rejected(f"{place.text}: {data!r} must be {OFF!r} or {{ distance = 0.01, activation = 0.02 }}")
    place.refuse_unknown(data, ("distance", "activation"))
    distance = _ratio(place.at("distance"), data["distance"], Decimal(1))
    if "activation" not in data:
        return Trailing(distance)
    return Trailing(distance, _ratio(place.at("activation"), data["activation"], Decimal(10)))


def _ratio(place: Place, data: Any, below: Decimal) -> Decimal:
    """Return a ratio from the text of its number: 0.1 is a tenth, not the nearest float."""
    ratio = _number(data)
    if ratio is None or not 0 < ratio < below:
        raise Rejected(f"{place.text}: {_shown(data)} must be a ratio above 0 and below {below}, or {OFF!r}")
    if ratio != round(ratio, MAX_DECIMALS):
        raise Rejected(f"{place.text}: {_shown(data)} must have at most {MAX_DECIMALS} decimals")
    return ratio.normalize()


def _number(data: Any) -> Decimal | None:
    """Return a finite number from its text, None for what is none."""
    try:
        number = None if isinstance(data, bool) else Decimal(str(data))
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _values(place: Place, data: Any, read: Callable[[Any], Value]) -> tuple[Value, ...]:
    """Read a list, or one value in the place of a list; Rejected if it is empty or repeats itself."""
    items = data if isinstance(data, (list, tuple)) else (data,)
    values: dict[Value, None] = {}
    for item in items:
        value = read(item)
        if value in values:
            raise Rejected(f"{place.text}: names {_shown(item)} twice")
        values[value] = None
    if not values:
        raise Rejected(f"{place.text}: must name at least one value")
    return tuple(values)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)
