"""Exact descent in blocks as one kernel (see :mod:`gpunet_numpy.blocks` for the idea).

Each thread owns some of the first layer's neurons: their weights, their columns of ``W[2]``, their part of ``δ[1]``.
All it needs from the others is their share of ``Z[2]``, so the threads meet once a step. The later layers are
small; every thread steps its own copy of them, which costs less than waiting for another's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from gpunet_numpy.compiled.elementwise import activate, slope
from gpunet_numpy.compiled.examples import back, error, onward
from gpunet_numpy.compiled.first_layer import forward, gradient, neurons, offset_outputs, padded, share
from gpunet_numpy.compiled.inputs import FILED, dense_rows, file, source, take
from gpunet_numpy.compiled.machine import (
    INNER,
    OPTIONS,
    apart,
    barrier,
    bytes_of,
    gemm,
    ints,
    longs,
    real,
    reals,
)
from gpunet_numpy.compiled.small import (
    add,
    bias_step,
    copy,
    fill,
    matrix_vector,
    scale_rows,
)
from gpunet_numpy.compiled.tiles import add_rows, back_and_step


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
    transposed: int  # (n[0], room): the block's lists, feature by feature; sparse only
    shared: int  # (room,): what each example has to do with the inputs' offsets
    sums: int  # (threads, width): sums over a block of what is scaled with the offsets
    parts: int  # (2, threads, part): each thread's share of Z[2]
    part: int
    at_A: int  # (threads, L + 1) int64: addresses of each thread's own A[2] … A[L] of a batch
    at_D: int  # and of δ[2] … δ[L]
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
    one: Any,
    net: Any,
    inputs: Any,
    at: Any,  # Places
    used: Any,
    batch: Any,
    block: Any,
    coefficients: Any,  # address of (steps,)
    losses: Any,  # (steps, 1)
) -> None:
    """One epoch; arguments as for :func:`gpunet_numpy.compiled.batches.run_batches` where not said."""
    L, item, zero, sizes, codes = net.L, bytes_of(one), one - one, longs(net.sizes), longs(net.codes)
    decay, beta = reals(net.numbers, one)[0], reals(net.numbers, one)[1]
    n0, n1, n2 = sizes[0], sizes[1], sizes[2] if L > 1 else 0
    o0, o1 = neurons(n1, thread, threads, one)
    own = o1 - o0
    size = padded(own, one)
    f0, f1 = share(n0, thread, threads)
    row, wide, line = at.stride * item, at.width * item, at.room * item
    P, Q, D, E = at.P + o0 * item, at.Q + o0 * item, at.D + o0 * item, at.E + o0 * item
    W1 = at.panels + thread * at.panel * item
    V1 = W1 + threads * at.panel * item
    W2 = at.second + thread * n2 * wide
    V2 = W2 + threads * n2 * wide
    mine = at.copies + thread * (1 + at.slots) * at.numbers * item
    slot = at.slots * at.numbers * item  # bytes from a later parameter to what momentum keeps for it
    b1, sums = at.later + o0 * item, at.sums + thread * wide
    at_A, at_D = at.at_A + thread * (L + 1) * 8, at.at_D + thread * (L + 1) * 8
    A, errors2 = longs(at_A), longs(at_D)[2] if L > 1 else 0
    at_b2 = longs(net.at_b)[2] if L > 1 else 0
    at_u = at.u + thread * 5 * at.room * 8
    at_factor, at_c, at_along = at_u + 2 * at.room * 8, at_u + 3 * at.room * 8, at_u + 4 * at.room * 8
    u, r = reals(at_u, 1.0), reals(at_u + at.room * 8, 1.0)
    factor = reals(at_factor, one)  # u, in the parameters' precision
    c, rates = reals(at_c, one), reals(coefficients, one)
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
            transpose(inputs, f0, f1, at, k0, k1, one)
        if own > 0:
            outputs_of(blas, inputs, first, K, W1, own, P, sums, at, one)
            if at.slots:
                outputs_of(blas, inputs, first, K, V1, own, Q, sums, at, one)
        phase = barrier(flags, give_way, thread, threads, phase)
        gram(blas, inputs, first, k0, k1, K, at, one)
        phase = barrier(flags, give_way, thread, threads, phase)
        w, q, p = 1.0, 0.0, 1.0
        for s0 in range(0, K, batch):
            s1 = min(s0 + batch, K)
            B = s1 - s0
            rate = rates[step]
            keep = one - rate * decay
            # Z[1] of my neurons: W x without touching W
            for s in range(s0, s1):
                products = reals(at.G + s * line, one)
                for i in range(s0):
                    c[i] = factor[i] * products[i]
                add_rows(P + s * row, size, real(w, one), D, row, at.upto, at_c, s0)
                if at.slots:
                    c[0] = real(q, one)
                    add_rows(P + s * row, size, one, Q + s * row, row, at.upto, at_c, 1)
                if L > 1:
                    activate(codes[1], P + s * row, b1, own, one)
            if L > 1:
                # My share of Z[2], then everybody's
                ring = at.parts + (step % 2) * threads * at.part * item
                for s in range(B):
                    part = ring + (thread * at.part + s * n2) * item
                    matrix_vector(W2, at.width, P + (s0 + s) * row, own, part, n2, one)
                phase = barrier(flags, give_way, thread, threads, phase)
                copy(A[2], ring, B * n2, one)
                for t in range(1, threads):
                    add(A[2], ring + t * at.part * item, B * n2, one)
            # The other layers, each example in turn; layers L to 3 are stepped on the way back
            total = 0.0
            scale = one / real(B, one)
            n = sizes[L]
            for s in range(B):
                example = source(first + s0 + s, inputs.order)
                if L == 1:
                    z, d, b = P + (s0 + s) * row, D + (s0 + s) * row, b1
                else:
                    z, d = A[L] + s * n * item, longs(at_D)[L] + s * n * item
                    b = mine + longs(net.at_b)[L] * item
                if L > 2:
                    activate(codes[2], A[2] + s * n2 * item, mine + at_b2 * item, n2, one)
                    onward(3, s, net, mine, at_A, one)
                total += error(net, z, b, at.Y, at.weights, example, d, scale, one)
            back(3, B, net, mine, slot, at_A, at_D, rate, keep, beta, one)
            # δ[1] of my neurons, and my columns of W[2]
            if L > 1:
                a, d = P + s0 * row, D + s0 * row
                if B == 1 and slot == 0:
                    back_and_step(d, a, size, keep, rate, W2, wide, errors2, n2)
                else:
                    for s in range(B):
                        errors = errors2 + s * n2 * item
                        add_rows(d + s * row, size, zero, W2, wide, at.upto, errors, n2)
                    step_columns(
                        W2, V2, wide, size, n2, B, errors2, a, row, at, at_along, rate, keep, beta, one
                    )
                for s in range(B):
                    slope(codes[1], d + s * row, a + s * row, own, one)
                bias_step(mine + at_b2 * item, slot, n2, B, errors2, n2, rate, beta, one)
            bias_step(b1, slot, own, B, D + s0 * row, at.stride, rate, beta, one)
            # The recurrence
            if linear:
                w *= 1.0 - rate * decay
                q *= 1.0 - rate * decay
                p *= beta
                q -= rate * p
                for i in range(s0):
                    r[i] *= beta
                    u[i] = u[i] * (1.0 - rate * decay) - rate * r[i]
                    factor[i] = real(u[i], one)
            for i in range(s0, s1):
                r[i] = 1.0 - beta
                u[i] = -rate * r[i]
                factor[i] = real(u[i], one)
            if thread == 0:
                losses[step, 0] = total
            step += 1
        # W ← w W₀ + q V₀ + (δ ∘ u) Xᵀ and V ← p V₀ + (δ ∘ r) Xᵀ, my neurons
        if own > 0:
            add_block(blas, inputs, first, K, W1, own, real(w, one), u, D, E, sums, at, one)
            if at.slots:
                add(W1, V1, at.panel, real(q, one))
                add_block(blas, inputs, first, K, V1, own, real(p, one), r, D, E, sums, at, one)
        if not inputs.sparse:  # the next block's rows take the place of this one's
            phase = barrier(flags, give_way, thread, threads, phase)
    if thread == 0 and L > 1:
        # Everybody's copy of the later layers is the same; b[1] and W[2] are each owner's.
        n = at.numbers - at_b2
        for i in range(1 + at.slots):
            place = (i * at.numbers + at_b2) * item
            copy(at.later + place, mine + place, n, one)


@njit(**INNER)
def outputs_of(
    blas: Any, inputs: Any, first: Any, K: Any, W: Any, own: Any, Z: Any, shifted: Any, at: Any, one: Any
) -> None:
    """``Z ← W X`` of a block for my neurons."""
    apart()
    forward(blas, inputs, first, 0, K, W, at.width, own, Z, at.stride, one)
    if inputs.shifted:
        offset_outputs(inputs, W, at.width, own, shifted, one)
        for s in range(K):
            add(Z + s * at.stride * bytes_of(one), shifted, own, one)


@njit(**INNER)
def add_block(
    blas: Any,
    inputs: Any,
    first: Any,
    K: Any,
    W: Any,
    own: Any,
    keep: Any,
    u: Any,
    D: Any,
    E: Any,
    sums: Any,
    at: Any,
    one: Any,
) -> None:
    """``W ← keep · W + (δ ∘ u) Xᵀ`` over a block for my neurons."""
    apart()
    row = at.stride * bytes_of(one)
    scale_rows(E, D, at.stride, own, u, K, one)
    shift = 0
    if inputs.shifted:
        shift = sums
        fill(sums, own, one - one)
        for s in range(K):
            add(sums, E + s * row, own, one)
    gradient(
        blas, inputs, first, K, 0, inputs.features, W, at.width, own, keep, one, E, at.stride, shift, one
    )


@njit(**INNER)
def step_columns(
    W: Any,
    V: Any,
    wide: Any,
    size: Any,
    n: Any,
    B: Any,
    D: Any,
    a: Any,
    row: Any,
    at: Any,
    at_along: Any,
    rate: Any,
    keep: Any,
    beta: Any,
    one: Any,
) -> None:
    """One step of my columns of ``W[2]``, n rows, along ``Σ_s δ_s a_sᵀ``."""
    apart()
    along, errors = reals(at_along, one), reals(D, one)
    factor = one - beta if at.slots else -rate
    for k in range(n):
        w, v = W + k * wide, V + k * wide
        for s in range(B):
            along[s] = factor * errors[s * n + k]
        if not at.slots:
            add_rows(w, size, keep, a, row, at.upto, at_along, B)
        else:
            add_rows(v, size, beta, a, row, at.upto, at_along, B)
            along[0] = -rate
            add_rows(w, size, keep, v, wide, at.upto, at_along, 1)


@njit(**INNER)
def transpose(inputs: Any, f0: Any, f1: Any, at: Any, k0: Any, k1: Any, one: Any) -> None:
    """The block's lists feature by feature, zeros and all, for features f0 … f1; and ``o · s`` of examples k0 … k1."""
    apart()
    n, item = inputs.features, bytes_of(one)
    counts = ints(inputs.filed_counts)
    for i in range(f0, f1):
        line = at.transposed + i * at.room * item
        fill(line, at.room, one - one)
        to, filed = reals(line, one), ints(inputs.filed + i * FILED * 4)
        value = reals(inputs.filed_values + i * FILED * item, one)
        for k in range(counts[i]):
            to[filed[k]] = value[k]
    if inputs.shifted:
        listed, offsets, shared = ints(inputs.listed), reals(inputs.offsets, one), reals(at.shared, one)
        for j in range(k0, k1):
            which, value = ints(inputs.which + j * n * 4), reals(inputs.values + j * n * item, one)
            total = one - one
            for k in range(listed[j]):
                total += value[k] * offsets[which[k]]
            shared[j] = total


