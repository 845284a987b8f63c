"""What every stored value that is written more than once has: room for what a newer program put there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Base of the values that are read, changed and written back whole.

    `newer` holds the fields that a newer program stored and this one does not know. They go back with the
    next write, and are shown to nobody: not in the API, not in messages, not in comparisons.
    """

    newer: Mapping[str, Any] = field(
        default_factory=dict, compare=False, repr=False, metadata={"plain": False}
    )
