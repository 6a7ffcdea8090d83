"""The inputs' buffers for the examples of a run, and their rows of CSR, kept from epoch to epoch.

To find what is not 0 in a row costs about as much as to multiply it with the weights of a small layer. So what is found
is kept, features and numbers, where several epochs read the same X: two fifths of X's memory for handwritten digits,
in float32.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.core.integer_columns import IntegerColumns
from gpunet.core.program import EpochInputs
from gpunet_numpy.compiled.data import common_values, sample, with_integers, with_offsets
from gpunet_numpy.compiled.inputs import Inputs
from gpunet_numpy.compiled.layout import aligned
from gpunet_numpy.compiled.sizes import CACHE_LINE

EPOCHS = 8  # that rows are kept for: new memory may cost what several of them save
ENTRIES = 2**26  # that are kept at most: half a GiB in float32
SHARE = (
    4  # and at most one for so many numbers of X: half its memory in float32. Other rows are found each time
)
SPARE = 1.1  # of the entries that a sample lets expect
UPDATE = 12  # entries that take as long as the update of a feature's weights


class KnownInputs:
    """What is known of the X that a program has been called with.

    Parameters
    ----------
    threads : int
        Of the program.
    batch : int
        Examples that it lists in CSC at a time.
    share : float
        Of numbers other than the most common ones, below which it takes X as sparse.
    """

    def __init__(self, threads: int, batch: int, share: float) -> None:
        self.threads, self.batch, self.share = threads, batch, share
        self.X: Callable[[], Any] = lambda: None
        self.inputs: Inputs | None = None

    def forget(self) -> None:
        """Hold nothing of X any more."""
        self.X, self.inputs = lambda: None, None

    def of(self, given: EpochInputs, buffers: Callable[[bool], Inputs]) -> Inputs:
        """Those of the `buffers` for sparse or dense data, prepared for X.

        From call to call X is the same, as a rule, and is not looked at again.
        """
        X = given.X
        if self.inputs is None or self.X() is not X:
            self.X = weakref.ref(X)  # it may be large, and is not this program's to keep
            self.inputs = self._prepared(X, buffers, given.epochs >= EPOCHS)
        return with_integers(self.inputs, X) if isinstance(X, IntegerColumns) else self.inputs

    def _prepared(self, X: Any, buffers: Callable[[bool], Inputs], keep: bool) -> Inputs:
        some = sample(X)
        offsets = common_values(some, self.share)
        if offsets is None:
            return buffers(False)
        density = np.mean(some != offsets, axis=0)
        inputs = with_offsets(buffers(True), offsets)
        inputs = inputs._replace(edges=edges_of(density * self.batch + UPDATE, inputs.csr_parts.shape[-1]))
        return with_kept_rows(inputs, X.shape[1], density.mean(), self.threads) if keep else inputs


def edges_of(costs: Any, parts: int) -> Any:
    """Where to cut a list into so many parts of about the same cost; with both ends."""
    sums = np.cumsum(costs)
    inner = np.searchsorted(sums, sums[-1] * np.arange(1, parts) / parts)
    return np.array([0, *inner, len(costs)])


def with_kept_rows(inputs: Inputs, m: int, density: float, threads: int) -> Inputs:
    """The same buffers, with room to keep rows of CSR of m examples; threads fill it, each a part of its own."""
    n = len(inputs.offsets)
    room = min(int(SPARE * density * m * n), ENTRIES, m * n // SHARE) // threads + n
    begin = inputs.csr_indices.size
    ends = aligned(threads, CACHE_LINE // 8, dtype=np.int64)
    ends[:, 0] = begin + room * np.arange(threads)
    ends[:, 1] = ends[:, 0] + room
    size = begin + room * threads
    return inputs._replace(
        csr_indices=aligned(size, dtype=np.int32, make=np.empty),
        csr_values=aligned(size, dtype=inputs.offsets.dtype, make=np.empty),
        kept_starts=np.full(m, -1),
        kept_counts=np.empty(m, np.int32),
        kept_parts=np.empty((m, inputs.csr_parts.shape[-1]), np.int32),
        kept_ends=ends,
    )
