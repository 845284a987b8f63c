"""Changed copies of frozen values: `dataclasses.replace` at half of its cost, a quarter for large ones.

Every order and every tick is a chain of such copies, in a backtest by the hundred thousand.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import replace as replace
else:
    from dataclasses import fields

    _known = {}

    def replace(value, /, **changes):
        """Return a copy of a slotted dataclass with some fields changed; TypeError for unknown names.

        The slots are copied as they are, so the class must have nothing to do after its construction.
        """
        kind = type(value)
        copied, stores = _known.get(kind) or _learnt(kind)
        copy = copied(value)
        try:
            for name, part in changes.items():
                stores[name](copy, part)
        except KeyError as error:
            raise TypeError(f"{kind.__name__} has no field {error}") from None
        return copy

    def _learnt(kind):
        """Compile the function that copies a class, as `dataclasses` compiles its `__init__`."""
        names = [field.name for field in fields(kind)]
        if hasattr(kind, "__post_init__") or kind.__dictoffset__:
            raise TypeError(f"{kind.__name__} is no slotted dataclass of plain fields")
        stores = {name: getattr(kind, name).__set__ for name in names}
        known = {"new": object.__new__, "kind": kind} | {f"set_{name}": stores[name] for name in names}
        lines = [f" set_{name}(copy, value.{name})" for name in names]
        exec("\n".join(["def copied(value):", " copy = new(kind)", *lines, " return copy"]), known)
        _known[kind] = known["copied"], stores
        return _known[kind]
