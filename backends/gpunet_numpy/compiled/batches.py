"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it covers, on all threads.

A batch goes in stages, and the threads meet between them:

1. each takes its share of the examples out of the data (:mod:`gpunet_numpy.compiled.inputs`);
2. each computes its own neurons of the first layer, for all examples;
3. each takes its share of the examples through the other layers, forward and backward, with elementwise work done
   while the numbers are in its cache;
4. each updates its own neurons of the first layer and its share of the rows of every other ``W``:
   ``W ← (1 − αλ) W − α δ Aᵀ``, where plain descent and momentum accumulate inside the product and need no array of
   gradients.

Where the first layer has few neurons they are not shared out: each thread computes all of them for its examples, and
updates their weights for its share of the features. A batch larger than `piece` is summed piece by piece (C8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from gpunet_numpy.compiled.elementwise import activate, slope
from gpunet_numpy.compiled.examples import error
from gpunet_numpy.compiled.first_layer import forward, gradient, neurons, offset_outputs, share
from gpunet_numpy.compiled.inputs import file, source, take
from gpunet_numpy.compiled.machine import INNER, OPTIONS, apart, barrier, bytes_of, gemm, longs, real, reals
from gpunet_numpy.compiled.rules import finish, follow, goal
from gpunet_numpy.compiled.small import add, copy, fill


class Places(NamedTuple):
    """Addresses, and sizes in numbers. What a rule keeps for a parameter follows all parameters of its kind."""

    owners: int  # threads that share out the first layer's neurons: all, or one that stands for all
    panels: int  # (1 + slots, owners, n[0], width): W[1]
    panel: int  # numbers of one of them
    width: int
    later: int  # (1 + slots, numbers): b[1], W[2], b[2], …
    numbers: int  # in one row of them
    panel_gradient: int  # (owners, n[0], width), where products do not accumulate in place
    later_gradient: int  # (numbers,), likewise
    bias_parts: int  # (threads, biases): each thread's part of the biases' gradients
    biases: int
    sums: int  # (threads, 3, room): b[1] + W[1] o, o being the inputs' offsets; Σ δ[1] of a batch; Σ δ[l]
    room: int
    Y: int  # (m, n[L])
    weights: int  # (m,), or 0


@njit(**OPTIONS)
def run_batches(
    thread: Any,
    threads: Any,
    blas: Any,
    flags: Any,
    give_way: Any,
    one: Any,
    net: Any,
    at_A: Any,  # where the addresses of A[1] … A[L] of a piece lie, from index 1 on
    at_D: Any,  # and of δ[1] … δ[L], likewise
    in_place: Any,  # whether products accumulate in W or its momentum
    inputs: Any,
    at: Any,  # Places
    used: Any,
    batch: Any,
    piece: Any,
    coefficients: Any,  # address of (steps, columns)
    columns: Any,
    losses: Any,  # (steps, threads), sums
) -> None:
    """See the module's docstring; `losses` gets each thread's sum of w(i) L(i)."""
    L, item, sizes, strides = net.L, bytes_of(one), longs(net.sizes), longs(net.strides)
    A, D, numbers, rule = longs(at_A), longs(at_D), reals(net.numbers, one), net.rule
    n0, n1 = sizes[0], sizes[1]
    split = at.owners == threads
    # My neurons of the first layer, and the features whose weights I update
    o0, o1 = neurons(n1, thread, threads, one) if split else (0, n1)
    f0, f1 = (0, n0) if split else share(n0, thread, threads)
    own, row1 = o1 - o0, strides[1] * item
    panel = at.panels + (thread * at.panel * item if split else 0)
    panel_slot, later_slot = at.owners * at.panel * item, at.numbers * item
    my_gradient = at.panel_gradient + (thread * at.panel * item if split else 0)
    my_bias = at.bias_parts + thread * at.biases * item
    b1 = at.later + o0 * item
    shifted = at.sums + thread * 3 * at.room * item
    sums, other_sums = shifted + at.room * item, shifted + 2 * at.room * item
    phase = 1
    for step in range(-(-used // batch)):
        first, last = step * batch, min(step * batch + batch, used)
        scale = one / real(last - first, one)
        c = reals(coefficients + step * columns * item, one)
        total = 0.0
        for start in range(first, last, piece):
            B = min(piece, last - start)
            final = start + B == last
            r0, r1 = share(B, thread, threads)
            z0, z1 = (0, B) if split else (r0, r1)
            take(inputs, start, r0, r1, one)
            if split:
                phase = barrier(flags, give_way, thread, threads, phase)
            if own > 0 and z1 > z0:
                Z, bias = A[1] + o0 * item, b1
                forward(blas, inputs, start, z0, z1, panel, at.width, own, Z, strides[1], one)
                if inputs.shifted:
                    offset_outputs(inputs, panel, at.width, own, shifted, one)
                if inputs.shifted and L > 1:
                    add(shifted, b1, own, one)
                    bias = shifted
                for r in range(z0, z1):
                    if L > 1:
                        activate(longs(net.codes)[1], Z + r * row1, bias, own, one)
                    elif inputs.shifted:  # the output adds b[1]
                        add(Z + r * row1, shifted, own, one)
            out, keep, factor = goal(
                rule, in_place, panel, panel_slot, my_gradient, start == first, c, numbers, one
            )
            if inputs.sparse and split:
                g0, g1 = share(n0, thread, threads)
                file(inputs, B, g0, g1, factor, one)
            if split:
                phase = barrier(flags, give_way, thread, threads, phase)
            if start == first:
                fill(my_bias, at.biases, one - one)
            if r1 > r0:
                total += later_layers(
                    blas, net, at_A, at_D, inputs.order, at, start, r0, r1, scale, my_bias, one
                )
            phase = barrier(flags, give_way, thread, threads, phase)
            if inputs.sparse and not split:
                file(inputs, B, f0, f1, factor, one)
            if final:
                add_parts(at, o0, own, threads, sums, one)
            if own > 0 and f1 > f0:
                delta = D[1] + o0 * item
                shift = sums if final and inputs.shifted else 0
                gradient(
                    blas,
                    inputs,
                    start,
                    B,
                    f0,
                    f1,
                    out,
                    at.width,
                    own,
                    keep,
                    factor,
                    delta,
                    strides[1],
                    shift,
                    one,
                )
                if final:
                    W, n = panel + f0 * at.width * item, (f1 - f0) * at.width
                    G = my_gradient + f0 * at.width * item
                    finish(rule, in_place, W, panel_slot, G, n, c, numbers, one)
            for l in range(2, L + 1):
                n, k = sizes[l], sizes[l - 1]
                q0, q1 = share(n, thread, threads)
                if q1 == q0:
                    continue
                mine = (longs(net.at_W)[l] + q0 * k) * item
                W, G, delta = at.later + mine, at.later_gradient + mine, D[l] + q0 * item
                out, keep, factor = goal(rule, in_place, W, later_slot, G, start == first, c, numbers, one)
                gemm(
                    blas,
                    1,
                    0,
                    q1 - q0,
                    k,
                    B,
                    factor,
                    delta,
                    strides[l],
                    A[l - 1],
                    strides[l - 1],
                    keep,
                    out,
                    k,
                )
                if final:
                    finish(rule, in_place, W, later_slot, G, (q1 - q0) * k, c, numbers, one)
            if final:
                before = 0
                for l in range(1, L + 1):
                    q0, q1 = (o0, o1) if l == 1 and split else share(sizes[l], thread, threads)
                    b, db = at.later + (longs(net.at_b)[l] + q0) * item, sums + (q0 - o0) * item
                    if l > 1:
                        db = other_sums
                        add_parts(at, before + q0, q1 - q0, threads, db, one)
                    follow(rule, b, later_slot, db, q1 - q0, c, numbers, False, one)
                    before += sizes[l]
            if not (
                inputs.sparse and split
            ):  # the next batch takes the place of this one, or its W is not all there
                phase = barrier(flags, give_way, thread, threads, phase)
        losses[step, thread] = total


@njit(**INNER)
def add_parts(at: Any, first: Any, n: Any, threads: Any, out: Any, one: Any) -> None:
    """All threads' parts of n biases' gradients, summed."""
    apart()
    item = bytes_of(one)
    copy(out, at.bias_parts + first * item, n, one)
    for t in range(1, threads):
        add(out, at.bias_parts + (t * at.biases + first) * item, n, one)


@njit(**INNER)
def later_layers(
    blas: Any,
    net: Any,
    at_A: Any,
    at_D: Any,
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
    L, item, sizes, strides = net.L, bytes_of(one), longs(net.sizes), longs(net.strides)
    A, D, rows, zero = longs(at_A), longs(at_D), r1 - r0, one - one
    total = 0.0
    for l in range(1, L + 1):
        n, k, stride = sizes[l], sizes[l - 1], strides[l] * item
        b = at.later + longs(net.at_b)[l] * item
        if l > 1:
            below, here, W = (
                A[l - 1] + r0 * strides[l - 1] * item,
                A[l] + r0 * stride,
                at.later + longs(net.at_W)[l] * item,
            )
            gemm(blas, 0, 1, rows, n, k, one, below, strides[l - 1], W, k, zero, here, strides[l])
        if l == L:
            for r in range(r0, r1):
                z, d, example = A[L] + r * stride, D[L] + r * stride, source(start + r, order)
                total += error(net, z, b, at.Y, at.weights, example, d, scale, one)
        elif l > 1:
            for r in range(r0, r1):
                activate(longs(net.codes)[l], A[l] + r * stride, b, n, one)
    before = at.biases
    for l in range(L, 0, -1):
        n, k, stride = sizes[l], sizes[l - 1], strides[l] * item
        before -= n
        for r in range(r0, r1):
            if l < L:
                slope(longs(net.codes)[l], D[l] + r * stride, A[l] + r * stride, n, one)
            add(my_bias + before * item, D[l] + r * stride, n, one)
        if l > 1:
            here, below, W = (
                D[l] + r0 * stride,
                D[l - 1] + r0 * strides[l - 1] * item,
                at.later + longs(net.at_W)[l] * item,
            )
            gemm(blas, 0, 0, rows, k, n, one, here, strides[l], W, k, zero, below, strides[l - 1])
    return total
