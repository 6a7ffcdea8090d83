"""Weights of examples: ``sample_weight`` and ``class_weight`` as one row."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.devices.placement import Placement
from gpunet.inputs.arrays import first_true, require_finite, to_device_array

Array = Any


def sample_weights(name: str, sample_weight: Any, m: int, placement: Placement, dtype: str) -> Array | None:
    """``sample_weight``, called `name` in messages, as ``(1, m)``; None stays None.

    Raises
    ------
    ValueError, TypeError
        For a wrong length, and negative or non-finite weights.
    """
    if sample_weight is None:
        return None
    xp = placement.xp
    w = to_device_array(name, sample_weight, placement, dtype)
    if tuple(w.shape) != (m,):
        raise ValueError(f"{name} must have shape ({m},), one for each example; got {tuple(w.shape)}")
    require_finite(xp, name, w)
    if bool(xp.any(w < 0)):
        raise ValueError(f"{name} is negative in row {first_true(xp, w < 0)}")
    return xp.reshape(w, (1, m))


def class_weights(class_weight: Any, Y: Array, kind: str, placement: Placement, dtype: str) -> Array:
    """The weight of each example's class, ``(1, m)``, for targets ``Y (n[L], m)``.

    Raises
    ------
    ValueError, TypeError
        For weights that do not fit the classes, and where there are no classes.
    """
    k = Y.shape[0]
    if kind == "values" or (kind == "labels" and k > 1):
        raise ValueError("class_weight needs classes; use sample_weight for these targets")
    per_class = placement.to_device(_per_class(class_weight, max(k, 2), dtype))
    if k == 1:
        return per_class[0] * (1.0 - Y) + per_class[1] * Y
    return placement.xp.reshape(per_class, (1, k)) @ Y


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
