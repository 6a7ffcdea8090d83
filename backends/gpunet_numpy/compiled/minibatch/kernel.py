"""Mini-batch and full-batch descent as one kernel: an epoch of any plan that it supports, on all threads.

The threads share a batch out in one of three ways. The first two go through it in stages, with a barrier between them.

*Neurons*, where a batch has few examples:

1. each gathers its range of the examples (:mod:`gpunet_numpy.compiled.sparse`);
2. each computes its own neurons of the first layer, for all examples;
3. each takes its range of the examples through the other layers, forward and backward, with elementwise work done
   while the numbers are in its cache;
4. each updates its own neurons of the first layer and its tile of every other ``W``:
   ``W ← (1 − αλ) W − α δ Aᵀ``, where plain descent and momentum accumulate inside the product and need no array of
   gradients. Other rules have one for some features of the first layer, which they update then and there.

*Examples*, where there are more of these than neurons: each takes its range of them through all layers, and updates its
tile of every ``W``, for all examples.

*Examples, to the end*, where a batch is large: each takes its range of them through all layers and sums their
gradients, and nobody waits. Then each adds up all threads' sums, in the order of threads, for its tile of every ``W``,
and updates it.

More examples than `chunk` are summed chunk by chunk (C8).
"""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.barriers import STOPPED, barrier, range_of, stopped
from gpunet_numpy.compiled.clipping import clipping_factor, gradient_squares
from gpunet_numpy.compiled.dropout import drop
from gpunet_numpy.compiled.first_layer import (
    begin_rows,
    forward,
    gradient,
    gradient_by_rows,
    lay_out,
    offset_outputs,
    owned_neurons,
    take_apart,
)
from gpunet_numpy.compiled.gemv import add, copy, fill
from gpunet_numpy.compiled.inputs import Inputs
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    flush_subnormals,
    inlined,
    inner,
    itemsize,
    kernel,
    matrix,
    noinline,
    restore_subnormals,
    span,
)
from gpunet_numpy.compiled.layers import activate_row, activate_rows, later_layers, rows_of
from gpunet_numpy.compiled.sparse import (
    build_csc,
    dense_rows,
    example_at,
    gather,
    prefetch_part,
    prefetch_targets,
)
from gpunet_numpy.compiled.tiles import (
    add_partial_sums,
    add_parts,
    finish,
    finish_later,
    later_products,
    later_squares,
    later_tile,
    product,
    scale_tile,
    target,
    tile_of,
    tile_squares,
)
from gpunet_numpy.compiled.updates import shrinkage

TOGETHER = 8  # examples: between so many, some of the other threads' examples are asked for


