"""Targets as found in an array: classes or real values, by the rule for tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.tables.target import Target


def as_targets(
    y: NDArray[Any], kind: str, where: str, name: str = "y"
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Turn targets as read from a file into targets to train on.

    What is a class and what a value, `gpunet.tables.Target` decides, for ``(m,)`` and ``(m, 1)`` alike. Rows ``(m, k)``
    are not changed.

    Parameters
    ----------
    y : array, shape (m,) or (m, k)
        Text or numbers.
    kind : {"auto", "classes", "values"}
        Kind of the targets, or "auto" for the rule above.
    where : str
        The file, in error messages.
    name : str
        Name of the array.

    Returns
    -------
    targets : array
        Classes: int64 (m,). Values: float64 (m, 1). Rows: float64 (m, k).
    class_names : tuple of str or None
        For classes, the name of each class number.

    Raises
    ------
    ValueError
        If the targets are not of this kind.
    """
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
    if y.dtype.kind not in "Ubiuf":
        raise ValueError(f"{where}: {name} must be numbers or text, got an array of {y.dtype}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.dtype.kind == "U"):
        raise ValueError(
            f"{where}: {name} must be one column of targets (m,) or rows of numbers (m, k), "
            f"got {y.dtype} of shape {y.shape}"
        )
    if y.ndim == 2:
        return _rows(y, kind, f"{where}: {name}"), None
    target = Target(kind)
    target.name = name
    try:
        target.fit(y)
        if target.class_names is None:
            target.center, target.scale = 0.0, 1.0  # as they are
        return target.encode(y), target.class_names
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _rows(y: NDArray[Any], kind: str, where: str) -> NDArray[np.float64]:
    if kind == "classes":
        raise ValueError(
            f"{where} must be one column (m,) for kind='classes', got shape {y.shape}; "
            "leave kind at 'auto' for one-hot and multi-label rows"
        )
    values = y.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{where} must be finite, got {y[bad[0]]} in row {bad[0]} (counted from 0); fill it in or drop the row"
        )
    return values
