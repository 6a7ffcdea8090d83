"""The forward pass alone, for prediction: examples are shared out, nobody waits for anybody."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gpunet_numpy.compiled import first_layer
from gpunet_numpy.compiled.elementwise import activate
from gpunet_numpy.compiled.first_layer import share
from gpunet_numpy.compiled.inputs import Inputs, take
from gpunet_numpy.compiled.machine import INNER, OPTIONS, bytes_of, gemm, ints, longs, real, reals
from gpunet_numpy.compiled.small import copy, matrix_vector


@njit(**OPTIONS)
def run_forward(
    thread: Any,
    threads: Any,
    blas: Any,
    flags: Any,
    give_way: Any,
    one: Any,
    net: Any,
    panel: Any,  # W[1], feature by feature, (n[0], width)
    width: Any,
    later: Any,  # b[1], W[2], b[2], …
    work: Any,  # A[1] … A[L] of `piece` examples, for each thread
    at_A: Any,  # address of the numbers before each of them, from index 1 on, and of all
    lists: Any,  # room for `piece` examples as lists, for each thread
    zeros: Any,  # (n[0],)
    sparse: Any,
    X: Any,  # (m, n[0]), rows
    m: Any,
    A: Any,  # (m, n[L]), the result
    bad: Any,  # int32: becomes 1 where X is not finite
    piece: Any,
) -> None:
    """``A[L]`` of X; pieces of examples stay in cache from the first layer to the last."""
    L, item, sizes, before = net.L, bytes_of(one), longs(net.sizes), longs(at_A)
    n0, zero, mine = sizes[0], one - one, work + thread * before[L + 1] * item
    index = lists + thread * piece * (n0 * (4 + item) + 4)
    value = index + piece * n0 * 4
    r0, r1 = share(m, thread, threads)
    for first in range(r0, r1, piece):
        rows = min(first + piece, r1) - first
        inputs = Inputs(sparse, 0, n0, zeros, 0, 0, X, 0, 0, index, value, value + piece * n0 * item, 0, 0, 0)
        take(inputs, first, 0, rows, one)
        if not finite(X + first * n0 * item, rows * n0, one):
            ints(bad)[0] = 1
            return
        for l in range(1, L + 1):
            n, k, stride, W = sizes[l], sizes[l - 1], longs(net.strides)[l], later + longs(net.at_W)[l] * item
            Z = mine + before[l] * item
            if l == 1:
                first_layer.forward(blas, inputs, first, 0, rows, panel, width, n, Z, stride, one)
            elif rows == 1:  # not worth a call of BLAS
                matrix_vector(W, k, mine + before[l - 1] * item, k, Z, n, one)
            else:
                below, step = mine + before[l - 1] * item, longs(net.strides)[l - 1]
                gemm(blas, 0, 1, rows, n, k, one, below, step, W, k, zero, Z, stride)
            for r in range(rows):
                z = Z + r * stride * item
                activate(longs(net.codes)[l], z, later + longs(net.at_b)[l] * item, n, one)
                if l == L:
                    copy(A + (first + r) * n * item, z, n, one)


@njit(**INNER)
def finite(at: Any, n: Any, one: Any) -> Any:
    """Whether n numbers are all finite."""
    x, infinity, bad = reals(at, one), real(np.inf, one), 0
    for i in range(n):
        bad += not abs(x[i]) < infinity  # true of NaN
    return bad == 0
