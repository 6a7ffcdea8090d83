"""How large inputs and targets are: networks learn best from numbers of about 1 (C15)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.core.program import TrainState
from gpunet.errors import UnscaledInputs, warn

Array = Any

# Means of |x| and |y| above which numbers count as large; standardised ones have 0.8.
LARGE_INPUT, LARGE_TARGET = 10.0, 100.0
SAMPLE = 1000  # examples that are looked at before training


def mean_size(xp: Any, A: Array) -> float:
    """The mean of ``|a|``."""
    with np.errstate(all="ignore"):
        return float(xp.mean(xp.abs(A)))


def input_size(xp: Any, X: Array) -> float:
    """The root mean square of the columns X, as the nearest power of two, and 1 if it is less than that.

    A power of two is the same on every backend, and weights are divided by it without rounding.
    """
    X = _sample(X)
    largest = float(xp.max(xp.abs(X)))
    if not 1.0 < largest < math.inf:
        return 1.0
    rms = largest * math.sqrt(float(xp.mean((X / largest) ** 2)))
    return 2.0 ** max(round(math.log2(rms)), 0)


def with_smaller_start(state: TrainState, size: float) -> TrainState:
    """The state with the weights of the first layer divided by the inputs' size.

    Its outputs are then those that the initializer is made for, with inputs of size 1 (C16).
    """
    (W, b), *others = state.parameters
    return state._replace(parameters=[(W / size, b), *others])


def _sample(X: Array) -> Array:
    """Some of the examples, from all over."""
    return X[:, :: max(X.shape[1] // SAMPLE, 1)]


def warn_of_unscaled(xp: Any, X: Array) -> None:
    """Warn if the columns X are large."""
    size = mean_size(xp, _sample(X))
    if not size <= LARGE_INPUT:
        warn(
            f"the inputs are not scaled (mean |x| is {size:.3g}, about 1 is usual), which makes training slow or "
            "unstable: give the Network standardizer=gpunet.Standardizer(), or Standardizer('set') for images",
            UnscaledInputs,
        )
