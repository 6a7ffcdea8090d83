"""NumPy's Array API namespace without what some of its functions do in Python before they reach compiled code.

For arrays of a few hundred numbers that takes several times as long as the numbers themselves. Results have the same
bits: NumPy's own functions end in these calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy
import numpy as np

Array = Any
Axis = int | tuple[int, ...] | None
_sum: Any = np.add.reduce
_max: Any = np.maximum.reduce


def total(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The Array API's ``sum``."""
    return _sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


def largest(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Array API's ``max``."""
    return _max(x, axis=axis, keepdims=keepdims)


def stacked(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """The Array API's ``stack``."""
    return np.array(arrays) if axis == 0 else np.stack(arrays, axis=axis)


xp = SimpleNamespace(**{**vars(array_api_compat.numpy), "sum": total, "max": largest, "stack": stacked})
