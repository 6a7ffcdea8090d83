"""Memory for large arrays that follow each other: new pages from the system take as long as filling them does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 2**20  # bytes: smaller arrays are made anew
SPARE = 2  # pieces of memory that are kept
LEARNED = 2**25 - 2**16  # bytes: glibc learns from arrays of up to 32 MiB


def keep_freed_memory() -> None:
    """Let the C library keep what arrays of some megabytes have freed for the next ones, up to 64 MiB.

    glibc keeps twice the size of the largest array that was freed, and gives the rest back to the system: steps with
    several arrays of one size get all their pages anew. Here a large array is freed once, which nothing has filled.
    Other libraries have rules of their own. See M_MMAP_THRESHOLD in ``mallopt(3)``.
    """
    np.empty(LEARNED, np.uint8)


class ReusedMemory:
    """Makes arrays in the memory of earlier ones that nothing refers to any more."""

    def __init__(self) -> None:
        self._spare: list[NDArray[Any]] = []

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """As :func:`numpy.empty`."""
        dtype, shape, size = _described(shape, dtype)
        if size < LARGE:
            return np.empty(shape, dtype)
        fits = [size <= memory.nbytes <= 2 * size for memory in self._spare]
        memory = self._spare.pop(fits.index(True)) if any(fits) else np.empty(size, np.uint8)
        return np.asarray(_Lent(memory, self._spare, shape, dtype))

    def zeros(self, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """As :func:`numpy.zeros`, in new memory: it takes no time until it is written to. Later arrays may have it."""
        dtype, shape, size = _described(shape, dtype)
        if size < LARGE:
            return np.zeros(shape, dtype)
        return np.asarray(_Lent(np.zeros(size, np.uint8), self._spare, shape, dtype))


def _described(shape: int | tuple[int, ...], dtype: Any) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Dtype and shape of an array, and its bytes."""
    dtype, shape = np.dtype(dtype), (shape,) if isinstance(shape, int) else shape
    return dtype, shape, math.prod(shape) * dtype.itemsize


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
