"""The forward pass alone: every thread takes a range of the examples, without barriers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled import first_layer
from gpunet_numpy.compiled.barriers import range_of, stopped
from gpunet_numpy.compiled.gemv import copy, matrix_vector
from gpunet_numpy.compiled.inputs import Inputs
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    flush_subnormals,
    inner,
    kernel,
    matrix,
    noinline,
    restore_subnormals,
    span,
)
from gpunet_numpy.compiled.layers import activate_row, biases_of, rows_of, weights_of
from gpunet_numpy.compiled.products import multiply
from gpunet_numpy.compiled.sparse import dense_rows, gather


@kernel
def run_forward(
    team: Any, network: Any, weights: Any, buffers: Any, sparse: Any, chunk: Any, given: Any
) -> None:
    """``A[L]`` of the rows X into `out`, for `given` ``(X, out, bad)``; ``bad[0]`` becomes 1 where X is not finite.

    Chunks of examples stay in cache from the first layer to the last.
    """
    before = flush_subnormals()
    X, out, bad = given
    one = cast(1, X)
    L, n0, n1, thread = network.L, network.sizes[0], network.sizes[1], team.thread
    A, theta, order, zeros = buffers.A[thread], weights.later, buffers.empty, buffers.zeros
    slopes = buffers.slopes[thread]
    panel = block(matrix(weights.panel, 0, n0, weights.width), 0, n0, 0, n1)
    indices, values, counts = buffers.csr_indices, buffers.csr_values, buffers.csr_counts[thread]
    places, starts, parts, none = buffers.csr_places[thread], buffers.csr_starts, buffers.parts, buffers.none
    csr = indices, values, places, starts[thread], counts, parts
    kept = none, order, parts, starts  # nothing is kept, and there is no CSC
    csc = indices, values, indices, starts, none
    numbers = 0, buffers.bytes, zeros, zeros, X
    inputs = Inputs(sparse, 0, zeros, zeros, order, X, *csr, *kept, *csc, *numbers)
    r0, r1 = range_of(X.shape[0], thread, team.threads)
    for first in range(r0, r1, chunk):
        if stopped(team):
            return
        rows = min(first + chunk, r1) - first
        x = dense_rows(inputs, X, order, first, rows)
        gather(inputs, X, order, first, 0, rows, thread)
        for l in range(1, L + 1):
            Z, b = rows_of(network, A, l, 0, rows), biases_of(network, theta, l)
            if l == 1:
                first_layer.forward(team, inputs, x, panel, Z, 0, rows)
                if any_not_finite(x, Z):
                    bad[0] = 1
                    restore_subnormals(before)
                    return
            elif rows == 1:  # not worth a call of BLAS
                matrix_vector(weights_of(network, theta, l), rows_of(network, A, l - 1, 0, 1)[0], Z[0])
            else:
                W = weights_of(network, theta, l)
                multiply(team, one, rows_of(network, A, l - 1, 0, rows), 0, W, 1, one - one, Z)
            for r in range(rows):
                activate_row(network.activations[l], Z[r], b, span(slopes, 0, b.size))
                if l == L:
                    copy(out[first + r], Z[r])
    restore_subnormals(before)


@inner
def any_not_finite(x: Any, Z: Any) -> Any:
    """Whether any row of x has a number that is not finite; then no number of its Z is, so one of them tells."""
    noinline()
    infinity = cast(np.inf, Z)
    for r in range(Z.shape[0]):
        if not abs(Z[r][0]) < infinity and not finite(x[r]):
            return 1
    return 0


@inner
def finite(x: Any) -> Any:
    """Whether all numbers are finite."""
    infinity, bad = cast(np.inf, x), 0
    for i in range(x.size):
        bad += not abs(x[i]) < infinity  # true of NaN
    return bad == 0
