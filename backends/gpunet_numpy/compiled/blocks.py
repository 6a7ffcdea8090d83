"""Exact descent in blocks as one kernel (see :mod:`gpunet_numpy.blocks` for the idea).

Each thread owns some of the first layer's neurons: their weights, their columns of ``W[2]``, their part of ``δ[1]``.
All it needs from the others is their share of ``Z[2]``, so the threads meet once a step. The later layers are
small; every thread steps its own copy of them, which costs less than waiting for another's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from gpunet_numpy.compiled.elementwise import activate, output, slope
from gpunet_numpy.compiled.first_layer import forward, gradient, neurons, share
from gpunet_numpy.compiled.inputs import FILED, dense_rows, file, source, take
from gpunet_numpy.compiled.machine import INNER, OPTIONS, apart, barrier, bytes_of, gemm, ints, reals
from gpunet_numpy.compiled.small import (
    add_scaled,
    bias_step,
    matrix_vector,
    outer_step,
    scale_rows,
    vector_matrix,
)
from gpunet_numpy.compiled.tiles import LANE, add_rows


class Places(NamedTuple):
    """Addresses, and sizes in numbers. A slot follows what it belongs to; `slots` is 0 or 1."""

    slots: int
    panels: int  # (1 + slots, threads, n[0], width): W[1]
    panel: int  # numbers of one thread's panel
    width: int
    second: int  # (1 + slots, threads, n[2], width): each thread's columns of W[2]
    later: int  # (1 + slots, count): b[1], W[2], b[2], …
    numbers: int  # in one row of them
    copies: int  # (threads, 1 + slots, count): every thread's own later layers
    P: int  # (block, stride): Z[1] before the block's own updates, then A[1]
    Q: int  # likewise from the momentum, or 0
    D: int  # (block, stride): δ[1]
    E: int  # (block, stride): scaled δ[1]
    stride: int
    G: int  # (block, room): Gram matrix
    room: int  # numbers of one of its rows
    transposed: int  # (n[0], room): the block's inputs, feature by feature; sparse only
    parts: int  # (2, threads, part): each thread's share of Z[2]
    part: int
    work: int  # (threads, share): A[2], δ[2], A[3], … of a batch
    share: int
    u: int  # (threads, 5, room) double: the recurrence, see there
    upto: int  # int32: 0, 1, 2, …
    Y: int
    weights: int  # or 0


@njit(**OPTIONS)
def run_blocks(
    thread: Any,
    threads: Any,
    blas: Any,
    flags: Any,
    give_way: Any,
    sizes: Any,
    at_W: Any,
    at_b: Any,
    codes: Any,
    loss: Any,
    numbers: Any,  # λ and β
    inputs: Any,
    at: Any,  # Places
    used: Any,
    batch: Any,
    block: Any,
    coefficients: Any,
    losses: Any,  # (steps, 1)
) -> None:
    """One epoch; arguments as for :func:`gpunet_numpy.compiled.batches.run_batches` where not said."""
    L = sizes.size - 1
    one = numbers.dtype.type(1)
    item, zero, decay, beta = bytes_of(one), one - one, numbers[0], numbers[1]
    n0, n1 = sizes[0], sizes[1]
    n2 = sizes[2] if L > 1 else 0
    o0, o1 = neurons(n1, thread, threads, one)
    own = o1 - o0
    size = -(-own * item // LANE) * LANE
    f0, f1 = share(n0, thread, threads)
    row, wide = at.stride * item, at.width * item
    P, Q, D, E = at.P + o0 * item, at.Q + o0 * item, at.D + o0 * item, at.E + o0 * item
    W1 = at.panels + thread * at.panel * item
    V1 = W1 + threads * at.panel * item
    W2 = at.second + thread * n2 * wide
    V2 = W2 + threads * n2 * wide
    mine = at.copies + thread * (1 + at.slots) * at.numbers * item
    slot = at.numbers * item  # from a later parameter to its slot
    b1 = reals(at.later + o0 * item, own, one)
    space = at.work + thread * at.share * item
    at_A, at_D = np.zeros(L + 1, np.int64), np.zeros(L + 1, np.int64)
    end = space
    for l in range(2, L + 1):
        at_A[l], at_D[l] = end, end + batch * sizes[l] * item
        end += 2 * batch * sizes[l] * item
    doubles = at.u + thread * 5 * at.room * 8
    u, r = reals(doubles, block, 1.0), reals(doubles + at.room * 8, block, 1.0)
    factor = reals(doubles + 2 * at.room * 8, block, one)  # u, in the parameters' precision
    at_c, at_along = doubles + 3 * at.room * 8, doubles + 4 * at.room * 8
    c, along = reals(at_c, block, one), reals(at_along, batch, one)
    linear = beta != zero or decay != zero
    phase = 1
    step = 0
    for first in range(0, used, block):
        K = min(block, used - first)
        k0, k1 = share(K, thread, threads)
        take(inputs, first, k0, k1, one)
        phase = barrier(flags, give_way, thread, threads, phase)
        if inputs.sparse:
            file(inputs, K, f0, f1, one, one)
            transpose(inputs, f0, f1, at.transposed, at.room, one)
        if own > 0:
            forward(blas, inputs, first, K, W1, at.width, own, P, at.stride, one)
            if at.slots:
                forward(blas, inputs, first, K, V1, at.width, own, Q, at.stride, one)
        phase = barrier(flags, give_way, thread, threads, phase)
        gram(blas, inputs, first, k0, k1, K, at, one)
        phase = barrier(flags, give_way, thread, threads, phase)
        w, q, p = 1.0, 0.0, 1.0
        for s0 in range(0, K, batch):
            s1 = min(s0 + batch, K)
            B = s1 - s0
            rate = coefficients[step, 0]
            keep = one - rate * decay
            # Z[1] of my neurons: W x without touching W
            for s in range(s0, s1):
                z = P + s * row
                products = reals(at.G + s * at.room * item, block, one)
                for i in range(s0):
                    c[i] = factor[i] * products[i]
                add_rows(z, size, numbers.dtype.type(w), D, row, at.upto, at_c, s0)
                if at.slots:
                    c[0] = q
                    add_rows(z, size, one, Q + s * row, row, at.upto, at_c, 1)
                if L > 1:
                    activate(codes[1], reals(z, own, one), b1)
            if L > 1:
                # My share of Z[2], then everybody's
                ring = at.parts + (step % 2) * threads * at.part * item
                for s in range(B):
                    part = reals(ring + (thread * at.part + s * n2) * item, n2, one)
                    matrix_vector(W2, at.width, reals(P + (s0 + s) * row, own, one), part, one)
                phase = barrier(flags, give_way, thread, threads, phase)
                z2 = reals(at_A[2], B * n2, one)
                z2[:] = zero
                for t in range(threads):
                    other = reals(ring + t * at.part * item, B * n2, one)
                    for i in range(B * n2):
                        z2[i] += other[i]
            # The other layers forward, each example in turn
            total = 0.0
            scale = one / numbers.dtype.type(B)
            for s in range(B):
                example = source(first + s0 + s, inputs.order)
                for l in range(3, L + 1):
                    n, k = sizes[l], sizes[l - 1]
                    below = reals(at_A[l - 1] + s * k * item, k, one)
                    activate(codes[l - 1], below, reals(mine + at_b[l - 1] * item, k, one))
                    z = reals(at_A[l] + s * n * item, n, one)
                    matrix_vector(mine + at_W[l] * item, k, below, z, one)
                n = sizes[L]
                y = reals(at.Y + example * n * item, n, one)
                if L == 1:
                    z, d, b = reals(P + s * row + s0 * row, n, one), reals(D + (s0 + s) * row, n, one), b1
                else:
                    z, d = reals(at_A[L] + s * n * item, n, one), reals(at_D[L] + s * n * item, n, one)
                    b = reals(mine + at_b[L] * item, n, one)
                weight = reals(at.weights, example + 1, one)[example] if at.weights != 0 else one
                total += weight * output(codes[L], loss, z, b, y, d)
                for i in range(n):
                    d[i] = d[i] * (weight * scale)
            # Layers L to 3 backward, each stepped once its δ has gone down
            for l in range(L, 2, -1):
                n, k = sizes[l], sizes[l - 1]
                W = mine + at_W[l] * item
                for s in range(B):
                    e = reals(at_D[l - 1] + s * k * item, k, one)
                    vector_matrix(reals(at_D[l] + s * n * item, n, one), W, k, e, one)
                    slope(codes[l - 1], e, reals(at_A[l - 1] + s * k * item, k, one))
                outer_step(W, slot * at.slots, n, k, B, at_D[l], at_A[l - 1], rate, keep, beta, one)
                b = mine + at_b[l] * item
                bias_step(b, slot * at.slots, n, B, at_D[l], n, rate, beta, one)
            # δ[1] of my neurons, and my columns of W[2]
            if L > 1:
                for s in range(s0, s1):
                    d = at_D[2] + (s - s0) * n2 * item
                    add_rows(D + s * row, size, zero, W2, wide, at.upto, d, n2)
                    slope(codes[1], reals(D + s * row, own, one), reals(P + s * row, own, one))
                for k in range(n2):
                    errors = reals(at_D[2], B * n2, one)
                    if at.slots:
                        for s in range(B):
                            along[s] = (one - beta) * errors[s * n2 + k]
                        add_rows(V2 + k * wide, size, beta, P + s0 * row, row, at.upto, at_along, B)
                        along[0] = -rate
                        add_rows(W2 + k * wide, size, keep, V2 + k * wide, wide, at.upto, at_along, 1)
                    else:
                        for s in range(B):
                            along[s] = -rate * errors[s * n2 + k]
                        add_rows(W2 + k * wide, size, keep, P + s0 * row, row, at.upto, at_along, B)
                b = mine + at_b[2] * item
                bias_step(b, slot * at.slots, n2, B, at_D[2], n2, rate, beta, one)
            bias_step(at.later + o0 * item, slot * at.slots, own, B, D + s0 * row, at.stride, rate, beta, one)
            # The recurrence
            if linear:
                w *= 1.0 - rate * decay
                q *= 1.0 - rate * decay
                p *= beta
                q -= rate * p
                for i in range(s0):
                    r[i] *= beta
                    u[i] = u[i] * (1.0 - rate * decay) - rate * r[i]
                    factor[i] = u[i]
            for i in range(s0, s1):
                r[i] = 1.0 - beta
                u[i] = -rate * r[i]
                factor[i] = u[i]
            if thread == 0:
                losses[step, 0] = total
            step += 1
        # W ← w W₀ + q V₀ + (δ ∘ u) Xᵀ and V ← p V₀ + (δ ∘ r) Xᵀ, my neurons
        if own > 0:
            scale_rows(E, D, at.stride, own, u, K, one)
            kept = numbers.dtype.type(w)
            gradient(blas, inputs, first, K, W1, at.width, own, kept, one, E, at.stride, one)
            if at.slots:
                add_scaled(W1, V1, at.panel, numbers.dtype.type(q), one)
                scale_rows(E, D, at.stride, own, r, K, one)
                kept = numbers.dtype.type(p)
                gradient(blas, inputs, first, K, V1, at.width, own, kept, one, E, at.stride, one)
        if not inputs.sparse:  # the next block's rows take the place of this one's
            phase = barrier(flags, give_way, thread, threads, phase)
    if thread == 0 and L > 1:
        # Everybody's copy of the later layers is the same; b[1] and W[2] are each owner's.
        for i in range(1 + at.slots):
            first, last = at_b[2], at.numbers
            to = reals(at.later + (i * at.numbers + first) * item, last - first, one)
            copied = reals(mine + (i * at.numbers + first) * item, last - first, one)
            for j in range(last - first):
                to[j] = copied[j]


@njit(**INNER)
def transpose(inputs: Any, first: Any, last: Any, out: Any, room: Any, one: Any) -> None:
    """The block's inputs feature by feature, zeros and all, for features from `first` to `last`."""
    apart()
    n, item = inputs.features, bytes_of(one)
    counts = ints(inputs.filed_counts, n)
    for i in range(first, last):
        to = reals(out + i * room * item, room, one)
        to[:] = one - one
        filed = ints(inputs.filed + i * FILED * 4, FILED)
        value = reals(inputs.filed_values + i * FILED * item, FILED, one)
        for k in range(counts[i]):
            to[filed[k]] = value[k]


@njit(**INNER)
def gram(blas: Any, inputs: Any, first: Any, k0: Any, k1: Any, K: Any, at: Any, one: Any) -> None:
    """Rows k0 … k1 of ``G = X Xᵀ`` over the block's K examples."""
    apart()
    n, item, zero = inputs.features, bytes_of(one), one - one
    line = at.room * item
    if not inputs.sparse:
        x = dense_rows(inputs, first, one)
        if k1 > k0:
            gemm(blas, 0, 1, k1 - k0, K, n, one, x + k0 * n * item, n, x, n, zero, at.G + k0 * line, at.room)
        return
    counts = ints(inputs.listed, K)
    for j in range(k0, k1):
        index, value = inputs.which + j * n * 4, inputs.values + j * n * item
        add_rows(at.G + j * line, line, zero, at.transposed, line, index, value, np.int64(counts[j]))
