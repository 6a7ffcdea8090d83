"""The forward pass alone, for prediction: examples are shared out, nobody waits for anybody."""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.batches import share
from gpunet_numpy.compiled.elementwise import activate
from gpunet_numpy.compiled.machine import OPTIONS, borrowed, gemm
from gpunet_numpy.compiled.small import matrix_vector


@njit(**OPTIONS)
def run_forward(
    thread: Any,
    threads: Any,
    addresses: Any,  # gemm first
    sizes: Any,
    offsets: Any,
    codes: Any,
    theta: Any,
    work: Any,  # (threads, 2 · piece · largest layer)
    X: Any,  # (m, n[0]), rows
    A: Any,  # (m, n[L]), the result
    piece: Any,
) -> None:
    """``A[L]`` of X; pieces of examples stay in cache from the first layer to the last."""
    theta, work, X, A = borrowed(theta), borrowed(work), borrowed(X), borrowed(A)
    blas, L, item = addresses[0], sizes.size - 1, theta.itemsize
    one, zero = theta.dtype.type(1), theta.dtype.type(0)
    mine = work[thread]
    half = mine.size // 2
    r0, r1 = share(X.shape[0], thread, threads)
    for first in range(r0, r1, piece):
        rows = min(first + piece, r1) - first
        for l in range(1, L + 1):
            n, k = sizes[l], sizes[l - 1]
            b = theta[offsets[l] + n * k : offsets[l] + n * k + n]
            from_at, to_at = half * (l % 2), half * ((l + 1) % 2)
            if rows == 1:  # not worth a call of BLAS
                x = X[first] if l == 1 else mine[from_at : from_at + k]
                z = A[first] if l == L else mine[to_at : to_at + n]
                matrix_vector(theta, offsets[l], k, x, z)
                activate(codes[l], z, b)
                continue
            W = theta.ctypes.data + item * offsets[l]
            below = mine.ctypes.data + item * from_at
            here = mine.ctypes.data + item * to_at
            if l == 1:
                below = X.ctypes.data + item * first * k
            if l == L:
                here = A.ctypes.data + item * first * n
            gemm(blas, 0, 1, rows, n, k, one, below, k, W, k, zero, here, n)
            for r in range(rows):
                if l == L:
                    activate(codes[l], A[first + r], b)
                else:
                    activate(codes[l], mine[to_at + r * n : to_at + (r + 1) * n], b)
