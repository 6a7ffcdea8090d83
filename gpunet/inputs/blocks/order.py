"""The order of examples that are not all in memory: blocks are permuted, and the rows of some of them at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TwoLevelOrder:
    """The order of each epoch, from the seed, the epoch's number and the blocks alone.

    Blocks are permuted; the rows of so many at a time, a group of blocks, are permuted once they have been read. There
    is no array of all row numbers.

    Parameters
    ----------
    edges : int64 array
        Where blocks begin, and where the last one ends.
    held : int
        Blocks of a group.
    seed : int or None
        None for the order in which the rows are stored.
    sequential : bool
        Whether blocks come in the order in which they are stored; rows are permuted all the same.
    """

    def __init__(self, edges: NDArray[np.int64], held: int, seed: int | None, sequential: bool) -> None:
        self.edges = edges
        self.held = held
        self.seed = seed
        self.sequential = sequential

    def blocks(self, epoch: int) -> NDArray[np.int64]:
        """The numbers of the blocks, in the order in which they are read."""
        count = len(self.edges) - 1
        if self.seed is None or self.sequential:
            return np.arange(count, dtype=np.int64)
        numbers: NDArray[np.int64] = np.random.default_rng([self.seed, epoch, 1]).permutation(count)
        return numbers

    def ends(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many examples have been used when the last one of each group has."""
        sizes = np.diff(self.edges)[blocks]
        used = np.cumsum(sizes)
        groups = -(-len(blocks) // self.held)
        last = np.minimum(np.arange(1, groups + 1) * self.held, len(blocks)) - 1
        ends: NDArray[np.int64] = used[last]
        return ends

    def rows(self, epoch: int, group: int, count: int) -> NDArray[np.int32]:
        """The order of a group's rows, laid one block after the other."""
        if self.seed is None:
            return np.arange(count, dtype=np.int32)
        return np.random.default_rng([self.seed, epoch, 2 + group]).permutation(count).astype(np.int32)
