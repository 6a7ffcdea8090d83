"""Prediction with compiled code: a network's weights, laid out once, and a buffer for each thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet_numpy.compiled.data import is_sparse
from gpunet_numpy.compiled.elementwise import ACTIVATION
from gpunet_numpy.compiled.forward import run_forward
from gpunet_numpy.compiled.layout import Sizes
from gpunet_numpy.compiled.program import address, aligned, run, run_alone, threads

PIECE, DENSE_PIECE = 64, 256  # examples that go from the first layer to the last while they are in cache
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
        self.made_of = activations, parameters
        dtype = parameters[0][0].dtype
        n = [parameters[0][0].shape[1], *(W.shape[0] for W, _ in parameters)]
        self.layout = layout = Sizes(n, dtype, 1)
        self.panels, self.later = layout.pack([parameters])
        self.codes = np.array([0, *(ACTIVATION[name] for name in activations)])
        self.at_A = np.array([0, 0, *np.cumsum(DENSE_PIECE * layout.strides[1:])])
        self.work = aligned(threads(), int(self.at_A[-1]), dtype=dtype)
        self.lists = aligned(threads(), PIECE * (n[0] * (4 + dtype.itemsize) + 4), dtype=np.uint8)
        self.turn = threading.Lock()  # callers may be threads of a server, and share the buffers
        self.zeros = aligned(n[0], dtype=dtype)
        self.arguments = (
            dtype.type(1),
            layout.net(self.codes),
            address(self.panels),
            layout.width,
            address(self.later),
            *(address(one) for one in (self.work, self.at_A, self.lists, self.zeros)),
        )

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Forward, self.made_of  # a copy lies at other addresses

    @staticmethod
    def covers(activations: Sequence[str]) -> bool:
        """Whether all activations have a compiled form."""
        return all(name in ACTIVATION for name in activations)

    def __call__(self, X: Any) -> Any | None:
        """Rows ``(m, n[L])`` for rows ``(m, n[0])``; None where those are not finite."""
        X = np.ascontiguousarray(X)
        m = X.shape[0]
        A, bad = np.empty((m, int(self.layout.sizes[-1])), dtype=self.layout.dtype), np.zeros(1, np.int32)
        data = (X.ctypes.data, m, A.ctypes.data, bad.ctypes.data)
        with self.turn:
            if m <= ALONE:
                # Example by example: no BLAS, so no threads of its to hold back.
                run_alone(run_forward, *self.arguments, 1, *data, 1)
            else:
                sparse = is_sparse(X)
                piece, dtype = PIECE if sparse else DENSE_PIECE, str(self.layout.dtype)
                run(run_forward, threads(), dtype, *self.arguments, int(sparse), *data, piece)
        return None if bad[0] else A
