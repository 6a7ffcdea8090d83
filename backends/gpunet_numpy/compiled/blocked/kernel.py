"""Exact SGD in blocks as one kernel (see :mod:`gpunet_numpy.plain.blocked` for the idea).

Each thread owns some of the first layer's neurons: their weights, their columns of ``W[2]``, their rows of ``δ[1]``.
All it needs from the others are their partial sums of ``Z[2]``, so there is one barrier per step. The later layers are
small; every thread updates its own copy of them, which costs less than waiting for another's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled.barriers import STOPPED, barrier, range_of
from gpunet_numpy.compiled.first_layer import forward, gradient, offset_outputs, owned_neurons
from gpunet_numpy.compiled.gemv import add, bias_update, copy, fill, matrix_vector, scale_rows
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    flush_subnormals,
    inner,
    itemsize,
    kernel,
    matrix,
    noinline,
    restore_subnormals,
    span,
)
from gpunet_numpy.compiled.layers import backward_to, biases_of, forward_from, rows_of, weighted_error
from gpunet_numpy.compiled.math import activate, multiply_slope
from gpunet_numpy.compiled.products import multiply
from gpunet_numpy.compiled.simd import back_and_update, weighted_row_sum
from gpunet_numpy.compiled.sparse import (
    build_csc,
    dense_rows,
    example_at,
    gather,
    prefetch_targets,
    row_of,
)
from gpunet_numpy.compiled.updates import linear_step, shrinkage


@kernel
def run_epoch(team: Any, network: Any, rule: Any, inputs: Any, data: Any, buffers: Any, batch: Any) -> None:
    """One epoch, or several, of plain descent or momentum."""
    before = flush_subnormals()
    thread, threads = team.thread, team.threads
    L, sizes = network.L, network.sizes
    one, zero = cast(1, rule.decay), cast(0, rule.decay)
    n0, n1, n2 = sizes[0], sizes[1], sizes[2] if L > 1 else 0
    o0, o1 = owned_neurons(n1, thread, threads, itemsize(rule.decay))
    own, width = o1 - o0, buffers.width
    f0, f1 = range_of(n0, thread, threads)
    if inputs.sparse:
        f0, f1 = inputs.edges[thread], inputs.edges[thread + 1]
    slots = buffers.panels.shape[0] - 1
    # Without momentum, its arrays are those of the parameters, and are not written to.
    W1 = block(matrix(buffers.panels[0, thread], 0, n0, width), 0, n0, 0, own)
    V1 = block(matrix(buffers.panels[slots, thread], 0, n0, width), 0, n0, 0, own)
    W2 = block(matrix(buffers.second[0, thread], 0, n2, width), 0, n2, 0, own)
    V2 = block(matrix(buffers.second[slots, thread], 0, n2, width), 0, n2, 0, own)
    b1, v1 = span(buffers.later[0], o0, own), span(buffers.later[slots], o0, own)
    theta, v = buffers.copies[thread, 0], buffers.copies[thread, slots]
    P, Q = block(buffers.P, 0, buffers.block, o0, own), block(buffers.Q, 0, buffers.Q.shape[0], o0, own)
    D, E = block(buffers.D, 0, buffers.block, o0, own), block(buffers.E, 0, buffers.block, o0, own)
    A, errors = buffers.A[thread], buffers.errors[thread]
    u, r = buffers.recurrence[thread, 0], buffers.recurrence[thread, 1]
    factors, weights, along = (
        buffers.scratch[thread, 0],
        buffers.scratch[thread, 1],
        buffers.scratch[thread, 2],
    )
    sums = matrix(buffers.sums[thread], 0, 1, own)
    phase, step = 1, 0
    for i in range(data.bounds.shape[0]):
        first = data.bounds[i, 0]
        K = data.bounds[i, 1] - first
        k0, k1 = range_of(K, thread, threads)
        gather(inputs, data.X, data.order, first, k0, k1, thread)
        prefetch_targets(data.Y, data.order, first, 0, K)
        phase = barrier(team, phase)
        if phase == STOPPED:
            return
        # P = W₀ X, Q = V₀ X, G = Xᵀ X
        if inputs.sparse:
            build_csc(inputs, K, thread, one, thread)
            transpose(inputs, buffers.transposed, buffers.shared, (f0, f1), (k0, k1))
        x = dense_rows(inputs, data.X, data.order, first, K)
        if own > 0:
            first_products(team, inputs, x, W1, P, K, sums[0])
            if slots:
                first_products(team, inputs, x, V1, Q, K, sums[0])
        phase = barrier(team, phase)
        if phase == STOPPED:
            return
        gram_rows(team, inputs, x, buffers, K, (k0, k1))
        phase = barrier(team, phase)
        if phase == STOPPED:
            return
        w, q, p = 1.0, 0.0, 1.0
        for s0 in range(0, K, batch):
            B = min(batch, K - s0)
            c = data.coefficients[step]
            step_W, step_b = linear_step(rule, c, shrinkage(rule, c)), linear_step(rule, c, one)
            a, d = block(P, s0, B, 0, own), block(D, s0, B, 0, own)
            # Z[1] of this thread's neurons: W x without touching W
            for s in range(s0, s0 + B):
                z, products = P[s], buffers.gram[s]
                for i in range(s0):
                    weights[i] = factors[i] * products[i]
                weighted_row_sum(z, cast(w, one), D, buffers.range, weights, s0)
                if slots:
                    add(z, cast(q, one), Q[s])
                if L > 1:
                    activate(network.activations[1], z, b1)
            if L > 1:
                # This thread's partial sums of Z[2], then the sum over all threads
                partial = buffers.partial[step % 2, thread]
                for s in range(B):
                    matrix_vector(W2, a[s], span(partial, s * n2, n2))
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
                Z2 = span(A, network.at_A[2], B * n2)
                copy(Z2, span(buffers.partial[step % 2, 0], 0, B * n2))
                for t in range(1, threads):
                    add(Z2, one, span(buffers.partial[step % 2, t], 0, B * n2))
            # The other layers, each example in turn; layers L to 3 are updated on the way back
            total = 0.0
            scale = one / cast(B, one)
            for s in range(B):
                example = example_at(first + s0 + s, data.order)
                if L > 2:
                    activate(
                        network.activations[2],
                        rows_of(network, A, 2, s, s + 1)[0],
                        biases_of(network, theta, 2),
                    )
                    forward_from(3, s, network, theta, A)
                z = a[s] if L == 1 else rows_of(network, A, L, s, s + 1)[0]
                error = d[s] if L == 1 else rows_of(network, errors, L, s, s + 1)[0]
                b = b1 if L == 1 else biases_of(network, theta, L)
                total += weighted_error(network, data, example, scale, z, b, error)
            backward_to(3, B, network, (step_W, step_b), (theta, v), (A, errors))
            # δ[1] of this thread's neurons, and this thread's columns of W[2]
            if L > 1:
                delta2 = rows_of(network, errors, 2, 0, B)
                if B == 1 and slots == 0:
                    back_and_update(d[0], a[0], step_W.keep, step_W.rate, W2, delta2[0])
                else:
                    for s in range(B):
                        weighted_row_sum(d[s], zero, W2, buffers.range, delta2[s], n2)
                    update_columns(step_W, W2, V2, delta2, a, buffers.range, along)
                for s in range(B):
                    multiply_slope(network.activations[1], d[s], a[s], a[s])
                bias_update(step_b, biases_of(network, theta, 2), biases_of(network, v, 2), delta2)
            bias_update(step_b, b1, v1, d)
            w, q, p = advance(rule, c[0], (s0, B), (w, q, p), (u, r), factors)
            if thread == 0:
                buffers.losses[step, 0] = total
            step += 1
        # W ← w W₀ + q V₀ + (δ ∘ u) Xᵀ and V ← p V₀ + (δ ∘ r) Xᵀ, this thread's neurons
        if own > 0:
            scale_rows(block(E, 0, K, 0, own), D, u)
            add_products(team, inputs, x, W1, cast(w, one), block(E, 0, K, 0, own), sums)
            if slots:
                for i in range(n0):
                    add(W1[i], cast(q, one), V1[i])
                scale_rows(block(E, 0, K, 0, own), D, r)
                add_products(team, inputs, x, V1, cast(p, one), block(E, 0, K, 0, own), sums)
        if not inputs.sparse:  # the next block's rows take the place of this one's
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
    if thread == 0 and L > 1:
        # All copies of the later layers are equal; b[1] and W[2] are each owner's.
        at = network.at_b[2]
        for i in range(1 + slots):
            n = buffers.later.shape[1] - at
            copy(span(buffers.later[i], at, n), span(buffers.copies[thread, i], at, n))
    restore_subnormals(before)


@inner
def advance(rule: Any, rate: Any, batch: Any, scalars: Any, vectors: Any, factors: Any) -> Any:
    """One step of the recurrence (:mod:`gpunet_numpy.plain.recurrence`) for examples ``s0 … s0 + B``; w, q and p.

    `factors` is u in the parameters' precision.
    """
    s0, B = batch
    w, q, p = scalars
    u, r = vectors
    shrink = 1.0 - rate * rule.decay
    beta = rule.beta1
    if beta != 0 or rule.decay != 0:
        w *= shrink
        q *= shrink
        p *= beta
        q -= rate * p
        for i in range(s0):
            r[i] *= beta
            u[i] = u[i] * shrink - rate * r[i]
            factors[i] = cast(u[i], factors)
    for i in range(s0, s0 + B):
        r[i] = 1.0 - beta
        u[i] = -rate * r[i]
        factors[i] = cast(u[i], factors)
    return w, q, p


@inner
def first_products(team: Any, inputs: Any, x: Any, W: Any, Z: Any, K: Any, sums: Any) -> None:
    """``Z ← W X`` of a block for this thread's neurons."""
    noinline()
    forward(team, inputs, x, W, Z, 0, K)
    if inputs.shifted:
        offset_outputs(inputs, W, sums)
        for s in range(K):
            add(Z[s], cast(1, sums), sums)


