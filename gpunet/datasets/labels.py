"""Targets as found in a file: classes or real values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = ("auto", "classes", "values")
_LARGEST = float(np.finfo(np.float32).max)
_MOST_FLOAT_CLASSES = 20  # whole floating-point numbers: classes up to this many distinct values
_MOST_INTEGER_CLASSES = 1000  # integers: beyond this many distinct values the user must decide


def as_targets(y: NDArray[Any], kind: str, where: str) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Turn targets as read from a file into targets to train on.

    With "auto", text, integers and booleans are classes; floating-point numbers are classes if they are
    whole and have at most 20 distinct values, else real values. Classes are numbered from 0 in sorted
    order. Rows ``(m, k)`` are not changed.

    Parameters
    ----------
    y : array, shape (m,) or (m, k)
        Text or numbers.
    kind : {"auto", "classes", "values"}
        Kind of the targets, or "auto" for the rule above.
    where : str
        Name of the targets in error messages.

    Returns
    -------
    targets : array
        Classes: int64 (m,). Values: float32 (m, 1). Rows: float32 (m, k).
    class_names : tuple of str or None
        For classes, the name of each class number.

    Raises
    ------
    ValueError
        If the targets are not of this kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.dtype.kind not in "Ubiuf":
        raise ValueError(f"{where} must be numbers or text, got an array of {y.dtype}")
    if y.ndim == 2 and y.shape[1] == 1 and y.dtype.kind != "f":
        y = y[:, 0]  # a column of class numbers
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.dtype.kind == "U"):
        raise ValueError(
            f"{where} must be one column of targets (m,) or rows of numbers (m, k), "
            f"got {y.dtype} of shape {y.shape}"
        )
    if y.dtype.kind == "U":
        if kind == "values":
            raise ValueError(f"{where} must be numbers for kind='values', got text such as {y[0]!r}")
        return _classes(y)
    in_range = np.abs(y.reshape(len(y), -1).astype(np.float64)) <= _LARGEST  # NaN is not
    bad = np.flatnonzero(~in_range.all(axis=1))
    if len(bad):
        raise ValueError(
            f"{where} must be finite in float32, got {y[bad[0]]} in row {bad[0]} (counted from 0); "
            "fill it in or drop the row"
        )
    if y.ndim == 2:
        if kind == "classes":
            raise ValueError(
                f"{where} must be one column (m,) for kind='classes', got shape {y.shape}; "
                "leave kind at 'auto' for one-hot and multi-label rows"
            )
        return y.astype(np.float32), None
    if kind == "auto":
        kind = _guess(y, where)
    if kind == "values":
        return y.astype(np.float32)[:, None], None
    fractions = y[y != np.floor(y)]
    if len(fractions):
        raise ValueError(
            f"{where} must be whole numbers or text for kind='classes', got {fractions[0]}; "
            "use kind='values' for real targets"
        )
    return _classes(y)


def _guess(y: NDArray[Any], where: str) -> str:
    distinct = len(np.unique(y))
    if y.dtype.kind == "f":
        whole = bool((y == np.floor(y)).all())
        return "classes" if whole and distinct <= _MOST_FLOAT_CLASSES else "values"
    if distinct > _MOST_INTEGER_CLASSES:
        raise ValueError(
            f"{where} has {distinct} distinct integers: use kind='classes' if each is a class, "
            "or kind='values' if they are quantities"
        )
    return "classes"


def _classes(y: NDArray[Any]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    names, numbers = np.unique(y, return_inverse=True)
    return numbers.reshape(-1).astype(np.int64), tuple(
        str(name) if y.dtype.kind == "U" else str(int(name)) for name in names
    )
