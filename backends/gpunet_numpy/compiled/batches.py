"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it covers, on all threads.

A batch goes in four stages, and the threads meet between them:

1. each takes its share of the examples out of the data (:mod:`gpunet_numpy.compiled.inputs`);
2. each computes its own neurons of the first layer, for all examples;
3. each takes its share of the examples through the other layers, forward and backward, with elementwise work done
   while the numbers are in its cache;
4. each updates its own neurons of the first layer and its share of the rows of every other ``W``:
   ``W ← (1 − αλ) W − α δ Aᵀ``, where plain descent and momentum accumulate inside the product and need no array of
   gradients.

A batch larger than `piece` is summed piece by piece (C8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from gpunet_numpy.compiled.elementwise import activate, output, slope
from gpunet_numpy.compiled.first_layer import forward, gradient, neurons, share
from gpunet_numpy.compiled.inputs import file, source, take
from gpunet_numpy.compiled.machine import INNER, OPTIONS, apart, barrier, bytes_of, gemm, reals
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN, decay_and_step, follow


class Places(NamedTuple):
    """Addresses, and sizes in numbers."""

    panels: int  # (1 + slots, threads, n[0], width): W[1], and what its rule keeps
    panel: int  # numbers of one thread's panel
    width: int
    later: int  # (1 + slots, count): b[1], W[2], b[2], …
    numbers: int  # in one row of them
    panel_gradient: int  # (threads, n[0], width), where products do not accumulate in place
    later_gradient: int  # (count,), likewise
    bias_parts: int  # (threads, biases): each thread's part of the biases' gradients
    biases: int
    Y: int  # (m, n[L])
    weights: int  # (m,), or 0


@njit(**OPTIONS)
def run_batches(
    thread: Any,
    threads: Any,
    blas: Any,
    flags: Any,
    give_way: Any,
    sizes: Any,  # n[0] … n[L]
    at_W: Any,  # numbers before W[l] in `later`, from l = 2
    at_b: Any,  # and before b[l], from l = 1
    codes: Any,  # activations
    strides: Any,  # numbers from one row of A[l] and δ[l] to the next
    A: Any,  # addresses of A[1] … A[L], (piece, stride)
    D: Any,  # addresses of δ[1] … δ[L], likewise
    loss: Any,
    rule: Any,
    numbers: Any,  # the rule's constants, see rules.py
    inputs: Any,
    at: Any,  # Places
    used: Any,
    batch: Any,
    piece: Any,
    coefficients: Any,
    losses: Any,  # (steps, threads), sums
) -> None:
    """See the module's docstring; `losses` gets each thread's sum of w(i) L(i)."""
    L = sizes.size - 1
    one = numbers.dtype.type(1)
    item = bytes_of(one)
    o0, o1 = neurons(sizes[1], thread, threads, one)
    own = o1 - o0
    f0, f1 = share(sizes[0], thread, threads)
    panel = at.panels + thread * at.panel * item
    whole_panels = threads * at.panel * item  # bytes from W[1] to its first slot
    later_slot = at.numbers * item
    my_bias = reals(at.bias_parts + thread * at.biases * item, at.biases, one)
    in_place = rule in (PLAIN, MOMENTUM) and batch <= piece
    phase = 1
    step = 0
    for first in range(0, used, batch):
        last = min(first + batch, used)
        scale = one / numbers.dtype.type(last - first)
        c = coefficients[step]
        total = 0.0
        for start in range(first, last, piece):
            B = min(piece, last - start)
            r0, r1 = share(B, thread, threads)
            take(inputs, start, r0, r1, one)
            phase = barrier(flags, give_way, thread, threads, phase)
            factor = one
            if in_place:
                factor = -c[0] if rule == PLAIN else one - numbers[1]
            if own > 0:
                Z = A[1] + o0 * item
                forward(blas, inputs, start, B, panel, at.width, own, Z, strides[1], one)
                if L > 1:
                    b = reals(at.later + o0 * item, own, one)
                    for r in range(B):
                        activate(codes[1], reals(Z + r * strides[1] * item, own, one), b)
            if inputs.sparse:
                file(inputs, B, f0, f1, factor, one)
            phase = barrier(flags, give_way, thread, threads, phase)
            if start == first:
                my_bias[:] = one - one
            if r1 > r0:
                total += later_layers(
                    blas,
                    sizes,
                    at_W,
                    at_b,
                    codes,
                    strides,
                    A,
                    D,
                    loss,
                    inputs.order,
                    at,
                    start,
                    r0,
                    r1,
                    scale,
                    my_bias,
                    one,
                )
            phase = barrier(flags, give_way, thread, threads, phase)
            final = start + B == last
            if own > 0:
                delta = D[1] + o0 * item
                if in_place and rule == PLAIN:
                    keep = one - c[0] * numbers[0]
                    gradient(
                        blas, inputs, start, B, panel, at.width, own, keep, -c[0], delta, strides[1], one
                    )
                elif in_place:
                    beta, V = numbers[1], panel + whole_panels
                    gradient(
                        blas, inputs, start, B, V, at.width, own, beta, one - beta, delta, strides[1], one
                    )
                    decay_and_step(panel, V, at.panel, c[0], numbers[0], one)
                else:
                    G = at.panel_gradient + thread * at.panel * item
                    so_far = one - one if start == first else one
                    gradient(blas, inputs, start, B, G, at.width, own, so_far, one, delta, strides[1], one)
                    if final:
                        slots = panel + whole_panels
                        follow(rule, panel, slots, whole_panels, G, at.panel, c, numbers, True, one)
            for l in range(2, L + 1):
                n, k = sizes[l], sizes[l - 1]
                q0, q1 = share(n, thread, threads)
                mine = (at_W[l] + q0 * k) * item
                M = q1 - q0
                if M == 0:
                    continue
                W, V, delta = at.later + mine, at.later + mine + later_slot, D[l] + q0 * item
                below, step_below = A[l - 1], strides[l - 1]
                if in_place and rule == PLAIN:
                    keep = one - c[0] * numbers[0]
                    gemm(blas, 1, 0, M, k, B, -c[0], delta, strides[l], below, step_below, keep, W, k)
                elif in_place:
                    beta = numbers[1]
                    gemm(blas, 1, 0, M, k, B, one - beta, delta, strides[l], below, step_below, beta, V, k)
                    decay_and_step(W, V, M * k, c[0], numbers[0], one)
                else:
                    G = at.later_gradient + mine
                    so_far = one - one if start == first else one
                    gemm(blas, 1, 0, M, k, B, one, delta, strides[l], below, step_below, so_far, G, k)
                    if final:
                        follow(rule, W, V, later_slot, G, M * k, c, numbers, True, one)
            if final:
                before = 0
                for l in range(1, L + 1):
                    q0, q1 = (o0, o1) if l == 1 else share(sizes[l], thread, threads)
                    if q1 > q0:
                        add_parts(at, before + q0, q1 - q0, threads, one)
                        b, db = at.later + (at_b[l] + q0) * item, at.bias_parts + (before + q0) * item
                        follow(rule, b, b + later_slot, later_slot, db, q1 - q0, c, numbers, False, one)
                    before += sizes[l]
            if not inputs.sparse:  # the next batch's rows take the place of this one's
                phase = barrier(flags, give_way, thread, threads, phase)
        losses[step, thread] = total
        step += 1


@njit(**INNER)
def add_parts(at: Any, first: Any, n: Any, threads: Any, one: Any) -> None:
    """All threads' parts of n biases' gradients, summed into the first thread's."""
    apart()
    total = reals(at.bias_parts + first * bytes_of(one), n, one)
    for t in range(1, threads):
        part = reals(at.bias_parts + (t * at.biases + first) * bytes_of(one), n, one)
        for i in range(n):
            total[i] += part[i]


@njit(**INNER)
def later_layers(
    blas: Any,
    sizes: Any,
    at_W: Any,
    at_b: Any,
    codes: Any,
    strides: Any,
    A: Any,
    D: Any,
    loss: Any,
    order: Any,
    at: Any,
    start: Any,
    r0: Any,
    r1: Any,
    scale: Any,
    my_bias: Any,
    one: Any,
) -> Any:
    """Rows r0 … r1 of a piece from ``A[1]`` to the output and back to ``δ[1]``; the sum of w(i) L(i)."""
    apart()
    L, item, rows, zero = sizes.size - 1, bytes_of(one), r1 - r0, one - one
    total = 0.0
    for l in range(1, L + 1):
        n, k, stride = sizes[l], sizes[l - 1], strides[l] * item
        if l > 1:
            below, here = A[l - 1] + r0 * strides[l - 1] * item, A[l] + r0 * stride
            gemm(
                blas,
                0,
                1,
                rows,
                n,
                k,
                one,
                below,
                strides[l - 1],
                at.later + at_W[l] * item,
                k,
                zero,
                here,
                strides[l],
            )
        b = reals(at.later + at_b[l] * item, n, one)
        if l == L:
            for r in range(r0, r1):
                example = source(start + r, order)
                weight = reals(at.weights, example + 1, one)[example] if at.weights != 0 else one
                y, d = reals(at.Y + example * n * item, n, one), reals(D[L] + r * stride, n, one)
                total += weight * output(codes[L], loss, reals(A[L] + r * stride, n, one), b, y, d)
                for i in range(n):
                    d[i] = d[i] * (weight * scale)
        elif l > 1:
            for r in range(r0, r1):
                activate(codes[l], reals(A[l] + r * stride, n, one), b)
    before = my_bias.size
    for l in range(L, 0, -1):
        n, stride = sizes[l], strides[l] * item
        before -= n
        for r in range(r0, r1):
            d = reals(D[l] + r * stride, n, one)
            if l < L:
                slope(codes[l], d, reals(A[l] + r * stride, n, one))
            db = my_bias[before : before + n]
            for i in range(n):
                db[i] += d[i]
        if l > 1:
            k, here = sizes[l - 1], D[l] + r0 * stride
            below = D[l - 1] + r0 * strides[l - 1] * item
            gemm(
                blas,
                0,
                0,
                rows,
                k,
                n,
                one,
                here,
                strides[l],
                at.later + at_W[l] * item,
                k,
                zero,
                below,
                strides[l - 1],
            )
    return total