@kernel
def run_epoch(team: Any, network: Any, rule: Any, inputs: Any, data: Any, buffers: Any, masks: Any) -> None:
    """One epoch, or several; see the module's docstring."""
    before = flush_subnormals()
    L, sizes, one = network.L, network.sizes, cast(1, rule.decay)
    n0, n1, item = sizes[0], sizes[1], itemsize(rule.decay)
    thread, threads, apart = team.thread, team.threads, buffers.apart
    split = buffers.panels.shape[1] == threads and not apart
    clips = rule.clip_norm > 0
    o0, o1 = owned_neurons(n1, thread, threads, item) if split else (0, n1)
    own = o1 - o0
    owner, group = thread if split else 0, thread if apart else 0
    last_slot = buffers.panels.shape[0] - 1
    panels, width = buffers.panels, buffers.width
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    state1 = (panels[0, owner], panels[min(1, last_slot), owner], panels[last_slot, owner])
    later = (buffers.later[0], buffers.later[min(1, last_slot)], buffers.later[last_slot])
    gradient1 = buffers.panel_gradients[thread if apart or buffers.by_tiles else owner]
    later_gradient = buffers.later_gradients[group]
    mine, A, D = of_group(inputs, group), buffers.A[group], buffers.D[group]
    slopes = buffers.slopes[group] if buffers.slopes.size > 0 else A
    # Of W[1], in the columns of the panel: what the thread updates, and whose gradient it computes
    updated = (0, n0, 0, own) if split else tile_of(n0, n1, buffers.across[1], (thread, threads), item)
    if inputs.sparse and not split and not apart:
        updated = inputs.edges[thread], inputs.edges[thread + 1], 0, n1
    f0, f1, c0, c1 = (0, n0, 0, n1) if apart else updated
    whole1 = buffers.panel_gradients[0] if apart else gradient1  # all threads' gradients together
    whole_later = buffers.later_gradients[0]
    place1, products = (0, width, own), (0, 1) if apart else (thread, threads)
    W1, b1 = block(matrix(state1[0], 0, n0, width), 0, n0, 0, own), span(later[0], o0, own)
    offset_sums = span(buffers.sums[thread, 0], 0, own)
    delta_sums = matrix(buffers.sums[thread, 1], 0, 1, own)
    # Each lays its part of W[1] out, and in the end takes it apart.
    lay_out(state1[0], buffers.given[0], n0, width, updated, o0)
    if last_slot > 0:
        lay_out(state1[1], buffers.given[1], n0, width, updated, o0)
    if last_slot > 1:
        lay_out(state1[2], buffers.given[2], n0, width, updated, o0)
    phase = barrier(team, 1)
    if phase == STOPPED:
        return
    for step in range(data.bounds.shape[0]):
        first, last = data.bounds[step, 0], data.bounds[step, 1]
        begin, size, keys = first, last - first, masks.keys[step]
        scale = one / cast(size, one)
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
            gather(mine, data.X, data.order, start, r0, r1, thread)
            if masks.thresholds[0] > 0:
                for r in range(r0, r1):
                    place = (size, start - begin + r, keys[0])
                    drop(mine.rows[r], place, masks.thresholds[0], masks.kept[0])
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 2. The first layer
            x = dense_rows(mine, data.X, data.order, start, B)
            z0, z1 = (0, B) if split else (r0, r1)
            if own > 0 and z1 > z0:
                Z = block(rows_of(network, A, 1, 0, B), 0, B, o0, own)
                if split or apart or not inputs.sparse:
                    forward(team, mine, x, W1, Z, z0, z1)
                else:
                    for z in range(z0, z1, TOGETHER):
                        end = min(z + TOGETHER, z1)
                        prefetch_parts(mine, data.order, (start, B), (z - z0, end - z0), thread, threads)
                        forward(team, mine, x, W1, Z, z, end)
                bias = b1
                if inputs.shifted:
                    offset_outputs(mine, W1, offset_sums)
                    if L > 1:
                        add(offset_sums, one, b1)
                        bias = offset_sums
                if L > 1 and own == n1:
                    activate_rows(1, network, A, slopes, bias, z0, z1)
                elif L > 1:
                    gated = block(rows_of(network, slopes, 1, 0, B), 0, B, o0, own)
                    for r in range(z0, z1):
                        activate_row(network.activations[1], Z[r], bias, gated[r])
                elif inputs.shifted:  # the output adds b[1]
                    for r in range(z0, z1):
                        add(Z[r], one, offset_sums)
            keep, factor = product(rule, c, shrink, buffers.in_place, begins)
            if inputs.sparse and split and not buffers.by_rows:
                build_csc(mine, B, thread, factor, thread)
            if split:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            # 3. The other layers
            bias_sums = buffers.bias_sums[thread]
            if begins:
                fill(bias_sums, one - one)
            if r1 > r0:
                dropout = masks.thresholds, masks.kept, keys, size, start - begin, buffers.sums[thread, 2]
                arrays = later[0], A, slopes, D, bias_sums
                total += later_layers(team, network, data, arrays, start, (r0, r1), scale, dropout)
            if not apart:
                phase = barrier(team, phase)
                if phase == STOPPED:
                    return
            elif stopped(team):
                return
            # 4. Gradients, or with products in place updates
            if buffers.by_rows:
                begin_rows(mine, B, -1 if split else thread, thread)
            elif inputs.sparse and not split:
                build_csc(mine, B, 0 if apart else thread, factor, thread)
            if ends and apart:
                copy(delta_sums[0], span(bias_sums, 0, own))
            elif ends:
                add_partial_sums(buffers.bias_sums, o0, delta_sums[0])
            if c1 > c0 and f1 > f0:
                out = target(rule, buffers.in_place, state1, gradient1)
                delta = block(rows_of(network, D, 1, 0, B), 0, B, o0 + c0, c1 - c0)
                offset_rows = block(delta_sums, 0, 1 if ends and inputs.shifted else 0, c0, c1 - c0)
                g1 = f0
                while g1 < f1:
                    g0, g1 = g1, min(g1 + buffers.features, f1)
                    row = 0 if buffers.by_tiles else g0
                    some = block(matrix(out, row * width, g1 - g0, width), 0, g1 - g0, c0, c1 - c0)
                    if buffers.by_rows:
                        gradient_by_rows(mine, (g0, g1), some, delta, thread, offset_rows)
                    else:
                        gradient(team, mine, x, (g0, g1), some, (keep, factor), delta, offset_rows)
                    if ends and not (apart or clips):
                        tile = (g0, g1, c0, c1)
                        finish(rule, c, buffers.in_place, state1, gradient1, place1, tile, row)
            out = target(rule, buffers.in_place, later, later_gradient)
            later_products(team, network, buffers.across, products, (A, D, B), (keep, factor), out)
            if ends and not (apart or clips):
                finish_later(team, network, rule, c, buffers, later, later_gradient, (o0, own), one)
            # The next batch takes the place of this one, or its W is not all there
            if not apart and (buffers.by_rows or not (inputs.sparse and split)):
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
        clipping = one
        if clips:
            first_layer, others = (state1[0], whole1, place1, updated), (later[0], whole_later)
            buffers.squares[thread] = gradient_squares(
                team, network, rule, c, buffers, first_layer, others, (o0, own)
            )
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            clipping = clipping_factor(rule, buffers.squares)
            if clipping != 1:
                scale_tile(whole1, place1, updated, clipping)
        if apart or clips:
            finish(rule, c, 0, state1, whole1, place1, updated, updated[0])
            finish_later(team, network, rule, c, buffers, later, whole_later, (o0, own), clipping)
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
        buffers.losses[step, thread] = total
    take_apart(buffers.made[0], state1[0], n0, width, updated, o0)
    if last_slot > 0:
        take_apart(buffers.made[1], state1[1], n0, width, updated, o0)
    if last_slot > 1:
        take_apart(buffers.made[2], state1[2], n0, width, updated, o0)
    restore_subnormals(before)


@inner
def prefetch_parts(inputs: Any, order: Any, examples: Any, rows: Any, thread: Any, threads: Any) -> None:
    """Ask for what a thread needs of some of each other thread's rows, for the gradients of its own features."""
    noinline()
    start, B = examples
    for other in range(threads):
        o0, o1 = range_of(B, other, threads)
        for r in range(o0 + rows[0], min(o0 + rows[1], o1)):
            if other != thread:
                prefetch_part(inputs, example_at(start + r, order), thread)


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
        inputs.csr_indices,
        inputs.csr_values,
        inputs.csr_places[group],
        inputs.csr_starts[group],
        inputs.csr_counts[group],
        inputs.csr_parts[group],
        inputs.kept_starts,
        inputs.kept_counts,
        inputs.kept_parts,
        inputs.kept_ends,
        inputs.csc_indices[group],
        inputs.csc_values[group],
        inputs.csc_counts[group],
        inputs.cursors,
        inputs.edges,
        inputs.kind,
        inputs.integers,
        inputs.mean,
        inputs.deviation,
        inputs.numbers,
    )
