"""Exact descent in blocks as one kernel (see :mod:`gpunet_numpy.blocks` for the idea).

Each thread owns some of the first layer's neurons: their rows of ``W[1]``, their columns of ``W[2]``, their part of
``δ[1]``. All it needs from the others is their share of ``Z[2]``, so the threads meet once a step. The later
layers are small; every thread steps its own copy of them, which costs less than waiting for another's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gpunet_numpy.compiled.batches import share
from gpunet_numpy.compiled.elementwise import activate, output, slope
from gpunet_numpy.compiled.machine import INNER, OPTIONS, apart, barrier, borrowed, gemm
from gpunet_numpy.compiled.small import (
    add_rows,
    bias_step,
    matrix_vector,
    outer_step,
    vector_matrix,
)


@njit(**INNER)
def advance(u: Any, r: Any, wqp: Any, j: Any, rate: Any, beta: Any, decay: Any) -> None:
    """Step j of the recurrence of :mod:`gpunet_numpy.recurrence`, without Nesterov."""
    apart()
    shrink = 1.0 - rate * decay
    wqp[0] *= shrink
    wqp[1] *= shrink
    wqp[2] *= beta
    for i in range(j):
        r[i] *= beta
        u[i] = u[i] * shrink - rate * r[i]
    r[j] = 1.0 - beta
    u[j] = -rate * r[j]
    wqp[1] -= rate * wqp[2]


@njit(**OPTIONS)
def run_blocks(
    thread: Any,
    threads: Any,
    addresses: Any,
    sizes: Any,
    offsets: Any,
    codes: Any,
    loss: Any,
    decay: Any,
    momentum: Any,
    theta: Any,
    slots: Any,
    copies: Any,  # (threads, theta.size): every thread's own later layers
    slot_copies: Any,  # (threads, slots, theta.size)
    xb: Any,  # (block, n[0])
    G: Any,  # (block, block)
    P: Any,  # (block, n[1]) flat: Z[1] before the block's own updates
    Q: Any,  # likewise from the momentum, or empty
    D: Any,  # (block, n[1]) flat: δ[1]
    A: Any,  # (batch, n[1]) flat: A[1]
    E: Any,  # (block, n[1]) flat: scaled δ[1]
    parts: Any,  # (2, threads, batch · n[2] and room)
    work: Any,  # (threads, batch · 2 Σ_{l>1} n[l] and room)
    X: Any,
    Y: Any,
    weights: Any,
    order: Any,
    used: Any,
    batch: Any,
    block: Any,
    coefficients: Any,
    losses: Any,
) -> None:
    """One epoch; arguments as for :func:`gpunet_numpy.compiled.batches.run_batches` where not said."""
    theta, slots, copies, slot_copies = (
        borrowed(theta),
        borrowed(slots),
        borrowed(copies),
        borrowed(slot_copies),
    )
    xb, G, P, Q, D, A, E = (
        borrowed(xb),
        borrowed(G),
        borrowed(P),
        borrowed(Q),
        borrowed(D),
        borrowed(A),
        borrowed(E),
    )
    parts, work, X, Y = borrowed(parts), borrowed(work), borrowed(X), borrowed(Y)
    weights, order, coefficients = borrowed(weights), borrowed(order), borrowed(coefficients)
    blas, flags, give_way = addresses[0], addresses[1], addresses[2]
    L = sizes.size - 1
    item = theta.itemsize
    one, zero = theta.dtype.type(1), theta.dtype.type(0)
    beta = theta.dtype.type(momentum)
    n0, n1 = sizes[0], sizes[1]
    o0, o1 = share(n1, thread, threads)
    own = o1 - o0
    n2 = sizes[2] if L > 1 else 0
    mine, my_slots, space = copies[thread], slot_copies[thread], work[thread]
    mine[:] = theta
    my_slots[:] = slots
    my_W1, my_V1 = theta.ctypes.data + item * o0 * n0, slots.ctypes.data + item * o0 * n0
    my_W2 = offsets[2] + o0 if L > 1 else 0
    b1 = theta[n1 * n0 + o0 : n1 * n0 + o1]
    at_A = np.zeros(L + 1, np.int64)
    at_D = np.zeros(L + 1, np.int64)
    at = 0
    for l in range(2, L + 1):
        at_A[l] = at
        at_D[l] = at + batch * sizes[l]
        at += 2 * batch * sizes[l]
    u, r, wqp = np.zeros(block), np.zeros(block), np.zeros(3)
    c = np.zeros(block, theta.dtype)
    scaled = np.zeros(batch * block, theta.dtype)
    phase = barrier(flags, give_way, thread, threads, 1)
    step = 0
    for first in range(0, used, block):
        K = min(block, used - first)
        k0, k1 = share(K, thread, threads)
        for k in range(k0, k1):
            x = X[order[first + k]] if order.size > 0 else X[first + k]
            to = xb[k]
            for i in range(n0):
                to[i] = x[i]
        phase = barrier(flags, give_way, thread, threads, phase)
        inputs = xb.ctypes.data
        if own > 0:
            here = P.ctypes.data + item * o0
            gemm(blas, 0, 1, K, own, n0, one, inputs, n0, my_W1, n0, zero, here, n1)
            if Q.size > 0:
                here = Q.ctypes.data + item * o0
                gemm(blas, 0, 1, K, own, n0, one, inputs, n0, my_V1, n0, zero, here, n1)
        if k1 > k0:
            rows, here = inputs + item * k0 * n0, G.ctypes.data + item * k0 * block
            gemm(blas, 0, 1, k1 - k0, K, n0, one, rows, n0, inputs, n0, zero, here, block)
        phase = barrier(flags, give_way, thread, threads, phase)
        u[:] = 0.0
        r[:] = 0.0
        wqp[0], wqp[1], wqp[2] = 1.0, 0.0, 1.0
        j = 0
        for s0 in range(0, K, batch):
            s1 = min(s0 + batch, K)
            B = s1 - s0
            rate = coefficients[step, 0]
            keep = one - rate * theta.dtype.type(decay)
            # Z[1] of my neurons: W x without touching W
            w, q = theta.dtype.type(wqp[0]), theta.dtype.type(wqp[1])
            for s in range(s0, s1):
                z = A[(s - s0) * n1 + o0 : (s - s0) * n1 + o1]
                p = P[s * n1 + o0 : s * n1 + o1]
                if Q.size > 0:
                    v = Q[s * n1 + o0 : s * n1 + o1]
                    for i in range(own):
                        z[i] = w * p[i] + q * v[i]
                else:
                    for i in range(own):
                        z[i] = w * p[i]
            if batch == 1:
                gram = G[s0]
                for i in range(s0):
                    c[i] = theta.dtype.type(u[i]) * gram[i]
                add_rows(c, s0, D, o0, n1, A[o0:o1])
            elif s0 > 0 and own > 0:
                for s in range(s0, s1):
                    gram = G[s]
                    for i in range(s0):
                        scaled[(s - s0) * block + i] = theta.dtype.type(u[i // batch]) * gram[i]
                d_at, z_at = D.ctypes.data + item * o0, A.ctypes.data + item * o0
                gemm(blas, 0, 0, B, own, s0, one, scaled.ctypes.data, block, d_at, n1, one, z_at, n1)
            total = 0.0
            scale = one / theta.dtype.type(B)
            if L > 1:
                for s in range(B):
                    activate(codes[1], A[s * n1 + o0 : s * n1 + o1], b1)
                # My share of Z[2], then everybody's
                part = parts[step % 2, thread, : B * n2]
                if batch == 1:
                    matrix_vector(theta, my_W2, n1, A[o0:o1], part)
                elif own > 0:
                    a_at, w_at = A.ctypes.data + item * o0, theta.ctypes.data + item * my_W2
                    gemm(blas, 0, 1, B, n2, own, one, a_at, n1, w_at, n1, zero, part.ctypes.data, n2)
                else:
                    part[:] = zero
                phase = barrier(flags, give_way, thread, threads, phase)
                z2 = space[at_A[2] : at_A[2] + B * n2]
                for i in range(B * n2):
                    z2[i] = parts[step % 2, 0, i]
                for t in range(1, threads):
                    other = parts[step % 2, t]
                    for i in range(B * n2):
                        z2[i] += other[i]
            # Layers 2 to L forward, each example in turn
            for s in range(B):
                source = order[first + s0 + s] if order.size > 0 else first + s0 + s
                for l in range(2 if L > 1 else 1, L + 1):
                    n, k = sizes[l], sizes[l - 1]
                    bias = offsets[l] + n * k
                    if l == 1:
                        a, b = A[s * n1 : (s + 1) * n1], b1
                    else:
                        a, b = space[at_A[l] + s * n : at_A[l] + (s + 1) * n], mine[bias : bias + n]
                    if l > 2:
                        below = space[at_A[l - 1] + s * k : at_A[l - 1] + (s + 1) * k]
                        matrix_vector(mine, offsets[l], k, below, a)
                    if l < L:
                        activate(codes[l], a, b)
                        continue
                    if l == 1:
                        d = D[(s0 + s) * n1 : (s0 + s + 1) * n1]
                    else:
                        d = space[at_D[l] + s * n : at_D[l] + (s + 1) * n]
                    value = output(codes[l], loss, a, b, Y[source], d)
                    weight = weights[source] if weights.size > 0 else one
                    total += value * weight
                    for i in range(n):
                        d[i] = d[i] * (weight * scale)
            # Layers L to 3 backward, each stepped once its δ has gone down
            for l in range(L, 2, -1):
                n, k = sizes[l], sizes[l - 1]
                for s in range(B):
                    d = space[at_D[l] + s * n : at_D[l] + (s + 1) * n]
                    e = space[at_D[l - 1] + s * k : at_D[l - 1] + (s + 1) * k]
                    vector_matrix(d, mine, offsets[l], k, e)
                    slope(codes[l - 1], e, space[at_A[l - 1] + s * k : at_A[l - 1] + (s + 1) * k])
                if batch == 1:
                    d, a = space[at_D[l] : at_D[l] + n], space[at_A[l - 1] : at_A[l - 1] + k]
                    outer_step(mine, my_slots, offsets[l], k, d, a, rate, keep, beta)
                else:
                    batch_step(
                        blas,
                        mine,
                        my_slots,
                        offsets[l],
                        k,
                        n,
                        k,
                        B,
                        space.ctypes.data + item * at_D[l],
                        space.ctypes.data + item * at_A[l - 1],
                        k,
                        rate,
                        keep,
                        beta,
                    )
                bias = offsets[l] + n * k
                bias_step(mine[bias : bias + n], my_slots, bias, space, at_D[l], n, B, rate, beta)
            # δ[1] of my neurons, and my columns of W[2]
            if L > 1:
                if batch == 1:
                    d2, e = space[at_D[2] : at_D[2] + n2], D[s0 * n1 + o0 : s0 * n1 + o1]
                    vector_matrix(d2, theta, my_W2, n1, e)
                    slope(codes[1], e, A[o0:o1])
                    outer_step(theta, slots, my_W2, n1, d2, A[o0:o1], rate, keep, beta)
                elif own > 0:
                    d_at = space.ctypes.data + item * at_D[2]
                    e_at = D.ctypes.data + item * (s0 * n1 + o0)
                    w_at = theta.ctypes.data + item * my_W2
                    gemm(blas, 0, 0, B, own, n2, one, d_at, n2, w_at, n1, zero, e_at, n1)
                    for s in range(B):
                        e = D[(s0 + s) * n1 + o0 : (s0 + s) * n1 + o1]
                        slope(codes[1], e, A[s * n1 + o0 : s * n1 + o1])
                    a_at = A.ctypes.data + item * o0
                    batch_step(blas, theta, slots, my_W2, n1, n2, own, B, d_at, a_at, n1, rate, keep, beta)
                bias = offsets[2] + n2 * n1
                bias_step(mine[bias : bias + n2], my_slots, bias, space, at_D[2], n2, B, rate, beta)
            bias_step(b1, slots, n1 * n0 + o0, D, s0 * n1 + o0, n1, B, rate, beta)
            advance(u, r, wqp, j, rate, momentum, decay)
            if thread == 0:
                losses[step, 0] = total
            j += 1
            step += 1
        # W ← w W₀ + q V₀ + (δ ∘ u) Xᵀ and V ← p V₀ + (δ ∘ r) Xᵀ, my rows
        if own > 0:
            w, q, p = theta.dtype.type(wqp[0]), theta.dtype.type(wqp[1]), theta.dtype.type(wqp[2])
            scale_rows(D, E, u, K, batch, n1, o0, o1)
            e_at = E.ctypes.data + item * o0
            gemm(blas, 1, 0, own, n0, K, one, e_at, n1, inputs, n0, w, my_W1, n0)
            if slots.shape[0] > 0:
                W1, V1 = theta[o0 * n0 : o1 * n0], slots[0, o0 * n0 : o1 * n0]
                for i in range(W1.size):
                    W1[i] += q * V1[i]
                scale_rows(D, E, r, K, batch, n1, o0, o1)
                gemm(blas, 1, 0, own, n0, K, one, e_at, n1, inputs, n0, p, my_V1, n0)
        phase = barrier(flags, give_way, thread, threads, phase)
    if thread == 0 and L > 1:
        # Everybody's copy of the later layers is the same; W[2] was stepped in place.
        n = offsets[2] + n2 * n1
        theta[n:] = mine[n:]
        for i in range(slots.shape[0]):
            slots[i, n:] = my_slots[i, n:]


@njit(**INNER)
def scale_rows(D: Any, E: Any, u: Any, K: Any, batch: Any, n: Any, first: Any, last: Any) -> None:
    """``E_s ← u_{s // batch} D_s`` in columns first to last."""
    apart()
    for s in range(K):
        factor = D.dtype.type(u[s // batch])
        d, e = D[s * n + first : s * n + last], E[s * n + first : s * n + last]
        for i in range(d.size):
            e[i] = factor * d[i]


@njit(**INNER)
def batch_step(
    blas: Any,
    flat: Any,
    slots: Any,
    at: Any,
    stride: Any,
    rows: Any,
    width: Any,
    B: Any,
    delta: Any,
    inputs: Any,
    input_stride: Any,
    rate: Any,
    keep: Any,
    beta: Any,
) -> None:
    """One step of W along ``δᵀ A`` of B examples (addresses), accumulated inside the product."""
    apart()
    one = flat.dtype.type(1)
    item = flat.itemsize
    if slots.shape[0] == 0:
        W = flat.ctypes.data + item * at
        gemm(blas, 1, 0, rows, width, B, -rate, delta, rows, inputs, input_stride, keep, W, stride)
        return
    V = slots.ctypes.data + item * at
    gemm(blas, 1, 0, rows, width, B, one - beta, delta, rows, inputs, input_stride, beta, V, stride)
    for k in range(rows):
        w = flat[at + k * stride : at + k * stride + width]
        v = slots[0, at + k * stride : at + k * stride + width]
        for i in range(width):
            w[i] = keep * w[i] - rate * v[i]
