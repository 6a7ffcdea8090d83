"""Memory for the X of several blocks, which lie in it one after the other."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from gpunet.devices.reused_memory import ReusedMemory


class Room:
    """Rows of X that are still to come, all of one type.

    Parameters
    ----------
    memory : ReusedMemory

    Attributes
    ----------
    filled : int
        How many rows are there.
    """

    def __init__(self, memory: ReusedMemory) -> None:
        self.memory = memory

    def begin(self, m: int) -> None:
        """Begin with other rows, m of them; those before are left to who has them."""
        self.m, self.filled = m, 0
        self.rows: NDArray[Any] | None = None

    def next(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any] | None:
        """Where rows of this shape and dtype belong; None if others have come before, or they are too many."""
        end, numbers = self.filled + shape[0], math.prod(shape[1:])
        if end > self.m:
            return None
        if self.rows is None:
            self.rows = self.memory.empty((self.m, numbers), dtype)
        if self.rows.dtype != dtype or self.rows.shape[1] != numbers:
            return None
        return self.rows[self.filled : end].reshape(shape)

    def take(self, X: NDArray[Any]) -> NDArray[Any] | None:
        """The rows of X, where they belong; they may be there already. None as for :meth:`next`."""
        rows = self.next(X.shape, X.dtype)
        if rows is None:
            return None
        if not same_memory(rows, X):
            rows[...] = X
        self.filled += len(rows)
        return rows

    def last(self, count: int, shape: tuple[int, ...]) -> NDArray[Any]:
        """The rows that came last, of this shape each."""
        assert self.rows is not None
        return self.rows[self.filled - count : self.filled].reshape(count, *shape)


def no_room(shape: tuple[int, ...], dtype: Any) -> None:
    """For blocks that are arrays of their own."""


def same_memory(A: Any, B: Any) -> bool:
    """Whether two contiguous arrays begin at the same place."""
    return bool(A.ctypes.data == B.ctypes.data)
