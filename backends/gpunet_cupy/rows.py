"""Data as the kernels read them: examples as contiguous rows, in the order of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.program import EpochInputs
from gpunet_cupy.kernels import launch, module


class Rows:
    """The data of one call of a program.

    Parameters
    ----------
    inputs : EpochInputs
        Columns that are transposed views of contiguous rows are used as they are.
    """

    def __init__(self, inputs: EpochInputs) -> None:
        import cupy

        weights, order = inputs.example_weights, inputs.order
        self.X = cupy.ascontiguousarray(inputs.X.T)
        if self.X.data.ptr % 16:  # kernels read four numbers at a time
            self.X = self.X.copy()
        self.Y = cupy.ascontiguousarray(inputs.Y.T)
        self.weights = None if weights is None else cupy.ascontiguousarray(weights.ravel())
        self.order = None if order is None else cupy.ascontiguousarray(order)
        self.used = inputs.examples


class Gather:
    """Rows of X for a step, gathered into `buffer`; without an order, X's own.

    Parameters
    ----------
    dtype : str
    inputs : int
        ``n[0]``.
    batch_size : int
        Examples a step; the step's number is read on the device.
    """

    def __init__(self, dtype: str, inputs: int, batch_size: int) -> None:
        self.kernel = module(dtype, "gather", N=inputs, INPUT="T").get_function("gather")
        self.batch_size = np.int32(batch_size)

    def __call__(self, rows: Rows, step: Any, position: int, first: int, count: int, buffer: Any) -> Any:
        """Rows ``first … first + count`` of the step that begins at `position`, ``(count, n[0])``."""
        if rows.order is None:
            return rows.X[position + first : position + first + count]
        x = buffer[:count]
        numbers = (self.batch_size, np.int32(first), np.int32(count))
        launch(self.kernel, x.size, rows.X, rows.order, step, *numbers, x)
        return x
