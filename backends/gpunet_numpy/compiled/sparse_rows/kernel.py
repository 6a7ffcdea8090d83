"""Descent on sparse rows as one kernel: an epoch of any plan that it supports, on all threads.

A batch reads and changes only the weights of the features that its examples have, few of many. What the other weights
have missed is made up for when an example needs them, and at the end: weight decay, and what momentum and Adam's
moments go on doing where the gradient is 0. These are the same updates in the same order, one feature at a time
instead of one step at a time. So a step costs no pass over all of ``W[1]`` and its slots in memory; those of a batch's
features are prefetched.

A chunk of a batch has three stages, with a barrier between them:

1. each thread lists its own features of the examples, with the examples that have them (CSC), and brings their weights
   up to date;
2. each takes its range of the examples through all layers, forward and backward;
3. each updates its own features of the first layer, and its tile of every other ``W``.

``W[1]`` is stored feature by feature in one panel, ``(n[0], width)``. A batch larger than `chunk` is summed chunk by
chunk (C8).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet_numpy.compiled.gemv import add, fill
from gpunet_numpy.compiled.intrinsics import (
    CACHE_LINE,
    block,
    cast,
    inner,
    kernel,
    matrix,
    noinline,
    prefetch,
    span,
)
from gpunet_numpy.compiled.layers import rows_of
from gpunet_numpy.compiled.math import activate
from gpunet_numpy.compiled.minibatch.kernel import (
    finish_later,
    later_layers,
    later_products,
    later_squares,
    product,
    sum_of_squares,
    target,
)
from gpunet_numpy.compiled.simd import weighted_row_sum
from gpunet_numpy.compiled.sparse import example_at
from gpunet_numpy.compiled.threads import STOPPED, barrier, range_of
from gpunet_numpy.compiled.updates import PLAIN, penalty_factor, shrinkage, update
from gpunet_numpy.compiled.views import unowned

# Features that follow each other belong to one thread, so that no two threads write to one cache line of int32.
AHEAD = 2  # features: so much sooner theirs are prefetched
TOGETHER = 4  # 2⁴ of them
MIX = 2654435761  # 2³² divided by the golden ratio: spreads frequent features over the threads


class SparseData(NamedTuple):
    """What an epoch reads: see :class:`gpunet_numpy.compiled.data.Data`; X as CSR."""

    starts: Any  # int64 (m + 1,): where each example's entries begin
    features: Any  # int32 (entries,)
    values: Any  # (entries,)
    Y: Any
    weights: Any
    order: Any
    coefficients: Any


class Buffers(NamedTuple):
    """Arrays that the kernel writes to, and its settings. Those of the same name are those of the mini-batch kernel."""

    in_place: int
    chunk: int
    width: int
    across: Any
    panels: Any  # (1 + slots, 1, n[0] · width)
    later: Any
    later_gradient: Any  # (numbers,), or empty
    A: Any
    D: Any
    bias_sums: Any
    sums: Any
    losses: Any
    gradients: (
        Any  # (threads, width): of one feature; of all, (n[0], width), where batches have several chunks
    )
    summed: Any  # int32 (n[0],): then the step, from 1, whose gradient the feature's row holds
    current: Any  # int32 (n[0],): how many updates the feature's weights have had
    seen: Any  # int32 (n[0],): the chunk, from 1, in which the feature was listed last
    place: Any  # int32 (n[0],): where in the list
    listed: Any  # int32 (threads, room): the features of a chunk
    begins: Any  # int32 (threads, room): where the examples that have them begin
    counts: Any  # int32 (threads, room)
    examples: Any  # int32 (threads, entries): counted from the chunk's first
    values: Any  # (threads, entries)
    zeros: Any  # (threads, width): a gradient of 0
    penalties: Any  # float64 (steps, threads): see the mini-batch kernel


@kernel
def run_epoch(team: Any, network: Any, rule: Any, data: Any, buffers: Any, batch: Any) -> None:
    """One epoch; see the module's docstring."""
    team, network = unowned(team), unowned(network)
    data, buffers = unowned(data), unowned(buffers)
    L, one, zero = network.L, cast(1, rule.decay), cast(0, rule.decay)
    n0, n1, width = network.sizes[0], network.sizes[1], buffers.width
    thread, threads = team.thread, team.threads
    last_slot = buffers.panels.shape[0] - 1
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    state = (buffers.panels[0, 0], buffers.panels[min(1, last_slot), 0], buffers.panels[last_slot, 0])
    later = (buffers.later[0], buffers.later[min(1, last_slot)], buffers.later[last_slot])
    W1, b1 = block(matrix(state[0], 0, n0, width), 0, n0, 0, n1), span(later[0], 0, n1)
    used = data.starts.size - 1 if data.order.size == 0 else data.order.size
    phase, number = 1, 0
    steps = -(-used // batch)
    for step in range(steps):
        first, last = step * batch, min(step * batch + batch, used)
        scale = one / cast(last - first, one)
        c = data.coefficients[step]
        total = 0.0
        for start in range(first, last, buffers.chunk):
            B = min(buffers.chunk, last - start)
            begins, ends = start == first, start + B == last
            r0, r1 = range_of(B, thread, threads)
            number += 1
            # 1. Features
            found = list_features(data, buffers, start, B, thread, threads, number)
            for k in range(found):
                if k + AHEAD < found:
                    prefetch_feature(state, np.int64(buffers.listed[thread, k + AHEAD]) * width, n1)
                catch_up(rule, data, buffers, state, np.int64(buffers.listed[thread, k]), n1, step, thread)
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            # 2. Examples
            if begins:
                fill(buffers.bias_sums[thread], zero)
                if rule.penalized:
                    squares = later_squares(team, network, buffers.across, later[0])
                    buffers.penalties[step, thread] += 0.5 * c[c.size - 1] * squares
            if r1 > r0:
                Z = rows_of(network, buffers.A, 1, r0, r1)
                for r in range(r1 - r0):
                    example = example_at(start + r0 + r, data.order)
                    at, count = data.starts[example], data.starts[example + 1] - data.starts[example]
                    features, values = span(data.features, at, count), span(data.values, at, count)
                    weighted_row_sum(Z[r], zero, W1, features, values, count)
                    if L > 1:
                        activate(network.activations[1], Z[r], b1)
                arrays = later[0], buffers.A, buffers.D, buffers.bias_sums[thread]
                total += later_layers(team, network, data, arrays, start, (r0, r1), scale)
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            # 3. Updates
            update_features(
                rule, c, buffers, state, rows_of(network, buffers.D, 1, 0, B), thread, found, step
            )
            if ends and buffers.summed.size > 0:
                for feature in range(n0):
                    if buffers.summed[feature] == step + 1 and owner(feature, threads) == thread:
                        g = span(buffers.gradients[feature], 0, n1)
                        update_feature(rule, c, buffers, state, feature, g, step, thread)
            accumulation = product(rule, c, shrinkage(rule, c), buffers.in_place, begins)
            out, chunk = (
                target(rule, buffers.in_place, later, buffers.later_gradient),
                (buffers.A, buffers.D, B),
            )
            later_products(team, network, buffers.across, (thread, threads), chunk, accumulation, out)
            if ends:
                finish_later(team, network, rule, c, buffers, later, buffers.later_gradient, (0, n1))
        buffers.losses[step, thread] = total
    for feature in range(n0):
        if owner(feature, threads) == thread:
            catch_up(rule, data, buffers, state, feature, n1, steps, thread)


@inner
def owner(feature: Any, threads: Any) -> Any:
    """The thread that a feature belongs to."""
    mixed = ((np.int64(feature) >> TOGETHER) * MIX) & 0xFFFFFFFF
    return (mixed * threads) >> 32


@inner
def list_features(data: Any, buffers: Any, start: Any, B: Any, thread: Any, threads: Any, number: Any) -> Any:
    """List a thread's features of a chunk, which is the `number`-th, and the examples that have them; how many."""
    noinline()
    listed, begins, counts = buffers.listed[thread], buffers.begins[thread], buffers.counts[thread]
    examples, values = buffers.examples[thread], buffers.values[thread]
    found = np.int64(0)
    for r in range(B):
        example = example_at(start + r, data.order)
        for i in range(data.starts[example], data.starts[example + 1]):
            feature = np.int64(data.features[i])
            if owner(feature, threads) == thread:
                if buffers.seen[feature] != number:
                    buffers.seen[feature], buffers.place[feature] = number, found
                    listed[found], counts[found] = feature, 0
                    found += 1
                counts[buffers.place[feature]] += 1
    total = np.int64(0)
    for k in range(found):
        begins[k] = total
        total += counts[k]
        counts[k] = 0
    for r in range(B):
        example = example_at(start + r, data.order)
        for i in range(data.starts[example], data.starts[example + 1]):
            feature = np.int64(data.features[i])
            if owner(feature, threads) == thread:
                here = np.int64(buffers.place[feature])
                at = begins[here] + counts[here]
                examples[at], values[at] = r, data.values[i]
                counts[here] += 1
    return found


@inner
def catch_up(
    rule: Any, data: Any, buffers: Any, state: Any, feature: Any, n: Any, step: Any, thread: Any
) -> None:
    """The updates of a feature's weights that are missing before `step`, each with a gradient of 0."""
    noinline()
    missing = np.int64(buffers.current[feature])
    buffers.current[feature] = step
    at = feature * buffers.width
    theta, v, s = span(state[0], at, n), span(state[1], at, n), span(state[2], at, n)
    if missing == step:
        return
    shrinks = rule.decay != 0 or rule.penalized
    if not shrinks and (rule.code == PLAIN or (all_zero(v) and all_zero(s))):
        return
    g = span(buffers.zeros[thread], 0, n)
    for i in range(missing, step):
        update_row(rule, data.coefficients[i], buffers, (theta, v, s), g, i, thread)
        if rule.penalized:
            fill(g, cast(0, g))


@inner
def prefetch_feature(state: Any, at: Any, n: Any) -> None:
    """Ask for a feature's weights and slots: features come in no order that a processor foresees."""
    for i in range(at, at + n, CACHE_LINE // state[0].itemsize):
        prefetch(state[0], i)
        prefetch(state[1], i)
        prefetch(state[2], i)


@inner
def all_zero(v: Any) -> Any:
    """Whether a vector is 0."""
    other = 0
    for i in range(v.size):
        other += v[i] != 0
    return other == 0


@inner
def update_features(
    rule: Any, c: Any, buffers: Any, state: Any, delta: Any, thread: Any, found: Any, step: Any
) -> None:
    """Gradients ``Σ_r x_r δ_r`` of this thread's features of a chunk; and their updates, if the chunk is a batch."""
    noinline()
    n, several = delta.shape[1], buffers.summed.size > 0
    one, zero = cast(1, delta), cast(0, delta)
    for k in range(found):
        if k + AHEAD < found:
            prefetch_feature(state, np.int64(buffers.listed[thread, k + AHEAD]) * buffers.width, n)
        feature, at, count = (
            np.int64(buffers.listed[thread, k]),
            np.int64(buffers.begins[thread, k]),
            np.int64(buffers.counts[thread, k]),
        )
        keep, row = zero, thread
        if several:
            row = feature
            if buffers.summed[feature] == step + 1:
                keep = one
            buffers.summed[feature] = step + 1
        g = span(buffers.gradients[row], 0, n)
        examples, values = span(buffers.examples[thread], at, count), span(buffers.values[thread], at, count)
        weighted_row_sum(g, keep, delta, examples, values, count)
        if not several:
            update_feature(rule, c, buffers, state, feature, g, step, thread)


@inner
def update_feature(
    rule: Any, c: Any, buffers: Any, state: Any, feature: Any, g: Any, step: Any, thread: Any
) -> None:
    """One step of a feature's weights, which are up to date, along their gradient."""
    at, n = feature * buffers.width, g.size
    theta, v, s = span(state[0], at, n), span(state[1], at, n), span(state[2], at, n)
    update_row(rule, c, buffers, (theta, v, s), g, step, thread)
    buffers.current[feature] = step + 1


@inner
def update_row(rule: Any, c: Any, buffers: Any, row: Any, g: Any, step: Any, thread: Any) -> None:
    """One step of a row of weights along their gradient g, to which an L2 penalty adds its own."""
    theta, v, s = row
    if rule.penalized:
        buffers.penalties[step, thread] += 0.5 * c[c.size - 1] * sum_of_squares(theta)
        factor = penalty_factor(rule, c, 0)
        if factor != 0:
            add(g, factor, theta)
    update(rule, c, shrinkage(rule, c), theta, v, s, g)
