"""What is read from a file is checked, so that it is refused when it is loaded and not when it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def text(what: str, value: Any) -> str:
    """`value`, a text."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, got {value!r}")
    return value


def texts(what: str, values: Any) -> tuple[str, ...]:
    """`values`, a list of different texts."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{what} must be a list of texts, got {values!r}")
    if len(set(values)) < len(values):
        raise ValueError(f"{what} must differ from each other, got {values!r}")
    return tuple(values)


def count(what: str, value: Any) -> int:
    """`value`, a whole number of at least 0."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{what} must be a whole number, 0 or more, got {value!r}")
    return value


def numbers(what: str, array: NDArray[Any], size: int, kind: str, low: float) -> NDArray[Any]:
    """`array` of `size` finite numbers, `low` or more; of NumPy's kind "f" (floats) or "i" (integers)."""
    if array.shape != (size,) or array.dtype.kind != kind:
        raise ValueError(f"{what} must be {size} numbers of kind {kind!r}, got {array.shape} {array.dtype}")
    if not (np.isfinite(array).all() and (array >= low).all()):
        raise ValueError(f"{what} must be finite and at least {low:g}, got {array!r}")
    return array
