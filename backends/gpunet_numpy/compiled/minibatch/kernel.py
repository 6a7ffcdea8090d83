"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it supports, on all threads.

The threads share a batch out in one of three ways. The first two go through it in stages, with a barrier between them.

*Neurons*, where a batch has few examples:

1. each gathers its range of the examples (:mod:`gpunet_numpy.compiled.sparse`);
2. each computes its own neurons of the first layer, for all examples;
3. each takes its range of the examples through the other layers, forward and backward, with elementwise work done
   while the numbers are in its cache;
4. each updates its own neurons of the first layer and its tile of every other ``W``:
   ``W ← (1 − αλ) W − α δ Aᵀ``, where plain descent and momentum accumulate inside the product and need no array of
   gradients.

*Examples*, where there are more of these than neurons: each takes its range of them through all layers, and updates its
tile of every ``W``, for all examples.

*Examples, to the end*, where a batch is large: each takes its range of them through all layers and sums their
gradients, and nobody waits. Then each adds up all threads' sums, in the order of threads, for its tile of every ``W``,
and updates it.

More examples than `chunk` are summed chunk by chunk (C8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpunet_numpy.compiled.first_layer import forward, gradient, offset_outputs, owned_neurons
from gpunet_numpy.compiled.gemv import add, add_rows, copy, fill
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
from gpunet_numpy.compiled.layers import (
    SHORT,
    activate_rows,
    biases_of,
    rows_of,
    stretch_of,
    weighted_errors,
    weights_of,
)
from gpunet_numpy.compiled.math import activate, multiply_slope
from gpunet_numpy.compiled.sparse import (
    Inputs,
    build_csc,
    dense_rows,
    gather,
    prefetch_targets,
    used_examples,
)
from gpunet_numpy.compiled.threads import STOPPED, barrier, range_of, stopped
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

    apart: int  # whether each thread takes its examples to the end
    in_place: int  # whether products accumulate in W or its momentum: there are no arrays of gradients then
    chunk: int  # examples that are worked on at a time: of the batch, or of a thread where they work apart
    width: int  # of a panel's rows
    across: Any  # int64, for each layer: into how many tiles side by side its W is divided
    panels: Any  # (1 + slots, owners, n[0] · width): W[1]; owners are all threads, or one that stands for all
    later: Any  # (1 + slots, numbers): b[1], W[2], b[2], …
    panel_gradients: Any  # (owners, or threads that work apart, n[0] · width); or empty rows
    later_gradients: Any  # (1, or threads that work apart, numbers); or empty rows
    A: Any  # (1, or threads that work apart, numbers): A[1] … A[L] of a chunk, see Network.at_A
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
    n0, n1, item = sizes[0], sizes[1], itemsize(rule.decay)
    thread, threads, apart = team.thread, team.threads, buffers.apart
    split = buffers.panels.shape[1] == threads and not apart
    o0, o1 = owned_neurons(n1, thread, threads, item) if split else (0, n1)
    own = o1 - o0
    owner, group = thread if split else 0, thread if apart else 0
    last_slot = buffers.panels.shape[0] - 1
    panels, width = buffers.panels, buffers.width
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    state1 = (panels[0, owner], panels[min(1, last_slot), owner], panels[last_slot, owner])
    later = (buffers.later[0], buffers.later[min(1, last_slot)], buffers.later[last_slot])
    gradient1 = buffers.panel_gradients[thread if apart else owner]
    later_gradient = buffers.later_gradients[group]
    mine, A, D = of_group(inputs, group), buffers.A[group], buffers.D[group]
    # Of W[1], in the columns of the panel: what the thread updates, and whose gradient it computes
    updated = (0, n0, 0, own) if split else tile_of(n0, n1, buffers.across[1], (thread, threads), item)
    f0, f1, c0, c1 = (0, n0, 0, n1) if apart else updated
    place1, products = (0, width, own), (0, 1) if apart else (thread, threads)
    W1, b1 = block(matrix(state1[0], 0, n0, width), 0, n0, 0, own), span(later[0], o0, own)
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
            squares = tile_squares(state1[0], place1, updated)
            squares += later_squares(team, network, buffers.across, later[0])
            buffers.penalties[step, thread] = 0.5 * c[c.size - 1] * squares
        if apart:
            r0, r1 = range_of(last - first, thread, threads)
            first, last = first + r0, first + r1
            if r0 == r1:
                fill(gradient1, one - one)
                fill(later_gradient, one - one)
                fill(buffers.bias_sums[thread], one - one)
        for start in range(first, last, buffers.chunk):
            B = min(buffers.chunk, last - start)
            begins, ends = start == first, start + B == last
            r0, r1 = (0, B) if apart else range_of(B, thread, threads)
            # 1. Examples
            prefetch_targets(data.Y, data.order, start, r0, r1)
            gather(mine, data.X, data.order, start, r0, r1)
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 2. The first layer
            x = dense_rows(mine, data.X, data.order, start, B)
            z0, z1 = (0, B) if split else (r0, r1)
            if own > 0 and z1 > z0:
                Z = block(rows_of(network, A, 1, 0, B), 0, B, o0, own)
                forward(team.gemm, mine, x, W1, Z, z0, z1)
                bias = b1
                if inputs.shifted:
                    offset_outputs(mine, W1, offset_sums)
                    if L > 1:
                        add(offset_sums, one, b1)
                        bias = offset_sums
                if L > 1 and own == n1:
                    activate_rows(1, network, A, bias, z0, z1)
                elif L > 1:
                    for r in range(z0, z1):
                        activate(network.activations[1], Z[r], bias)
                elif inputs.shifted:  # the output adds b[1]
                    for r in range(z0, z1):
                        add(Z[r], one, offset_sums)
            keep, factor = product(rule, c, shrink, buffers.in_place, begins)
            if inputs.sparse and split:
                g0, g1 = range_of(n0, thread, threads)
                build_csc(mine, B, g0, g1, factor)
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 3. The other layers
            bias_sums = buffers.bias_sums[thread]
            if begins:
                fill(bias_sums, one - one)
            if r1 > r0:
                total += later_layers(
                    team, network, data, (later[0], A, D, bias_sums), start, (r0, r1), scale
                )
            if not apart:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            elif stopped(team):
                return
            # 4. Gradients, or with products in place updates
            if inputs.sparse and not split:
                build_csc(mine, B, f0, f1, factor)
            if ends and apart:
                copy(delta_sums[0], span(bias_sums, 0, own))
            elif ends:
                add_partial_sums(buffers.bias_sums, o0, delta_sums[0])
            if c1 > c0 and f1 > f0:
                out = target(rule, buffers.in_place, state1, gradient1)
                panel = block(matrix(out, 0, n0, width), 0, n0, c0, c1 - c0)
                delta = block(rows_of(network, D, 1, 0, B), 0, B, o0 + c0, c1 - c0)
                offset_rows = block(delta_sums, 0, 1 if ends and inputs.shifted else 0, c0, c1 - c0)
                gradient(team.gemm, mine, x, (f0, f1), panel, (keep, factor), delta, offset_rows)
            out = target(rule, buffers.in_place, later, later_gradient)
            later_products(team, network, buffers.across, products, (A, D, B), (keep, factor), out)
            if ends and not apart:
                finish(rule, c, buffers.in_place, state1, gradient1, place1, updated)
                finish_later(team, network, rule, c, buffers, later, later_gradient, (o0, own))
            # The next batch takes the place of this one, or its W is not all there
            if not apart and not (inputs.sparse and split):
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
        if apart:
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            add_parts(buffers.panel_gradients, place1, updated)
            for l in range(2, L + 1):
                tile = later_tile(network, buffers.across, l, (thread, threads), item)
                add_parts(buffers.later_gradients, (network.at_W[l], sizes[l - 1], sizes[l - 1]), tile)
            finish(rule, c, 0, state1, buffers.panel_gradients[0], place1, updated)
            finish_later(team, network, rule, c, buffers, later, buffers.later_gradients[0], (o0, own))
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
        buffers.losses[step, thread] = total


@inlined
def of_group(inputs: Any, group: Any) -> Any:
    """The inputs' buffers of all threads, or of one that works apart."""
    return Inputs(
        inputs.sparse,
        inputs.shifted,
        inputs.offsets,
        inputs.scaled_offsets[group],
        inputs.range,
        inputs.rows[group],
        inputs.csr_indices[group],
        inputs.csr_values[group],
        inputs.csr_counts[group],
        inputs.csc_indices[group],
        inputs.csc_values[group],
        inputs.csc_counts[group],
    )


# A tile of a matrix is ``(first row, end, first column, end)``. The *place* of a matrix in a vector: where it begins,
# the distance from row to row, and how many columns it has.


@inner
def tile_of(rows: Any, columns: Any, across: Any, worker: Any, item: Any) -> Any:
    """The tile of a matrix that a worker, ``(thread, threads)``, takes; columns in whole cache lines."""
    noinline()
    thread, threads = worker
    across = min(across, threads)
    c0, c1 = owned_neurons(columns, thread % across, across, item)
    r0, r1 = range_of(rows, thread // across, threads // across)
    return r0, r1, c0, c1


@inner
def later_tile(network: Any, across: Any, l: Any, worker: Any, item: Any) -> Any:
    """The same for ``W[l]`` from the second on."""
    return tile_of(network.sizes[l], network.sizes[l - 1], across[l], worker, item)


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
def finish(rule: Any, c: Any, in_place: Any, state: Any, gradient: Any, place: Any, tile: Any) -> None:
    """What is left to do for a tile of weights when their products are complete."""
    noinline()
    shrink, factor = shrinkage(rule, c), penalty_factor(rule, c, in_place)
    if in_place and factor == 0 and rule.code != MOMENTUM:
        return
    begin, stride, columns = place
    r0, r1, c0, c1 = tile
    rows, count = r1 - r0, c1 - c0
    if count == columns:  # whole rows, which follow each other
        rows, count = 1, rows * stride
    for r in range(rows):
        at = begin + (r0 + r) * stride + c0
        finish_stretch(rule, c, (shrink, factor), in_place, state, gradient, (at, count))


@inner
def finish_stretch(
    rule: Any, c: Any, factors: Any, in_place: Any, state: Any, gradient: Any, stretch: Any
) -> None:
    """The same for weights ``(first, count)`` that follow each other."""
    noinline()
    shrink, factor = factors
    at, count = stretch
    theta, v = span(state[0], at, count), span(state[1], at, count)
    if factor != 0:
        add(v if in_place else span(gradient, at, count), factor, theta)
    if not in_place:
        update(rule, c, shrink, theta, v, span(state[2], at, count), span(gradient, at, count))
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
def tile_squares(theta: Any, place: Any, tile: Any) -> Any:
    """``Σ θ²`` of a tile."""
    noinline()
    begin, stride, _ = place
    r0, r1, c0, c1 = tile
    total = cast(0, theta)
    for r in range(r0, r1):
        total += sum_of_squares(span(theta, begin + r * stride + c0, c1 - c0))
    return total


@inner
def later_squares(team: Any, network: Any, across: Any, theta: Any) -> Any:
    """``Σ W²`` of a thread's tiles of ``W[2]`` … ``W[L]``."""
    noinline()
    total, worker = cast(0, theta), (team.thread, team.threads)
    for l in range(2, network.L + 1):
        k = network.sizes[l - 1]
        tile = later_tile(network, across, l, worker, itemsize(total))
        total += tile_squares(theta, (network.at_W[l], k, k), tile)
    return total


@inner
def add_parts(parts: Any, place: Any, tile: Any) -> None:
    """Add up all threads' partial gradients of a tile, in the order of threads, in the first one's."""
    noinline()
    begin, stride, _ = place
    r0, r1, c0, c1 = tile
    for r in range(r0, r1):
        at = begin + r * stride + c0
        add_partial_sums(parts, at, span(parts[0], at, c1 - c0))


@inner
def later_products(
    team: Any, network: Any, across: Any, worker: Any, chunk: Any, accumulation: Any, out: Any
) -> None:
    """``out ← keep · out + factor · δ[l] A[l−1]ᵀ`` for a worker's tiles of all layers from the second on."""
    noinline()
    A, D, B = chunk
    keep, factor = accumulation
    for l in range(2, network.L + 1):
        r0, r1, c0, c1 = later_tile(network, across, l, worker, itemsize(keep))
        if r1 > r0 and c1 > c0:
            delta = block(rows_of(network, D, l, 0, B), 0, B, r0, r1 - r0)
            below = block(rows_of(network, A, l - 1, 0, B), 0, B, c0, c1 - c0)
            some = block(weights_of(network, out, l), r0, r1 - r0, c0, c1 - c0)
            gemm(team.gemm, factor, delta, 1, below, 0, keep, some)


@inner
def finish_later(
    team: Any, network: Any, rule: Any, c: Any, buffers: Any, later: Any, gradient: Any, owned: Any
) -> None:
    """The same for all parameters but the first layer's weights."""
    noinline()
    for l in range(2, network.L + 1):
        k = network.sizes[l - 1]
        tile = later_tile(network, buffers.across, l, (team.thread, team.threads), itemsize(rule.decay))
        finish(rule, c, buffers.in_place, later, gradient, (network.at_W[l], k, k), tile)
    update_biases(team, network, rule, c, buffers, owned, later)


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
def add_partial_sums(sums: Any, first: Any, out: Any) -> None:
    """All threads' partial sums of some numbers from `first` on, added up in the order of threads."""
    noinline()
    copy(out, span(sums[0], first, out.size))
    for t in range(1, sums.shape[0]):
        add(out, cast(1, out), span(sums[t], first, out.size))


@inner
def later_layers(team: Any, network: Any, data: Any, arrays: Any, start: Any, rows: Any, scale: Any) -> Any:
    """A range of a chunk's rows from ``A[1]`` to the output and back to ``δ[1]``; the sum of w(i) L(i).

    `arrays` are all parameters but W[1], A, δ, and the thread's partial sums of the biases' gradients.
    """
    noinline()
    r0, r1 = rows
    theta, A, D, bias_sums = arrays
    L = network.L
    total = 0.0
    for l in range(1, L + 1):
        Z, b = rows_of(network, A, l, r0, r1), biases_of(network, theta, l)
        if l > 1:
            gemm(team.gemm, 1, rows_of(network, A, l - 1, r0, r1), 0, weights_of(network, theta, l), 1, 0, Z)
        if l == L:
            total = weighted_errors(network, data, start, scale, (A, D), b, r0, r1)
        elif l > 1:
            activate_rows(l, network, A, b, r0, r1)
    before = bias_sums.size
    for l in range(L, 0, -1):
        delta, here = rows_of(network, D, l, r0, r1), rows_of(network, A, l, r0, r1)
        before -= network.sizes[l]
        db = span(bias_sums, before, network.sizes[l])
        short = network.sizes[l] <= SHORT
        if l < L and short:
            multiply_slope(
                network.activations[l], stretch_of(network, D, l, r0, r1), stretch_of(network, A, l, r0, r1)
            )
        if short:
            add_rows(db, delta)
        else:
            for r in range(r1 - r0):
                if l < L:
                    multiply_slope(network.activations[l], delta[r], here[r])
                add(db, cast(1, db), delta[r])
        if l > 1:
            below = rows_of(network, D, l - 1, r0, r1)
            gemm(team.gemm, 1, delta, 0, weights_of(network, theta, l), 0, 0, below)
    return total
