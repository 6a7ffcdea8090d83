"""How large inputs and targets are: networks learn best from numbers of about 1 (C15)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.core.program import TrainState
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.errors import UnscaledInputs, warn
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.inputs.pending_check import sampled_every

Array = Any

# Means of |x| and |y| above which numbers count as large; standardised ones have 0.8.
LARGE_INPUT, LARGE_TARGET = 10.0, 100.0


def mean_size(xp: Any, A: Array | SparseExamples | IntegerExamples) -> float:
    """The mean of ``|a|``; of sparse columns, over their entries; of integers, from some of the examples."""
    if isinstance(A, IntegerExamples):
        A = _sample(A)
    if isinstance(A, SparseExamples):
        return float(np.abs(A.rows.data).mean()) if A.rows.nnz else 0.0
    with np.errstate(all="ignore"):
        return float(xp.mean(xp.abs(A)))


def input_size(xp: Any, X: Array | SparseExamples | IntegerExamples) -> float:
    """The root mean square of the columns X, as the nearest power of two, and 1 if it is less than that.

    A power of two is the same on every backend, and weights are divided by it without rounding.
    """
    X = _sample(X)
    count = math.prod(X.shape)
    numbers: Any = X
    if isinstance(X, SparseExamples):
        xp, numbers = np, X.rows.data
        if not numbers.size:
            return 1.0
    largest = float(xp.max(xp.abs(numbers)))
    if not 1.0 < largest < math.inf:
        return 1.0
    rms = largest * math.sqrt(float(xp.sum((numbers / largest) ** 2)) / count)
    return 2.0 ** max(round(math.log2(rms)), 0)


def with_smaller_start(state: TrainState, size: float) -> TrainState:
    """The state with the weights of the first layer divided by the inputs' size.

    Its outputs are then those that the initializer is made for, with inputs of size 1 (C16).
    """
    (W, b), *others = state.parameters
    return state._replace(parameters=[(W / size, b), *others])


def _sample(X: Array | SparseExamples | IntegerExamples) -> Array | SparseExamples:
    """Some of the examples, from all over; integers as their numbers."""
    some = slice(None, None, sampled_every(X.shape[1]))
    if isinstance(X, IntegerExamples):
        return X.columns(some)
    return X.take(some) if isinstance(X, SparseExamples) else X[:, some]


def standardizer_for(X: Array | SparseExamples | IntegerExamples) -> str:
    """The standardizer that columns X could have, as it is written."""
    return f"gpunet.Standardizer({'center=False' if isinstance(X, SparseExamples) else ''})"


def warn_of_unscaled(
    xp: Any, X: Array | SparseExamples | IntegerExamples, measured: float | None = None
) -> None:
    """Warn if the columns X are large; `measured` is their size, where it is known already."""
    if measured is not None and measured <= LARGE_INPUT:
        return
    size = mean_size(xp, _sample(X))
    if not size <= LARGE_INPUT:
        images = "" if isinstance(X, SparseExamples) else ", or Standardizer('set') for images"
        warn(
            f"the inputs are not scaled (mean |x| is {size:.3g}, about 1 is usual), which makes training slow or "
            f"unstable: give the Network standardizer={standardizer_for(X)}{images}",
            UnscaledInputs,
        )
