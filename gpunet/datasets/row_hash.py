"""A hash of rows that does not depend on their order: the sum of a hash of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIX = np.uint64(0xFF51AFD7ED558CCD)  # any odd number with well mixed bits


def rows_hash(rows: NDArray[Any]) -> int:
    """The sum, modulo 2⁶⁴, of a hash of each row ``(m, …)``.

    A row's 64-bit words are multiplied by odd numbers of their own and added; what that gives is mixed, so that words
    that two rows exchange change the sum.
    """
    m = len(rows)
    size = rows[:1].nbytes
    padded = np.zeros((m, -(-max(size, 1) // 8) * 8), np.uint8)
    padded[:, :size] = np.ascontiguousarray(rows).reshape(m, -1).view(np.uint8).reshape(m, size)
    words = padded.view(np.uint64)
    factors = np.random.default_rng(words.shape[1]).integers(0, 2**64, words.shape[1], np.uint64) | np.uint64(
        1
    )
    hashes = (words * factors).sum(axis=1, dtype=np.uint64)
    for _ in range(2):
        hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return int((hashes ^ (hashes >> np.uint64(32))).sum(dtype=np.uint64))
