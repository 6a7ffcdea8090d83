"""All parameters of a small network in one row: ``W[1]``, ``b[1]``, ``W[2]``, …"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.program import TrainState
from gpunet_numpy.compiled.layout import by_kind, by_layer


class Row:
    """Where the parameters are.

    Parameters
    ----------
    sizes : sequence of int, or an array
        n[0] … n[L].

    Attributes
    ----------
    at_W, at_b : int64 array
        Where W[l] and b[l] begin, for l from 1 on.
    """

    def __init__(self, sizes: Any) -> None:
        n = self.sizes = [int(size) for size in sizes]
        counts = [0, *(n[l] * (n[l - 1] + 1) for l in range(1, len(n)))]
        self.at_W = np.array([0, *np.cumsum(counts[:-1])])
        self.at_b = np.array([0, *(self.at_W[l] + n[l] * n[l - 1] for l in range(1, len(n)))])

    def pack(self, state: TrainState) -> Any:
        """A copy of the parameters and of each of their slots, a row each."""
        return np.array([np.concatenate([p.ravel() for W_b in kind for p in W_b]) for kind in by_kind(state)])

    def unpack(self, rows: Any) -> TrainState:
        """The reverse, as views."""
        return TrainState(*by_layer([self._layers(row) for row in rows]))

    def _layers(self, row: Any) -> list[tuple[Any, Any]]:
        n = self.sizes
        return [
            (
                row[self.at_W[l] : self.at_b[l]].reshape(n[l], n[l - 1]),
                row[self.at_b[l] : self.at_b[l] + n[l]].reshape(n[l], 1),
            )
            for l in range(1, len(n))
        ]
