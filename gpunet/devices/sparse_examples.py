"""SciPy's sparse rows as training examples on a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.sparse_columns import SparseColumns
from gpunet.devices.placement import Placement

Array = Any

DENSE_NUMBERS = 2**24  # of examples that are dense at a time, where a call may choose how many


class SparseExamples(SparseColumns):
    """Columns that stay on the host, and go to the device a batch at a time.

    Parameters
    ----------
    rows : scipy.sparse.csr_array, ``(m, n[0])``
        In the network's dtype; indices sorted, none twice.
    placement : Placement
    dense : bool
        Whether columns are dense on every backend: for more than matrix products.
    """

    def __init__(self, rows: Any, placement: Placement, dense: bool = False) -> None:
        self.rows = rows
        self.placement = placement
        self.dense = dense

    def columns(self, chosen: Any) -> Array:
        """See :class:`gpunet.core.columns.Columns`."""
        backend, device = self.placement
        some = self.rows[chosen if isinstance(chosen, slice) else backend.to_host(chosen)]
        return some.T if self.stays_sparse else backend.from_host(some.toarray(), device).T

    def used_features(self, X: Array, W: Array) -> tuple[Array, Array]:
        """Columns X of these, and W, without the features that are 0 in all of X: for the same product ``W X``."""
        if not self.stays_sparse:
            return X, W
        is_used = np.zeros(X.shape[0], np.bool_)
        is_used[X.indices] = True
        used = np.flatnonzero(is_used)
        return X[used], W.T[used].T  # compiled programs store W feature by feature

    @property
    def stays_sparse(self) -> bool:
        """Whether columns are never dense."""
        return self.placement.backend.sparse_products and not self.dense

    def take(self, chosen: Any) -> SparseExamples:
        """Some of the examples; `chosen` is a slice or a NumPy array."""
        return SparseExamples(self.rows[chosen], self.placement, self.dense)

    def as_dense(self) -> SparseExamples:
        """See :class:`gpunet.core.sparse_columns.SparseColumns`."""
        return SparseExamples(self.rows, self.placement, dense=True)

    def chunk(self, most: int) -> int:
        """How many examples a pass over all of them may take at a time, `most` at most."""
        return most if self.stays_sparse else max(min(most, DENSE_NUMBERS // self.shape[0]), 1)
