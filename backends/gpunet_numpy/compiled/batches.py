"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it covers, on all threads.

A step has two halves. First each thread takes its share of the batch's *examples* through forward and backward,
with elementwise work done while the numbers are in its cache. Then each takes its share of every layer's *rows*
and updates them: ``W ← (1 − αλ) W − α δᵀ A``, where plain descent and momentum accumulate inside the matrix
product and need no array of gradients. A batch larger than `piece` is summed piece by piece (C8).

All parameters lie in one flat array, layer by layer, W then b; slots and gradients likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gpunet_numpy.compiled.elementwise import activate, output, slope
from gpunet_numpy.compiled.machine import INNER, OPTIONS, barrier, borrowed, gemm
from gpunet_numpy.compiled.rules import decay_and_step, follow

FEW = 512  # examples


@njit(**INNER)
def share(count: Any, thread: Any, threads: Any) -> Any:
    """The part ``[first, last)`` of `count` things that one thread takes."""
    return count * thread // threads, count * (thread + 1) // threads


@njit(**OPTIONS)
def run_batches(
    thread: Any,
    threads: Any,
    addresses: Any,  # gemm, flags, sched_yield
    sizes: Any,  # n[0] … n[L]
    offsets: Any,  # of W[l] in theta
    codes: Any,  # activations
    loss: Any,
    rule: Any,
    numbers: Any,  # the rule's constants, see rules.py
    theta: Any,
    slots: Any,  # (count, theta.size)
    gradient: Any,  # theta.size, or empty where products accumulate in place
    bias_parts: Any,  # (threads, Σ n[l])
    work: Any,  # A[0] … A[L], then δ[1] … δ[L], each (piece, n[l])
    X: Any,  # (m, n[0]), rows
    Y: Any,
    weights: Any,  # (m,), or empty
    order: Any,  # int32, or empty
    used: Any,
    batch: Any,
    piece: Any,
    coefficients: Any,
    losses: Any,  # (steps, threads), sums
) -> None:
    """See the module's docstring; `losses` gets each thread's sum of w(i) L(i)."""
    theta, slots, gradient, bias_parts = (
        borrowed(theta),
        borrowed(slots),
        borrowed(gradient),
        borrowed(bias_parts),
    )
    work, X, Y, weights = borrowed(work), borrowed(X), borrowed(Y), borrowed(weights)
    order, coefficients, losses = borrowed(order), borrowed(coefficients), borrowed(losses)
    blas, flags, give_way = addresses[0], addresses[1], addresses[2]
    L = sizes.size - 1
    item = theta.itemsize
    one, zero = theta.dtype.type(1), theta.dtype.type(0)
    phase = 1
    base_theta, base_work, base_X = theta.ctypes.data, work.ctypes.data, X.ctypes.data
    base_gradient = gradient.ctypes.data
    base_slots = slots.ctypes.data
    n0 = sizes[0]
    place_A = np.empty(L + 1, np.int64)
    place_D = np.empty(L + 1, np.int64)
    at = 0
    for l in range(L + 1):
        place_A[l] = at
        at += piece * sizes[l]
    for l in range(1, L + 1):
        place_D[l] = at
        at += piece * sizes[l]
    my_bias = bias_parts[thread]

    step = 0
    for first in range(0, used, batch):
        last = min(first + batch, used)
        count = last - first
        scale = one / theta.dtype.type(count)
        c = coefficients[step]
        total = 0.0
        my_bias[:] = zero
        whole = count <= piece
        for start in range(first, last, piece):
            stop = min(start + piece, last)
            B = stop - start
            r0, r1 = share(B, thread, threads)
            rows = r1 - r0
            # A[0]: gathered, or X itself where the order is as it stands
            if order.size > 0:
                inputs = base_work
                for r in range(r0, r1):
                    x = X[order[start + r]]
                    to = work[place_A[0] + r * n0 : place_A[0] + (r + 1) * n0]
                    for i in range(n0):
                        to[i] = x[i]
            else:
                inputs = base_X + item * start * n0
            # A product with few examples spends its time on reading W[1]: there each thread takes its share
            # of the first layer's neurons instead, for all examples.
            by_neurons = L > 1 and B <= FEW
            if by_neurons:
                phase = barrier(flags, give_way, thread, threads, phase)
                n = sizes[1]
                o0, o1 = share(n, thread, threads)
                if o1 > o0:
                    W, here = base_theta + item * o0 * n0, base_work + item * (place_A[1] + o0)
                    gemm(blas, 0, 1, B, o1 - o0, n0, one, inputs, n0, W, n0, zero, here, n)
                    b = theta[n * n0 + o0 : n * n0 + o1]
                    for r in range(B):
                        activate(codes[1], work[place_A[1] + r * n + o0 : place_A[1] + r * n + o1], b)
                phase = barrier(flags, give_way, thread, threads, phase)
            if rows > 0:
                for l in range(2 if by_neurons else 1, L + 1):
                    n, k = sizes[l], sizes[l - 1]
                    below = inputs if l == 1 else base_work + item * place_A[l - 1]
                    here = base_work + item * (place_A[l] + r0 * n)
                    W = base_theta + item * offsets[l]
                    gemm(blas, 0, 1, rows, n, k, one, below + item * r0 * k, k, W, k, zero, here, n)
                    b = theta[offsets[l] + n * k : offsets[l] + n * k + n]
                    if l < L:
                        for r in range(r0, r1):
                            activate(codes[l], work[place_A[l] + r * n : place_A[l] + (r + 1) * n], b)
                        continue
                    for r in range(r0, r1):
                        source = order[start + r] if order.size > 0 else start + r
                        z = work[place_A[L] + r * n : place_A[L] + (r + 1) * n]
                        d = work[place_D[L] + r * n : place_D[L] + (r + 1) * n]
                        value = output(codes[L], loss, z, b, Y[source], d)
                        weight = weights[source] if weights.size > 0 else one
                        total += value * weight
                        for i in range(n):
                            d[i] = d[i] * (weight * scale)
                at = my_bias.size
                for l in range(L, 0, -1):
                    n, k = sizes[l], sizes[l - 1]
                    at -= n
                    db = my_bias[at : at + n]
                    for r in range(r0, r1):
                        d = work[place_D[l] + r * n : place_D[l] + (r + 1) * n]
                        for i in range(n):
                            db[i] += d[i]
                    if l > 1:
                        W = base_theta + item * offsets[l]
                        here = base_work + item * (place_D[l] + r0 * n)
                        below = base_work + item * (place_D[l - 1] + r0 * k)
                        gemm(blas, 0, 0, rows, k, n, one, here, n, W, k, zero, below, k)
                        for r in range(r0, r1):
                            d = work[place_D[l - 1] + r * k : place_D[l - 1] + (r + 1) * k]
                            a = work[place_A[l - 1] + r * k : place_A[l - 1] + (r + 1) * k]
                            slope(codes[l - 1], d, a)
            phase = barrier(flags, give_way, thread, threads, phase)
            # Each thread's rows of every W
            final = stop == last
            at = 0
            for l in range(1, L + 1):
                n, k = sizes[l], sizes[l - 1]
                q0, q1 = share(n, thread, threads)
                mine, upto = offsets[l] + q0 * k, offsets[l] + q1 * k
                M = q1 - q0
                if M > 0:
                    below = inputs if l == 1 else base_work + item * place_A[l - 1]
                    delta = base_work + item * (place_D[l] + q0)
                    if rule == 0 and whole:
                        W, keep = base_theta + item * mine, one - c[0] * numbers[0]
                        gemm(blas, 1, 0, M, k, B, -c[0], delta, n, below, k, keep, W, k)
                    elif rule == 1 and whole:
                        V, beta = base_slots + item * mine, numbers[1]
                        gemm(blas, 1, 0, M, k, B, one - beta, delta, n, below, k, beta, V, k)
                        decay_and_step(theta, slots[0], mine, upto, c[0], numbers[0])
                    else:
                        G, so_far = base_gradient + item * mine, zero if start == first else one
                        gemm(blas, 1, 0, M, k, B, one, delta, n, below, k, so_far, G, k)
                        if final:
                            follow(rule, theta, slots, gradient, mine, upto, 0, c, numbers, True)
                    if final:
                        bias = offsets[l] + n * k
                        for t in range(1, threads):
                            for i in range(q0, q1):
                                bias_parts[0, at + i] += bias_parts[t, at + i]
                        db, back = bias_parts[0], at - bias
                        follow(rule, theta, slots, db, bias + q0, bias + q1, back, c, numbers, False)
                at += n
            phase = barrier(flags, give_way, thread, threads, phase)
        losses[step, thread] = total
        step += 1
