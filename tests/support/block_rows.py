"""Rows that sources of blocks hold, and what is read of them."""

import numpy as np

from gpunet.inputs.blocks.sliced import ArraySlices
from small_networks import K, N

M = 50


def some_rows(rng):
    return rng.normal(size=(M, N)).astype("float32"), rng.integers(0, K, M)


def all_rows(blocks):
    found = list(blocks.all())
    assert [block.first for block in found] == [
        0,
        *np.cumsum([len(block.X) for block in found])[:-1].tolist(),
    ]
    return np.concatenate([block.X for block in found]), np.concatenate([block.y for block in found])


class Recorded(ArraySlices):
    """Rows that know which of them have been read."""

    def __init__(self, array):
        super().__init__("X", array)
        self.spans = []

    def read(self, first, last):
        self.spans.append((first, last))
        return super().read(first, last)
