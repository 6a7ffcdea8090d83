"""Epoch inputs as the kernels read them: one example per row, contiguous."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.program import EpochInputs
from gpunet_cupy.sources import launch, module

ALIGNMENT = 16  # bytes; kernels load four values of X at a time


class EpochData:
    """The inputs of an epoch on the current device.

    Parameters
    ----------
    inputs : EpochInputs
        Columns that are transposed views of contiguous rows are not copied.

    Attributes
    ----------
    X, Y : array, ``(m, n[0])`` and ``(m, n[L])``
    weights : array ``(m,)`` or None
    order : int32 array or None
    coefficients : array, ``(steps, k)``
    examples : int
        How many are used.
    """

    def __init__(self, inputs: EpochInputs) -> None:
        import cupy

        weights, order = inputs.example_weights, inputs.order
        self.X = cupy.ascontiguousarray(inputs.X.T)
        if self.X.data.ptr % ALIGNMENT:
            self.X = self.X.copy()
        self.Y = cupy.ascontiguousarray(inputs.Y.T)
        self.weights = None if weights is None else cupy.ascontiguousarray(weights.ravel())
        self.order = None if order is None else cupy.ascontiguousarray(order)
        self.coefficients = cupy.ascontiguousarray(inputs.coefficients)
        self.examples = inputs.examples


class Gather:
    """The examples of a step as a matrix: copied by a kernel, or a slice of X where there is no order.

    Parameters
    ----------
    dtype : str
    inputs : int
        ``n[0]``.
    batch_size : int
        Examples per step; the kernel reads the step's number from the device.
    """

    def __init__(self, dtype: str, inputs: int, batch_size: int) -> None:
        self.kernel = module(dtype, "batches/gather.cu", INPUTS=inputs).get_function("gather")
        self.batch_size = np.int32(batch_size)

    def __call__(self, data: EpochData, step: Any, position: int, first: int, count: int, buffer: Any) -> Any:
        """Examples ``first … first + count`` of the step that begins at `position`, ``(count, n[0])``.

        They are copied to `buffer` if they must be.
        """
        if data.order is None:
            return data.X[position + first : position + first + count]
        x = buffer[:count]
        launch(
            self.kernel,
            x.size,
            data.X,
            data.order,
            step,
            self.batch_size,
            np.int32(first),
            np.int32(count),
            x,
        )
        return x
