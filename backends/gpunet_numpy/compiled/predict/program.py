"""Prediction with compiled code: a network's weights, laid out once, and buffers for each thread."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet_numpy.compiled.arguments import Packed, packed
from gpunet_numpy.compiled.codes import ACTIVATION
from gpunet_numpy.compiled.data import is_sparse, sparse_below
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned
from gpunet_numpy.compiled.predict.buffers import Buffers, Weights
from gpunet_numpy.compiled.sizes import NARROW
from gpunet_numpy.compiled.threads import run, run_alone, run_here, threads

CHUNK = 64  # sparse examples that go from the first layer to the last while they are in cache
# Dense ones: all weights are copied once for each chunk, which more examples are worth. As few as the least where their
# activations have more numbers in all.
DENSE_CHUNK, LEAST, NUMBERS = 256, 64, 2**21
ALONE = 8  # so few are done example by example
# Multiplications that one thread does sooner than several, which have to wake up; an activation counts as so many.
HERE, ACTIVATION_WORK = 50_000_000, 64


class Forward:
    """``A[L]`` of rows, for any weights.

    Parameters
    ----------
    activations : sequence of str
    sizes : sequence of int
        n[0] … n[L].
    dtype : dtype
        Of weights and rows.
    """

    kernel = Kernel("gpunet_numpy.compiled.predict.kernel", "run_forward")

    def __init__(self, activations: Sequence[str], sizes: Sequence[int], dtype: Any) -> None:
        self.layout = Layout(sizes, activations, dtype, 1)
        self.dtype, self.outputs = dtype, sizes[-1]
        self.threads = threads()
        layers = [(units, units * inputs) for inputs, units in itertools.pairwise(sizes)]
        self.work = sum(weights + ACTIVATION_WORK * units for units, weights in layers)  # of a row
        self.by_blas = max((weights for units, weights in layers if units < NARROW), default=0)
        self.dense_chunk = max(min(DENSE_CHUNK, NUMBERS // sum(sizes[1:])), LEAST)
        # The pool runs one kernel at a time.
        self.together = self._buffers(self.threads, CHUNK, self.dense_chunk)
        self.own = threading.local()  # each caller's buffers: those may be threads of a server

    def weights(self, parameters: Sequence[tuple[Any, Any]]) -> Packed:
        """A copy of these ``(W, b)``, as the kernel takes it."""
        panels, later = self.layout.pack(parameters)
        return packed(Weights(self.layout.width, panels.reshape(-1), later[0]))

    def _buffers(self, count: int, chunk: int, dense_chunk: int) -> tuple[Packed, Packed]:
        """What the kernel is called with beside weights, for chunks of so many examples on so many threads."""
        layout, dtype, n0 = self.layout, self.layout.dtype, int(self.layout.sizes[0])
        at_A, numbers = layout.at_A(dense_chunk)
        buffers = Buffers(
            A=aligned(count, numbers, dtype=dtype),
            slopes=aligned(count, max(layout.sizes[1:]) if layout.self_gated else 0, dtype=dtype),
            csr_indices=aligned(count * chunk * n0, dtype=np.int32),
            csr_values=aligned(count * chunk * n0, dtype=dtype),
            csr_places=n0 * np.arange(count * chunk).reshape(count, chunk),
            csr_starts=aligned(count, chunk, dtype=np.int64),
            csr_counts=aligned(count, chunk, dtype=np.int32),
            zeros=aligned(n0, dtype=dtype),
            empty=np.empty(0, np.int32),
            none=np.empty(0, np.int64),
            parts=np.empty((chunk, 0), np.int32),
            bytes=np.empty((0, 0), np.uint8),
        )
        return packed(layout.network(at_A=at_A)), packed(buffers)

    def __call__(self, weights: Packed, X: Any) -> Any | None:
        """Rows ``(m, n[L])`` for rows ``(m, n[0])``; None where those are not finite."""
        X = np.ascontiguousarray(X)
        m = X.shape[0]
        A, bad = np.empty((m, self.outputs), self.dtype), np.zeros(1, np.int32)
        if m <= ALONE:
            # Example by example: no BLAS, so no threads of its to hold back.
            fixed = getattr(self.own, "fixed", None)
            if fixed is None:
                fixed = self.own.fixed = *self._buffers(1, 1, 1), packed(1)
            network, buffers, one = fixed
            run_alone(self.kernel, network, weights, buffers, one, one, (X, A, bad))
            return None if bad[0] else A
        sparse = is_sparse(X, sparse_below(int(self.layout.sizes[1]), m))
        dtype, settings = str(self.dtype), (int(sparse), CHUNK if sparse else self.dense_chunk)
        if m * self.work <= HERE:
            few = getattr(self.own, "few", None)
            if few is None:
                few = self.own.few = self._buffers(1, CHUNK, self.dense_chunk)
            network, buffers = few
            largest = m * self.by_blas
            run_here(self.kernel, dtype, largest, network, weights, buffers, *settings, (X, A, bad))
        else:
            count = min(threads(), self.threads)  # a limit may have changed
            network, buffers = self.together
            run(self.kernel, count, dtype, network, weights, buffers, *settings, (X, A, bad))
        return None if bad[0] else A


class Predictor:
    """``A[L]`` of rows, for weights that do not change.

    Parameters
    ----------
    activations : sequence of str
    parameters : sequence of ``(W, b)``
        NumPy arrays of one dtype; copied.
    """

    kernel = Forward.kernel

    def __init__(self, activations: Sequence[str], parameters: Sequence[tuple[Any, Any]]) -> None:
        self.made_of = activations, parameters
        self.forward = Forward(activations, sizes_of(parameters), parameters[0][0].dtype)
        self.weights = self.forward.weights(parameters)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Predictor, self.made_of

    @staticmethod
    def supports(activations: Sequence[Any]) -> bool:
        """Whether all activations have a compiled form."""
        return all(name in ACTIVATION for name in activations)

    def __call__(self, X: Any) -> Any | None:
        """Rows ``(m, n[L])`` for rows ``(m, n[0])``; None where those are not finite."""
        return self.forward(self.weights, X)


def sizes_of(parameters: Sequence[tuple[Any, Any]]) -> list[int]:
    """n[0] … n[L]."""
    return [parameters[0][0].shape[1], *(W.shape[0] for W, _ in parameters)]
