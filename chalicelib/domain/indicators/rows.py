"""Runs a TA-Lib function over every symbol; the indicator modules call it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# glibc returns freed arrays of this size to the kernel at once, and faulting their pages in again took two
# thirds of the time of all indicators. Freeing one large block, never touched, raises its limit (mallopt(3),
# M_MMAP_THRESHOLD, "dynamic"); other allocators don't care.
_large = np.empty(3_000_000)
del _large


def per_symbol(function: Callable[..., Any], *inputs: Floats, options: tuple[float, ...] = ()) -> Floats:
    """Return the one output of a TA-Lib function for every row of the inputs, `[symbols, bars]`."""
    output = np.empty(inputs[0].shape)
    for row, values in enumerate(zip(*inputs, strict=True)):
        output[row] = function(*values, *options)
    return output


def per_symbol_outputs(
    function: Callable[..., Any], outputs: int, *inputs: Floats, options: tuple[float, ...] = ()
) -> list[Floats]:
    """Return each of the several outputs of a TA-Lib function for every row, `[symbols, bars]` each."""
    results = [np.empty(inputs[0].shape) for _ in range(outputs)]
    for row, values in enumerate(zip(*inputs, strict=True)):
        for result, line in zip(results, function(*values, *options), strict=True):
            result[row] = line
    return results