@inner
def add_products(team: Any, inputs: Any, x: Any, W: Any, keep: Any, E: Any, sums: Any) -> None:
    """``W ← keep · W + E Xᵀ`` of a block for this thread's neurons, E holding an example per row."""
    noinline()
    one = cast(1, keep)
    if inputs.shifted:
        fill(sums[0], cast(0, keep))
        for s in range(E.shape[0]):
            add(sums[0], one, E[s])
    offset_rows = block(sums, 0, inputs.shifted, 0, sums.shape[1])
    gradient(team, inputs, x, (0, W.shape[0]), W, (keep, one), E, offset_rows)


@inner
def update_columns(step: Any, W: Any, V: Any, D: Any, A: Any, indices: Any, along: Any) -> None:
    """One step of this thread's columns of ``W[2]`` along ``Σ_s δ_s a_sᵀ``; `along` is room for weights of the sums."""
    noinline()
    B = D.shape[0]
    target = V if step.momentum else W
    for k in range(W.shape[0]):
        for s in range(B):
            along[s] = step.factor * D[s][k]
        weighted_row_sum(target[k], step.keep, A, indices, along, B)
        if step.momentum:
            along[0] = -step.rate
            v = block(V, k, 1, 0, V.shape[1])
            weighted_row_sum(W[k], step.shrink, v, indices, along, 1)


