"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it supports, on all threads.

A batch has four stages, with a barrier between them:

1. each gathers its range of the examples (:mod:`gpunet_numpy.compiled.sparse`);
2. each computes its own neurons of the first layer, for all examples;
3. each takes its range of the examples through the other layers, forward and backward, with elementwise work done
   while the numbers are in its cache;
4. each updates its own neurons of the first layer and its range of the rows of every other ``W``:
   ``W ← (1 − αλ) W − α δ Aᵀ``, where plain descent and momentum accumulate inside the product and need no array of
   gradients.

Where the first layer has few neurons, they are not divided: each thread computes all of them for its examples, and
updates their weights for its range of the features. A batch larger than `chunk` is summed chunk by chunk (C8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpunet_numpy.compiled.first_layer import forward, gradient, offset_outputs, owned_neurons
from gpunet_numpy.compiled.gemv import add, copy, fill
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    gemm,
    inlined,
    inner,
    itemsize,
    kernel,
    matrix,
    noinline,
    span,
)
from gpunet_numpy.compiled.layers import biases_of, rows_of, weighted_error, weights_of
from gpunet_numpy.compiled.math import activate, multiply_slope
from gpunet_numpy.compiled.sparse import build_csc, dense_rows, example_at, gather, used_examples
from gpunet_numpy.compiled.threads import STOPPED, barrier, range_of
from gpunet_numpy.compiled.updates import (
    MOMENTUM,
    PLAIN,
    follow,
    linear_step,
    penalty_factor,
    shrinkage,
    update,
)
from gpunet_numpy.compiled.views import unowned


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, and its settings."""

    in_place: int  # whether products accumulate in W or its momentum: there are no arrays of gradients then
    chunk: int  # examples of a batch that are worked on at a time
    width: int  # of a panel's rows
    panels: Any  # (1 + slots, owners, n[0] · width): W[1]; owners are all threads, or one that stands for all
    later: Any  # (1 + slots, numbers): b[1], W[2], b[2], …
    panel_gradients: Any  # (owners, n[0] · width), or (owners, 0)
    later_gradient: Any  # (numbers,), or empty
    A: Any  # A[1] … A[L] of a chunk, see Network.at_A
    D: Any  # δ[1] … δ[L], likewise
    bias_sums: Any  # (threads, biases of all layers): each thread's partial sums of their gradients
    sums: Any  # (threads, 3, room): b[1] + W[1] o, o being the inputs' offsets; Σ δ[1] of a batch; Σ δ[l]
    losses: Any  # (steps, threads): Σ w(i) L(i) of each batch
    penalties: Any  # (steps, threads): ½ λ Σ W² of the weights that the thread updates, before the step


@kernel
def run_epoch(team: Any, network: Any, rule: Any, inputs: Any, data: Any, buffers: Any, batch: Any) -> None:
    """One epoch; see the module's docstring."""
    team, network, inputs = unowned(team), unowned(network), unowned(inputs)
    data, buffers = unowned(data), unowned(buffers)
    L, sizes, one = network.L, network.sizes, cast(1, rule.decay)
    n0, n1 = sizes[0], sizes[1]
    thread, threads = team.thread, team.threads
    split = buffers.panels.shape[1] == threads
    o0, o1 = owned_neurons(n1, thread, threads, itemsize(rule.decay)) if split else (0, n1)
    f0, f1 = (0, n0) if split else range_of(n0, thread, threads)
    owner = thread if split else 0
    last_slot = buffers.panels.shape[0] - 1
    panels, width = buffers.panels, buffers.width
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    theta, v, s = panels[0, owner], panels[min(1, last_slot), owner], panels[last_slot, owner]
    state1, gradient1 = (theta, v, s), buffers.panel_gradients[owner]
    later = (buffers.later[0], buffers.later[min(1, last_slot)], buffers.later[last_slot])
    own = o1 - o0
    W1, b1 = block(matrix(theta, 0, n0, width), 0, n0, 0, own), span(later[0], o0, own)
    offset_sums = span(buffers.sums[thread, 0], 0, own)
    delta_sums = matrix(buffers.sums[thread, 1], 0, 1, own)
    used = used_examples(data.X, data.order)
    phase = 1
    for step in range(-(-used // batch)):
        first, last = step * batch, min(step * batch + batch, used)
        scale = one / cast(last - first, one)
        c = data.coefficients[step]
        shrink = shrinkage(rule, c)
        total = 0.0
        if rule.penalized:
            squares = sum_of_squares(span(theta, f0 * width, (f1 - f0) * width))
            squares += later_squares(team, network, later[0])
            buffers.penalties[step, thread] = 0.5 * c[c.size - 1] * squares
        for start in range(first, last, buffers.chunk):
            B = min(buffers.chunk, last - start)
            begins, ends = start == first, start + B == last
            r0, r1 = range_of(B, thread, threads)
            # 1. Examples
            gather(inputs, data.X, data.order, start, r0, r1)
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 2. The first layer
            x = dense_rows(inputs, data.X, data.order, start, B)
            z0, z1 = (0, B) if split else (r0, r1)
            if own > 0 and z1 > z0:
                Z = block(rows_of(network, buffers.A, 1, 0, B), 0, B, o0, own)
                forward(team.gemm, inputs, x, W1, Z, z0, z1)
                bias = b1
                if inputs.shifted:
                    offset_outputs(inputs, W1, offset_sums)
                    if L > 1:
                        add(offset_sums, one, b1)
                        bias = offset_sums
                for r in range(z0, z1):
                    if L > 1:
                        activate(network.activations[1], Z[r], bias)
                    elif inputs.shifted:  # the output adds b[1]
                        add(Z[r], one, offset_sums)
            keep, factor = product(rule, c, shrink, buffers.in_place, begins)
            if inputs.sparse and split:
                g0, g1 = range_of(n0, thread, threads)
                build_csc(inputs, B, g0, g1, factor)
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 3. The other layers
            if begins:
                fill(buffers.bias_sums[thread], one - one)
            if r1 > r0:
                total += later_layers(team, network, data, buffers, start, (r0, r1), scale)
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            # 4. Updates
            if inputs.sparse and not split:
                build_csc(inputs, B, f0, f1, factor)
            if ends:
                add_partial_sums(buffers.bias_sums, o0, delta_sums[0])
            if own > 0 and f1 > f0:
                out = target(rule, buffers.in_place, state1, gradient1)
                panel = block(matrix(out, 0, n0, width), 0, n0, 0, own)
                delta = block(rows_of(network, buffers.D, 1, 0, B), 0, B, o0, own)
                offset_rows = block(delta_sums, 0, 1 if ends and inputs.shifted else 0, 0, own)
                gradient(team.gemm, inputs, x, (f0, f1), panel, (keep, factor), delta, offset_rows)
                if ends:
                    finish(
                        rule, c, shrink, buffers.in_place, state1, gradient1, (f0 * width, (f1 - f0) * width)
                    )
            update_later_weights(team, network, rule, c, buffers, B, (begins, ends), later)
            if ends:
                update_biases(team, network, rule, c, buffers, (o0, own), later)
            # The next batch takes the place of this one, or its W is not all there
            if not (inputs.sparse and split):
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
        buffers.losses[step, thread] = total


@inner
def product(rule: Any, c: Any, shrink: Any, in_place: Any, begins: Any) -> Any:
    """``(keep, factor)`` of ``out ← keep · out + factor · δ Aᵀ``, a batch's product or one chunk of it.

    In place it is a :class:`LinearStep`; else `out` is a gradient, which the first chunk begins.
    """
    one = cast(1, c)
    if in_place:
        step = linear_step(rule, c, shrink)
        return step.keep, step.factor
    return one - one if begins else one, one


@inlined
def target(rule: Any, in_place: Any, state: Any, gradient: Any) -> Any:
    """The array that this product is added to: θ, its momentum, or the gradient."""
    if not in_place:
        return gradient
    return state[0] if rule.code == PLAIN else state[1]


@inner
def finish(rule: Any, c: Any, shrink: Any, in_place: Any, state: Any, gradient: Any, stretch: Any) -> None:
    """What is left to do for a stretch ``(first, count)`` of the parameters when their products are complete."""
    noinline()
    first, count = stretch
    theta, v = span(state[0], first, count), span(state[1], first, count)
    factor = penalty_factor(rule, c, in_place)
    if factor != 0:
        add(v if in_place else span(gradient, first, count), factor, theta)
    if not in_place:
        update(rule, c, shrink, theta, v, span(state[2], first, count), span(gradient, first, count))
    elif rule.code == MOMENTUM:
        follow(linear_step(rule, c, shrink), theta, v)


@inner
def sum_of_squares(theta: Any) -> Any:
    """``Σ θ²``."""
    total = cast(0, theta)
    for i in range(theta.size):
        total += theta[i] * theta[i]
    return total


@inner
def later_squares(team: Any, network: Any, theta: Any) -> Any:
    """``Σ W²`` of a thread's rows of ``W[2]`` … ``W[L]``."""
    total = cast(0, theta)
    for l in range(2, network.L + 1):
        k = network.sizes[l - 1]
        q0, q1 = range_of(network.sizes[l], team.thread, team.threads)
        total += sum_of_squares(span(theta, network.at_W[l] + q0 * k, (q1 - q0) * k))
    return total


@inner
def update_later_weights(
    team: Any, network: Any, rule: Any, c: Any, buffers: Any, B: Any, chunk: Any, later: Any
) -> None:
    """Products, and after the last chunk updates, of a thread's rows of ``W[2]`` … ``W[L]``."""
    noinline()
    begins, ends = chunk
    in_place, shrink = buffers.in_place, shrinkage(rule, c)
    keep, factor = product(rule, c, shrink, in_place, begins)
    out = target(rule, in_place, later, buffers.later_gradient)
    for l in range(2, network.L + 1):
        n, k = network.sizes[l], network.sizes[l - 1]
        q0, q1 = range_of(n, team.thread, team.threads)
        if q1 > q0:
            delta = block(rows_of(network, buffers.D, l, 0, B), 0, B, q0, q1 - q0)
            some = block(weights_of(network, out, l), q0, q1 - q0, 0, k)
            gemm(team.gemm, factor, delta, 1, rows_of(network, buffers.A, l - 1, 0, B), 0, keep, some)
            if ends:
                stretch = (network.at_W[l] + q0 * k, (q1 - q0) * k)
                finish(rule, c, shrink, in_place, later, buffers.later_gradient, stretch)


@inner
def update_biases(team: Any, network: Any, rule: Any, c: Any, buffers: Any, owned: Any, later: Any) -> None:
    """Update a thread's biases: of its own neurons of the first layer or a range of them, and a range of all others."""
    noinline()
    one, thread, threads = cast(1, c), team.thread, team.threads
    theta, v, s = later
    before = 0
    for l in range(1, network.L + 1):
        q0, q1 = range_of(network.sizes[l], thread, threads)
        if l == 1 and buffers.panels.shape[1] == threads:
            q0, q1 = owned[0], owned[0] + owned[1]
        db = span(buffers.sums[thread, 2], 0, q1 - q0)
        add_partial_sums(buffers.bias_sums, before + q0, db)
        at, n = network.at_b[l] + q0, q1 - q0
        update(rule, c, one, span(theta, at, n), span(v, at, n), span(s, at, n), db)
        before += network.sizes[l]


@inner
def add_partial_sums(bias_sums: Any, first: Any, out: Any) -> None:
    """All threads' partial sums of some biases' gradients, summed in the order of threads."""
    copy(out, span(bias_sums[0], first, out.size))
    for t in range(1, bias_sums.shape[0]):
        add(out, cast(1, out), span(bias_sums[t], first, out.size))


@inner
def later_layers(team: Any, network: Any, data: Any, buffers: Any, start: Any, rows: Any, scale: Any) -> Any:
    """A range of a chunk's rows from ``A[1]`` to the output and back to ``δ[1]``; the sum of w(i) L(i)."""
    noinline()
    r0, r1 = rows
    L, theta, A, D = network.L, buffers.later[0], buffers.A, buffers.D
    bias_sums = buffers.bias_sums[team.thread]
    total = 0.0
    for l in range(1, L + 1):
        Z, b = rows_of(network, A, l, r0, r1), biases_of(network, theta, l)
        if l > 1:
            gemm(team.gemm, 1, rows_of(network, A, l - 1, r0, r1), 0, weights_of(network, theta, l), 1, 0, Z)
        if l == L:
            delta = rows_of(network, D, l, r0, r1)
            for r in range(r1 - r0):
                example = example_at(start + r0 + r, data.order)
                total += weighted_error(network, data, example, scale, Z[r], b, delta[r])
        elif l > 1:
            for r in range(r1 - r0):
                activate(network.activations[l], Z[r], b)
    before = bias_sums.size
    for l in range(L, 0, -1):
        delta, here = rows_of(network, D, l, r0, r1), rows_of(network, A, l, r0, r1)
        before -= network.sizes[l]
        db = span(bias_sums, before, network.sizes[l])
        for r in range(r1 - r0):
            if l < L:
                multiply_slope(network.activations[l], delta[r], here[r])
            add(db, cast(1, db), delta[r])
        if l > 1:
            below = rows_of(network, D, l - 1, r0, r1)
            gemm(team.gemm, 1, delta, 0, weights_of(network, theta, l), 0, 0, below)
    return total
