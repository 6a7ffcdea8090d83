"""The training data as the kernels take them, dense or sparse, with the room they need for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled.inputs import FILED, Inputs
from gpunet_numpy.compiled.program import address, aligned

# Share of numbers that are not 0 below which examples go as lists: a listed number costs about twice one in a dense
# product, and has to be found.
DENSE = 0.5
LOOKED_AT = 256  # examples that tell how many zeros there are


class Source:
    """Room for `examples` examples at a time, kept from call to call.

    Parameters
    ----------
    features : int
    examples : int
    dtype : str
    """

    def __init__(self, features: int, examples: int, dtype: str) -> None:
        self.features, self.examples, self.dtype = features, examples, dtype
        self.room: dict[str, Any] = {}

    def _address(self, name: str, *shape: int, dtype: Any = None) -> int:
        if name not in self.room:
            self.room[name] = aligned(*shape, dtype=dtype or self.dtype)
        return address(self.room[name])

    def inputs(self, X: Any, order: Any, offsets: Any) -> Inputs:
        """What a kernel is told of rows X, an order or None, and offsets or None; the caller keeps all alive."""
        n, room = self.features, self.examples
        given = {"features": n, "X": address(X), "order": address(order)}
        if offsets is None:
            rows = 0 if order is None else self._address("rows", room, n)
            return Inputs(**{**dict.fromkeys(Inputs._fields, 0), **given, "rows": rows})
        chunks = -(-room // FILED)
        upto = self._address("upto", n, dtype=np.int32)
        self.room["upto"][:] = np.arange(n)
        return Inputs(
            **given,
            sparse=1,
            shifted=int(offsets.any()),
            offsets=address(offsets),
            factored=self._address("factored", n),
            upto=upto,
            rows=0,
            which=self._address("which", room, n, dtype=np.int32),
            values=self._address("values", room, n),
            listed=self._address("listed", room, dtype=np.int32),
            filed=self._address("filed", chunks, n, FILED, dtype=np.int32),
            filed_values=self._address("filed_values", chunks, n, FILED),
            filed_counts=self._address("filed_counts", chunks, n, dtype=np.int32),
        )


def common(rows: Any) -> Any:
    """What most examples have for each feature, if it pays to list only what differs from that; else None.

    It is 0 for images and tables with many zeros, and what becomes of 0 where they are standardised. A look at some of
    the examples tells; another choice would give the same results more slowly.
    """
    if is_sparse(rows):
        return np.zeros(rows.shape[1], dtype=rows.dtype)
    some = _some(rows)
    usual = np.sort(some, axis=0)[len(some) // 2]
    return usual if np.count_nonzero(some != usual) < DENSE * some.size else None


def is_sparse(rows: Any) -> bool:
    """Whether few numbers are other than 0."""
    some = _some(rows)
    return bool(np.count_nonzero(some) < DENSE * some.size)


def _some(rows: Any) -> Any:
    """A few rows, from all over."""
    return rows[:: max(len(rows) // LOOKED_AT, 1)][:LOOKED_AT]
