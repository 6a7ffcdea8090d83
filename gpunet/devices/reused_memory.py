"""Memory for large arrays that follow each other: new pages from the system take as long as filling them does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 2**20  # bytes: smaller arrays are made anew
SPARE = 2  # pieces of memory that are kept


class ReusedMemory:
    """Makes arrays in the memory of earlier ones that nothing refers to any more."""

    def __init__(self) -> None:
        self._spare: list[NDArray[Any]] = []

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """As :func:`numpy.empty`."""
        dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
        size = math.prod(shape) * dtype.itemsize
        if size < LARGE:
            return np.empty(shape, dtype)
        fits = [size <= memory.nbytes <= 2 * size for memory in self._spare]
        memory = self._spare.pop(fits.index(True)) if any(fits) else np.empty(size, np.uint8)
        return np.asarray(_Lent(memory, self._spare, shape, dtype))


class _Lent:
    """What an array, and every view of it, refers to: the memory is spare when all of them are gone."""

    def __init__(
        self, memory: NDArray[Any], spare: list[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._memory, self._spare = memory, spare
        self.__array_interface__ = {**memory.__array_interface__, "shape": shape, "typestr": dtype.str}

    def __del__(self) -> None:
        self._spare.append(self._memory)
        del self._spare[:-SPARE]
