"""NumPy's Array API namespace without what some of its functions do slowly.

Some do much in Python before they reach compiled code: for arrays of a few hundred numbers that takes several times as
long as the numbers themselves. ``where`` takes a branch for each number, and the processor guesses wrong where the
condition has no pattern. Results have the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy
import numpy as np

Array = Any
Axis = int | tuple[int, ...] | None
_sum: Any = np.add.reduce
_max: Any = np.maximum.reduce
FEW = 256  # numbers, for which NumPy's ``where`` is fast enough
INTEGERS = {np.dtype(np.float32): np.int32, np.dtype(np.float64): np.int64}


def total(x: Array, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The Array API's ``sum``."""
    return _sum(x, axis=axis, dtype=dtype, keepdims=keepdims)


def largest(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Array API's ``max``."""
    return _max(x, axis=axis, keepdims=keepdims)


def stacked(arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
    """The Array API's ``stack``."""
    return np.array(arrays) if axis == 0 else np.stack(arrays, axis=axis)


def chosen(condition: Array, x1: Array, x2: Any, /) -> Array:
    """The Array API's ``where``; with 0.0 as the other number, as ReLU's slope has it, without a branch."""
    positive_zero = type(x2) is float and x2 == 0.0 and math.copysign(1.0, x2) > 0.0
    if not (positive_zero and _alike(condition, x1)) or x1.size <= FEW:
        return np.where(condition, x1, x2)
    integer = INTEGERS[x1.dtype]
    mask = np.negative(condition.view(np.int8)).astype(integer)  # all bits, or none
    return np.bitwise_and(mask, x1.view(integer), out=mask).view(x1.dtype)


def _alike(condition: Array, x: Array) -> bool:
    """Whether these are booleans and floats, one for one."""
    return (
        type(condition) is type(x) is np.ndarray
        and condition.dtype == np.bool_
        and x.dtype in INTEGERS
        and condition.shape == x.shape
        and condition.flags.c_contiguous  # so is the result then, whatever x is
    )


REPLACED = {"sum": total, "max": largest, "stack": stacked, "where": chosen}
xp = SimpleNamespace(**{**vars(array_api_compat.numpy), **REPLACED})
