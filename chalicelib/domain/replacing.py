"""Frozen values copied and made quickly: what `dataclasses` does, at a third of its cost for large ones.

Every order and every tick is a chain of such values, in a backtest by the hundred thousand. A frozen class
sets each field by a call; here a value begins as an instance of its twin, a class with the same slots that is
not frozen, and becomes one of its own class when it is complete. `make_quickly` compiles code, which is worth
it from some thousands of values on: a function that starts cold leaves it out.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace as replace

    def make_quickly(*kinds: type) -> None: ...
else:
    from dataclasses import MISSING, fields
    from functools import cache

    def replace(value, /, **changes):
        """Return a copy of a slotted dataclass with some fields changed; TypeError for unknown names.

        The slots are copied as they are, so the class must have nothing to do after its construction.
        """
        kind = type(value)
        copy = (_copiers.get(kind) or _copier(kind))(value)
        try:
            for name in changes:
                setattr(copy, name, changes[name])
        except AttributeError:
            raise TypeError(f"{kind.__name__} has no field {name!r}") from None
        copy.__class__ = kind
        return copy

    def make_quickly(*kinds):
        """Let slotted frozen dataclasses make their values as `replace` copies them; the same values."""
        for kind in kinds:
            kind.__init__ = _maker(kind)

    _copiers = {}

    def _copier(kind):
        """Return the function that copies the fields of a value to an instance of its twin."""
        sets = [f" copy.{field.name} = value.{field.name}" for field in fields(kind)]
        made = _compiled(kind, ["def made(value):", " copy = _new(_twin)", *sets, " return copy"])
        _copiers[kind] = made
        return made

    @cache
    def _maker(kind):
        """Return an `__init__` with the parameters of the one that `dataclasses` made."""
        words, sets = ["self"], []
        for field in sorted(fields(kind), key=lambda field: field.kw_only):
            name = field.name
            if field.kw_only and "*" not in words:
                words.append("*")
            if field.default_factory is not MISSING:
                words.append(f"{name}=_MISSING")
                sets.append(
                    f" self.{name} = _fields['{name}'].default_factory() if {name} is _MISSING else {name}"
                )
            else:
                words.append(name if field.default is MISSING else f"{name}=_fields['{name}'].default")
                sets.append(f" self.{name} = {name}")
        head = f"def made({', '.join(words)}):"
        return _compiled(kind, [head, " _set_class(self, _twin)", *sets, " self.__class__ = _kind"])

    def _compiled(kind, lines):
        """Compile a function that makes values of a class, as `dataclasses` compiles its `__init__`."""
        if hasattr(kind, "__post_init__") or kind.__dictoffset__:
            raise TypeError(f"{kind.__name__} is no slotted dataclass of plain fields")
        thawed = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
        known = {
            "_new": object.__new__,
            "_kind": kind,
            "_twin": type(kind.__name__, kind.__bases__, {"__slots__": kind.__slots__, **thawed}),
            "_set_class": object.__dict__["__class__"].__set__,
            "_fields": {field.name: field for field in fields(kind)},
            "_MISSING": MISSING,
        }
        exec("\n".join(lines), known)
        return known["made"]