@inner
def transpose(inputs: Any, transposed: Any, shared: Any, features: Any, examples: Any) -> None:
    """The block's inputs feature by feature, zeros and all, for some features; and ``o · s`` of some examples."""
    noinline()
    zero = cast(0, shared)
    counts, indices, values = inputs.csc_counts[0], inputs.csc_indices[0], inputs.csc_values[0]
    for i in range(features[0], features[1]):
        line, at = transposed[i], i * CSC_EXAMPLES
        fill(line, zero)
        for k in range(np.int64(counts[i])):
            line[indices[at + k]] = values[at + k]
    if inputs.shifted:
        for j in range(examples[0], examples[1]):
            index, value, count = row_of(inputs, j)
            total = zero
            for k in range(count):
                total += value[k] * inputs.offsets[index[k]]
            shared[j] = total


@inner
def gram_rows(team: Any, inputs: Any, x: Any, buffers: Any, K: Any, examples: Any) -> None:
    """Rows of ``G = X Xᵀ`` over the block's K examples, for a range of them.

    With offsets, ``x_i · x_j = s_i · s_j + o · s_i + o · s_j + o · o``.
    """
    noinline()
    (k0, k1), n = examples, x.shape[1]
    if not inputs.sparse:
        if k1 > k0:
            one, gram = cast(1, buffers.gram), block(buffers.gram, k0, k1 - k0, 0, K)
            multiply(team, one, block(x, k0, k1 - k0, 0, n), 0, x, 1, one - one, gram)
        return
    zero, offsets, shared = cast(0, buffers.gram), inputs.offsets, buffers.shared
    square = zero
    if inputs.shifted:
        for i in range(n):
            square += offsets[i] * offsets[i]
    transposed = block(buffers.transposed, 0, n, 0, buffers.transposed.shape[1])
    for j in range(k0, k1):
        index, value, count = row_of(inputs, j)
        products = buffers.gram[j]
        weighted_row_sum(products, zero, transposed, index, value, count)
        if inputs.shifted:
            for i in range(K):
                products[i] += shared[i] + (shared[j] + square)
