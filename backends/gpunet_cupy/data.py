"""Epoch inputs as the kernels read them: one example per row, contiguous."""

from __future__ import annotations

from typing import Any

from gpunet.core.integer_columns import IntegerColumns
from gpunet.core.program import EpochInputs
from gpunet_cupy.sources import Macro

VALUES = 4  # of X that kernels load at a time
ALIGNMENT = 16  # bytes, at most, of which their address is a multiple
INTEGERS = {
    "bool": "unsigned char",
    "uint8": "unsigned char",
    "int8": "signed char",
    "uint16": "unsigned short",
    "int16": "short",
}


class EpochData:
    """The inputs of an epoch on the current device.

    Parameters
    ----------
    inputs : EpochInputs
        Columns that are transposed views of contiguous rows are not copied.

    Attributes
    ----------
    X, Y : array, ``(m, n[0])`` and ``(m, n[L])``
    standardizer : pair of array ``(n[0],)``, or of None
        Mean and deviation with which X, of integers, is to be standardised.
    macros : dict
        What ``common/given.cuh`` needs for X.
    weights : array ``(m,)`` or None
    order : int32 array or None
    coefficients : array, ``(steps, k)``
    examples : int
        How many are used.
    """

    def __init__(self, inputs: EpochInputs) -> None:
        import cupy

        self.given = inputs.X, inputs.Y, inputs.example_weights

        weights, order = inputs.example_weights, inputs.order
        self.standardizer: tuple[Any, Any] = (None, None)
        self.macros: dict[str, Macro] = {}
        if isinstance(inputs.X, IntegerColumns):
            rows, self.standardizer = inputs.X.rows, (inputs.X.mean, inputs.X.deviation)
            standardized = int(inputs.X.mean is not None)
            self.macros = {"GIVEN": INTEGERS[str(rows.dtype)], "STANDARDIZED": standardized}
        else:
            rows = inputs.X.T
        self.X = cupy.ascontiguousarray(rows)
        if self.X.data.ptr % min(VALUES * self.X.itemsize, ALIGNMENT):
            self.X = self.X.copy()
        self.Y = cupy.ascontiguousarray(inputs.Y.T)
        self.weights = None if weights is None else cupy.ascontiguousarray(weights.ravel())
        self.order = None if order is None else cupy.ascontiguousarray(order)
        self.coefficients = cupy.ascontiguousarray(inputs.coefficients)
        self.examples = inputs.examples

    @property
    def places(self) -> tuple[Any, ...]:
        """What a CUDA graph knows of the data: where they are in memory, and what kind X is of."""
        arrays = self.X, self.Y, self.weights, *self.standardizer
        return *(None if array is None else int(array.data.ptr) for array in arrays), *self.macros.values()

    def is_of(self, inputs: EpochInputs) -> bool:
        """Whether X, Y and the example weights are those of `inputs`, the same arrays."""
        return all(a is b for a, b in zip(self.given, inputs, strict=False))
