"""Epoch inputs as the kernels read them: one example per row, contiguous."""

from __future__ import annotations

from gpunet.core.program import EpochInputs

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

        self.given = inputs.X, inputs.Y, inputs.example_weights

        weights, order = inputs.example_weights, inputs.order
        self.X = cupy.ascontiguousarray(inputs.X.T)
        if self.X.data.ptr % ALIGNMENT:
            self.X = self.X.copy()
        self.Y = cupy.ascontiguousarray(inputs.Y.T)
        self.weights = None if weights is None else cupy.ascontiguousarray(weights.ravel())
        self.order = None if order is None else cupy.ascontiguousarray(order)
        self.coefficients = cupy.ascontiguousarray(inputs.coefficients)
        self.examples = inputs.examples

    @property
    def places(self) -> tuple[int | None, ...]:
        """Where X, Y and the weights are in memory: what a CUDA graph knows of them."""
        arrays = self.X, self.Y, self.weights
        return tuple(None if array is None else int(array.data.ptr) for array in arrays)

    def is_of(self, inputs: EpochInputs) -> bool:
        """Whether X, Y and the example weights are those of `inputs`, the same arrays."""
        return all(a is b for a, b in zip(self.given, inputs, strict=False))
