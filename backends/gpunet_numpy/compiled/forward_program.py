"""Prediction with compiled code: a network's weights, flattened once, and a buffer for each thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet_numpy.compiled.elementwise import ACTIVATION
from gpunet_numpy.compiled.forward import run_forward
from gpunet_numpy.compiled.program import run, run_alone, threads

PIECE = 256  # examples that go from the first layer to the last while they are in cache
ALONE = 8  # so few are done before another thread has woken up


class Forward:
    """``A[L]`` of rows, for weights that do not change.

    Parameters
    ----------
    activations : sequence of str
    parameters : sequence of ``(W, b)``
        NumPy arrays of one dtype; copied.
    """

    def __init__(self, activations: Sequence[str], parameters: Sequence[tuple[Any, Any]]) -> None:
        self.theta = np.concatenate([p.ravel() for pair in parameters for p in pair])
        shapes = [W.shape for W, _ in parameters]
        self.sizes = np.array([shapes[0][1], *(n for n, _ in shapes)])
        self.offsets = np.array([0, 0, *np.cumsum([n * (k + 1) for n, k in shapes])[:-1]])
        self.codes = np.array([0, *(ACTIVATION[name] for name in activations)])
        width = int(self.sizes[1:].max())
        self.work = np.empty((threads(), 2 * PIECE * width), dtype=self.theta.dtype)

    @staticmethod
    def covers(activations: Sequence[str]) -> bool:
        """Whether all activations have a compiled form."""
        return all(name in ACTIVATION for name in activations)

    def __call__(self, X: Any) -> Any:
        """Rows ``(m, n[L])`` for rows ``(m, n[0])``."""
        X = np.ascontiguousarray(X)
        A = np.empty((X.shape[0], int(self.sizes[-1])), dtype=self.theta.dtype)
        arguments = (self.sizes, self.offsets, self.codes, self.theta, self.work, X, A)
        if X.shape[0] <= ALONE:
            # Example by example: no BLAS, so no threads of its to hold back.
            run_alone(run_forward, *arguments, 1)
        else:
            run(run_forward, str(self.theta.dtype), *arguments, PIECE)
        return A