@njit(**INNER)
def gram(blas: Any, inputs: Any, first: Any, k0: Any, k1: Any, K: Any, at: Any, one: Any) -> None:
    """Rows k0 … k1 of ``G = X Xᵀ`` over the block's K examples.

    With offsets, ``x_i · x_j = s_i · s_j + o · s_i + o · s_j + o · o``.
    """
    apart()
    n, item, zero = inputs.features, bytes_of(one), one - one
    line = at.room * item
    if not inputs.sparse:
        if k1 > k0:
            x = dense_rows(inputs, first, one)
            gemm(blas, 0, 1, k1 - k0, K, n, one, x + k0 * n * item, n, x, n, zero, at.G + k0 * line, at.room)
        return
    listed, offsets, shared = ints(inputs.listed), reals(inputs.offsets, one), reals(at.shared, one)
    square = zero
    if inputs.shifted:
        for i in range(n):
            square += offsets[i] * offsets[i]
    for j in range(k0, k1):
        index, value = inputs.which + j * n * 4, inputs.values + j * n * item
        add_rows(at.G + j * line, line, zero, at.transposed, line, index, value, np.int64(listed[j]))
        if inputs.shifted:
            products = reals(at.G + j * line, one)
            for i in range(K):
                products[i] += shared[i] + (shared[j] + square)
