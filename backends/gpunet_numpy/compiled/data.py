"""The training data as the kernels take them, dense or sparse, with the room they need for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled.inputs import FILED, Inputs
from gpunet_numpy.compiled.program import address, aligned

# Share of numbers that are not 0 below which examples go as lists: a listed number costs about twice one in a dense
# product, and has to be found.
DENSE = 0.35
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

    def inputs(self, X: Any, order: Any, sparse: bool) -> Inputs:
        """What a kernel is told of rows X and an order or None; the caller keeps both alive."""
        n, room = self.features, self.examples
        given = {"sparse": int(sparse), "features": n, "X": address(X), "order": address(order)}
        nothing = dict.fromkeys(set(Inputs._fields) - given.keys(), 0)
        if not sparse:
            rows = 0 if order is None else self._address("rows", room, n)
            return Inputs(**{**nothing, **given, "rows": rows})
        chunks = -(-room // FILED)
        return Inputs(
            **given,
            rows=0,
            which=self._address("which", room, n, dtype=np.int32),
            values=self._address("values", room, n),
            listed=self._address("listed", room, dtype=np.int32),
            filed=self._address("filed", chunks, n, FILED, dtype=np.int32),
            filed_values=self._address("filed_values", chunks, n, FILED),
            filed_counts=self._address("filed_counts", chunks, n, dtype=np.int32),
        )


def is_sparse(rows: Any) -> bool:
    """Whether so many numbers are 0 that it pays to skip them, by a look at some of the examples."""
    some = rows[:: max(len(rows) // LOOKED_AT, 1)][:LOOKED_AT]
    return bool(np.count_nonzero(some) < DENSE * some.size)
