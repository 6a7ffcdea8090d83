"""Weights of examples: ``sample_weight`` and ``class_weight`` as one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.devices.placement import Placement
from gpunet.inputs.arrays import first_true, require_finite, to_device_array

Array = Any


def example_weights(
    sample_weight: Any, class_weight: Any, Y: Array, kind: str, placement: Placement, dtype: str
) -> Array | None:
    """Weights of the examples, ``(1, m)``: ``sample_weight`` times the weight of each one's class.

    Raises
    ------
    ValueError, TypeError
        For a wrong length, negative or non-finite weights, or class weights where there are no classes.
    """
    xp = placement.xp
    k, m = Y.shape
    weights = None
    if sample_weight is not None:
        w = to_device_array("sample_weight", sample_weight, placement, dtype)
        if tuple(w.shape) != (m,):
            raise ValueError(
                f"sample_weight must have shape ({m},), one for each example; got {tuple(w.shape)}"
            )
        require_finite(xp, "sample_weight", w)
        if bool(xp.any(w < 0)):
            raise ValueError(f"sample_weight is negative in row {first_true(xp, w < 0)}")
        weights = xp.reshape(w, (1, m))
    if class_weight is not None:
        if kind == "values" or (kind == "labels" and k > 1):
            raise ValueError("class_weight needs classes; use sample_weight for these targets")
        per_class = placement.to_device(_per_class(class_weight, max(k, 2), dtype))
        if k == 1:
            of_class = per_class[0] * (1.0 - Y) + per_class[1] * Y
        else:
            of_class = xp.reshape(per_class, (1, k)) @ Y
        weights = of_class if weights is None else weights * of_class
    return weights


def _per_class(class_weight: Any, count: int, dtype: str) -> Any:
    """``(count,)`` weights, 1 for classes that are not named."""
    wanted = f"class_weight must be a dict {{class: weight}} or a list of {count} weights"
    if isinstance(class_weight, str) or not hasattr(class_weight, "__len__"):
        raise TypeError(f"{wanted}; got {class_weight!r}")
    if not isinstance(class_weight, dict):
        if len(class_weight) != count:
            raise ValueError(f"{wanted}; got {len(class_weight)}")
        class_weight = {c: float(class_weight[c]) for c in range(count)}
    unknown = [c for c in class_weight if c not in range(count)]
    if unknown:
        raise ValueError(f"class_weight names class {unknown[0]!r}; classes are 0 to {count - 1}")
    try:
        row = np.array([class_weight.get(c, 1.0) for c in range(count)], dtype=dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{wanted}; got {class_weight!r}") from None
    if not np.all(np.isfinite(row)) or np.any(row < 0):
        raise ValueError(f"class weights must be finite and not negative, got {class_weight!r}")
    return row
