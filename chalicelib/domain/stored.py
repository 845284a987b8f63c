"""What every stored value that is written more than once has: room for what a newer program put there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

SPARSE = "sparse"


def sparse(default: Any = None, factory: Callable[[], Any] | None = None) -> Any:
    """Declare a field that is stored only where it differs from its default: items are paid by the byte.

    The default of such a field can't be changed any more: items without it mean that value.
    """
    if factory is not None:
        return field(default_factory=factory, metadata={SPARSE: True})
    return field(default=default, metadata={SPARSE: True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Base of the values that are read, changed and written back whole.

    `newer` holds the fields that a newer program stored and this one does not know. They go back with the
    next write, and are shown to nobody: not in the API, not in messages, not in comparisons.
    """

    newer: Mapping[str, Any] = field(
        default_factory=dict, compare=False, repr=False, metadata={"plain": False}
    )
