"""A random order of rows of which only some are in memory at a time: each goes to a random pile, piles are shuffled.

That is a uniformly random permutation, as if each row had drawn a number and all were sorted by it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS = 2**16  # of a pile, about: so many are in memory at a time
MOST = 512  # piles


class Piles:
    """The order of `m` rows, from the seed and their number alone.

    Parameters
    ----------
    m : int
    seed : int
    """

    def __init__(self, m: int, seed: int) -> None:
        self.m = m
        self.seed = seed
        self.count = min(max(-(-m // ROWS), 1), MOST)

    def choices(self, sizes: Iterator[int]) -> Iterator[NDArray[np.int64]]:
        """The piles of the rows, so many rows at a time, from the first row on."""
        rng = np.random.default_rng([self.seed, 1])
        for size in sizes:
            yield (rng.random(size) * self.count).astype(np.int64)

    def sizes(self) -> NDArray[np.int64]:
        """How many rows each pile gets."""
        parts = (min(ROWS, self.m - first) for first in range(0, self.m, ROWS))
        sizes = np.zeros(self.count, np.int64)
        for chosen in self.choices(parts):
            sizes += np.bincount(chosen, minlength=self.count)
        return sizes

    def order(self, pile: int, size: int) -> NDArray[np.int64]:
        """The order of the rows of a pile."""
        return np.random.default_rng([self.seed, 2, pile]).permutation(size)
