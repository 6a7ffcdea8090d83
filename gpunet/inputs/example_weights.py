"""Weights of examples: ``sample_weight`` and ``class_weight`` as one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpunet.devices.placement import Placement
from gpunet.inputs.arrays import first_true, require_finite, to_device_array

Array = Any

BALANCED = "balanced"


def sample_weights(
    name: str, sample_weight: Any, m: int, placement: Placement, dtype: str, first_row: int = 0
) -> Array | None:
    """``sample_weight``, called `name` in messages, as ``(1, m)``; None stays None. Rows count from `first_row`.

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
    require_finite(xp, name, w, first_row)
    if bool(xp.any(w < 0)):
        raise ValueError(f"{name} is negative in row {first_row + first_true(xp, w < 0)}")
    return xp.reshape(w, (1, m))


def class_weights(
    class_weight: Any, Y: Array, kind: str, placement: Placement, dtype: str, sample: Array | None = None
) -> Array:
    """The weight of each example's class, ``(1, m)``, for targets ``Y (n[L], m)`` and sample weights ``(1, m)``.

    "balanced" is what scikit-learn calls so: ``m / (classes · count)``. Where examples have weights, m and count are
    sums of those. A class without examples counts for nothing, and has weight 1.

    Raises
    ------
    ValueError, TypeError
        For weights that do not fit the classes, and where there are no classes.
    """
    k = Y.shape[0]
    if kind == "values" or (kind == "labels" and k > 1):
        raise ValueError("class_weight needs classes; use sample_weight for these targets")
    if isinstance(class_weight, str) and class_weight == BALANCED:
        weights = balanced_weights(class_counts(Y, sample, placement)).astype(dtype)
    else:
        weights = per_class(class_weight, max(k, 2), dtype)
    weights = placement.to_device(weights)
    if k == 1:
        return weights[0] * (1.0 - Y) + weights[1] * Y
    return placement.xp.reshape(weights, (1, k)) @ Y


def class_counts(Y: Array, sample: Array | None, placement: Placement) -> Any:
    """Examples of each class, or the sum of their weights, on the host; one output stands for two classes."""
    xp = placement.xp
    # A float32 sum of ones stops at 2²⁴.
    exact = xp.float64 if placement.has_float64() else None
    weighted = Y if sample is None else Y * sample
    counts = placement.backend.to_host(xp.sum(weighted, axis=1, dtype=exact)).astype(np.float64)
    if len(counts) > 1:
        return counts
    total = Y.shape[1] if sample is None else float(xp.sum(sample, dtype=exact))
    return np.array([total - counts[0], counts[0]])


def balanced_weights(counts: Any) -> Any:
    """``m / (classes · count)`` for the examples of each class, or sums of their weights; 1 for a class without any."""
    present, weights = counts > 0, np.ones(counts.shape)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def by_class(class_weight: Any) -> Any:
    """``class_weight`` as ``fit`` takes it, as a dict where it names its classes: any mapping, and a Series of pandas.

    Iterated over, a mapping would give its classes for weights, and a Series its weights in an order of its own.
    """
    if isinstance(class_weight, Mapping):
        return dict(class_weight)
    if hasattr(class_weight, "to_dict") and hasattr(class_weight, "index"):
        return class_weight.to_dict()
    return class_weight


def per_class(class_weight: Any, count: int, dtype: str) -> Any:
    """A dict or sequence as ``(count,)`` weights, 1 for classes that are not named."""
    wanted = f"class_weight must be {BALANCED!r}, a dict {{class: weight}} or a list of {count} weights"
    if not isinstance(class_weight, dict):
        try:
            if isinstance(class_weight, str | bytes | set | frozenset):  # not in the order of the classes
                raise TypeError
            given = [float(weight) for weight in class_weight]
        except (TypeError, ValueError):
            raise TypeError(f"{wanted}; got {class_weight!r}") from None
        if len(given) != count:
            raise ValueError(f"{wanted}; got {len(given)}")
        class_weight = dict(enumerate(given))
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


def require_some_weight(some: bool) -> None:
    """Raise a ValueError unless an example has a weight above 0."""
    if not some:
        raise ValueError(
            "sample_weight and class_weight give every example weight 0: there is nothing to learn from"
        )
