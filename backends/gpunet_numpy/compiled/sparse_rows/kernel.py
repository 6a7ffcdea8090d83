"""Descent on sparse rows as one kernel: an epoch of any plan that it supports, on all threads.

A batch reads the weights of the features that its examples have, few of many. The gradient of all others is 0, but
weight decay, momentum and Adam's moments go on. These updates do not depend on any example, so they are done ahead,
while a feature's weights and slots are in the cache: after a step, all up to the next step whose batch has the feature
(:mod:`gpunet_numpy.compiled.sparse_rows.idle`). That step is known, as the order of the examples is. So a step costs
no pass over all of ``W[1]`` and its slots in memory, and those of its features are read once; they are prefetched.

Steps are foreseen `stretch` at a time. Before a stretch each feature is brought to the first step that has it. A chunk
of a batch then has three stages, with a barrier between them:

1. each thread lists its own features of the examples, with the examples that have them (CSC);
2. each takes its range of the examples through all layers, forward and backward;
3. each updates its own features of the first layer, and its tile of every other ``W``.

``W[1]`` is stored feature by feature in one panel, ``(n[0], width)``. A batch larger than `chunk` is summed chunk by
chunk (C8).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled.barriers import STOPPED, barrier, range_of
from gpunet_numpy.compiled.gemv import add, fill
from gpunet_numpy.compiled.intrinsics import (
    block,
    cast,
    flush_subnormals,
    inlined,
    inner,
    kernel,
    matrix,
    noinline,
    prefetch,
    restore_subnormals,
    span,
)
from gpunet_numpy.compiled.layers import activate_rows, later_layers, rows_of
from gpunet_numpy.compiled.simd import weighted_row_sum
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.sparse import example_at
from gpunet_numpy.compiled.sparse_rows.idle import idle
from gpunet_numpy.compiled.tiles import (
    finish_later,
    later_products,
    later_squares,
    product,
    sum_of_squares,
    target,
)
from gpunet_numpy.compiled.updates import penalty_factor, shrinkage, update

# Features that follow each other belong to one thread, so that no two threads write to one cache line of int32.
AHEAD = 2  # features: so much sooner theirs are prefetched
TOGETHER = 4  # 2⁴ of them
MIX = 2654435761  # 2³² divided by the golden ratio: spreads frequent features over the threads


@kernel
def run_epoch(team: Any, network: Any, rule: Any, data: Any, buffers: Any, masks: Any, batch: Any) -> None:
    """One epoch; see the module's docstring."""
    before = flush_subnormals()
    L, one, zero = network.L, cast(1, rule.decay), cast(0, rule.decay)
    n0, n1, width = network.sizes[0], network.sizes[1], buffers.width
    thread, threads = team.thread, team.threads
    last_slot = buffers.panels.shape[0] - 1
    # A rule without a second slot, or without any, gets another array in its place, and does not write to it.
    state = (buffers.panels[0, 0], buffers.panels[min(1, last_slot), 0], buffers.panels[last_slot, 0])
    later = (buffers.later[0], buffers.later[min(1, last_slot)], buffers.later[last_slot])
    W1, b1 = block(matrix(state[0], 0, n0, width), 0, n0, 0, n1), span(later[0], 0, n1)
    slopes = buffers.slopes if buffers.slopes.size > 0 else buffers.A
    used = data.starts.size - 1 if data.order.size == 0 else data.order.size
    phase, base, entry = 1, np.int64(0), np.int64(0)
    steps = -(-used // batch)
    for step in range(steps):
        first, last = step * batch, min(step * batch + batch, used)
        scale = one / cast(last - first, one)
        c = data.coefficients[step]
        total = 0.0
        if step % buffers.stretch == 0:
            end, entry, base = min(step + buffers.stretch, steps), np.int64(0), np.int64(0)
            foresee(data, buffers, (step, end), batch, used, thread, threads)
            begin_stretch(rule, data, buffers, state, n1, step, thread, threads)
        for start in range(first, last, buffers.chunk):
            B = min(buffers.chunk, last - start)
            begins, ends = start == first, start + B == last
            r0, r1 = range_of(B, thread, threads)
            # 1. Features
            found = list_features(data, buffers, state[0], start, B, thread, threads, base, entry)
            base += found
            entry += entries_of(data, start, B)
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
                    activate_rows(1, network, buffers.A, slopes, b1, r0, r1)
                keys, whole = masks.keys[step], buffers.sums[thread, 2]
                dropout = masks.thresholds, masks.kept, keys, last - first, start - first, whole
                arrays = later[0], buffers.A, slopes, buffers.D, buffers.bias_sums[thread]
                total += later_layers(team, network, data, arrays, start, (r0, r1), scale, dropout)
            phase = barrier(team, phase)
            if phase == STOPPED:
                return
            # 3. Updates
            update_features(
                rule, data, buffers, state, rows_of(network, buffers.D, 1, 0, B), thread, found, step
            )
            if ends and buffers.summed.size > 0:
                for feature in range(n0):
                    if buffers.summed[feature] == step + 1 and owner(feature, threads) == thread:
                        g = span(buffers.gradients[feature], 0, n1)
                        update_feature(rule, data, buffers, state, feature, g, step, thread)
            accumulation = product(rule, c, shrinkage(rule, c), buffers.in_place, begins)
            out, chunk = (
                target(rule, buffers.in_place, later, buffers.later_gradient),
                (buffers.A, buffers.D, B),
            )
            later_products(team, network, buffers.across, (thread, threads), chunk, accumulation, out)
            if ends:
                finish_later(team, network, rule, c, buffers, later, buffers.later_gradient, (0, n1), one)
        buffers.losses[step, thread] = total
    restore_subnormals(before)


@inner
def owner(feature: Any, threads: Any) -> Any:
    """The thread that a feature belongs to."""
    mixed = ((np.int64(feature) >> TOGETHER) * MIX) & 0xFFFFFFFF
    return (mixed * threads) >> 32


@inner
def entries_of(data: Any, start: Any, B: Any) -> Any:
    """How many entries the B examples from place `start` of the order on have."""
    total = np.int64(0)
    for r in range(B):
        example = example_at(start + r, data.order)
        total += data.starts[example + 1] - data.starts[example]
    return total


@inner
def foresee(data: Any, buffers: Any, steps: Any, batch: Any, used: Any, thread: Any, threads: Any) -> None:
    """Set `following` for the entries of these steps, and `upcoming` to each feature's first of them.

    Of several entries of a feature in one batch the last one has the later step, the others the batch's own:
    :func:`list_features` reads them in this order.
    """
    noinline()
    (first, end), own = steps, buffers.own[thread]
    for j in range(buffers.upcoming.size):
        if owner(j, threads) == thread:
            buffers.upcoming[j] = end
    entry = entries_of(data, first * batch, min(end * batch, used) - first * batch)
    for back in range(end - first):
        step = end - 1 - back
        begin, B = step * batch, min(batch, used - step * batch)
        for r in range(B):
            example = example_at(begin + B - 1 - r, data.order)
            start, stop = data.starts[example], data.starts[example + 1]
            entry -= stop - start
            count = own_entries(data, start, stop, own, thread, threads)
            for j in range(count):
                i = np.int64(own[count - 1 - j])
                feature = np.int64(data.features[start + i])
                buffers.following[entry + i] = buffers.upcoming[feature]
                buffers.upcoming[feature] = step


@inner
def begin_stretch(
    rule: Any, data: Any, buffers: Any, state: Any, n: Any, step: Any, thread: Any, threads: Any
) -> None:
    """Bring this thread's features from `step` to the first step that has them; the first time, from `given`."""
    noinline()
    copies = step == 0 and buffers.given.size > 0
    for feature in range(buffers.upcoming.size):
        if owner(feature, threads) == thread:
            buffers.seen[feature] = 0
            if copies:
                at = np.int64(feature) * buffers.width
                for kind in range(buffers.panels.shape[0]):
                    old, new = buffers.given[kind, 0], buffers.panels[kind, 0]
                    for i in range(at, at + buffers.width):
                        new[i] = old[i]
            rest(rule, data, buffers, state, feature, n, step, thread)


@inner
def list_features(
    data: Any,
    buffers: Any,
    theta: Any,
    start: Any,
    B: Any,
    thread: Any,
    threads: Any,
    base: Any,
    entry: Any,
) -> Any:
    """List a thread's features of a chunk, and the examples that have them; how many features.

    Chunks before have listed `base` of them in this stretch. This one begins with the stretch's `entry`-th entry.
    Weights are prefetched for the examples.
    """
    noinline()
    listed, begins, counts = buffers.listed[thread], buffers.begins[thread], buffers.counts[thread]
    examples, values, places = buffers.examples[thread], buffers.values[thread], buffers.places[thread]
    own, found, row_entry, k = buffers.own[thread], np.int64(0), entry, np.int64(0)
    for r in range(B):
        example = example_at(start + r, data.order)
        first, last = data.starts[example], data.starts[example + 1]
        count = own_entries(data, first, last, own, thread, threads)
        for j in range(count):
            i = np.int64(own[j])
            feature = np.int64(data.features[first + i])
            here = np.int64(buffers.seen[feature]) - base - 1
            if here < 0:
                here = found
                buffers.seen[feature] = base + 1 + found
                listed[found], counts[found] = feature, 0
                found += 1
                prefetch_row(theta, feature * buffers.width, buffers.width)
            counts[here] += 1
            buffers.upcoming[feature] = buffers.following[row_entry + i]
            places[k] = here
            k += 1
        row_entry += last - first
    total = np.int64(0)
    for at in range(found):
        begins[at] = total
        total += counts[at]
        counts[at] = 0
    k = np.int64(0)
    for r in range(B):
        example = example_at(start + r, data.order)
        first, last = data.starts[example], data.starts[example + 1]
        for j in range(own_entries(data, first, last, own, thread, threads)):
            here = np.int64(places[k])
            place = begins[here] + counts[here]
            examples[place], values[place] = r, data.values[first + own[j]]
            counts[here] += 1
            k += 1
    return found


@inner
def own_entries(data: Any, first: Any, last: Any, own: Any, thread: Any, threads: Any) -> Any:
    """Which of the entries from `first` on are of features of a thread, and how many.

    Without a branch: whose a feature is, no processor foresees.
    """
    count = np.int64(0)
    for i in range(last - first):
        own[count] = i
        count += owner(data.features[first + i], threads) == thread
    return count


@inlined
def rest(
    rule: Any, data: Any, buffers: Any, state: Any, feature: Any, n: Any, first: Any, thread: Any
) -> None:
    """The updates of a feature's weights from step `first` on to its next one, whose gradients are 0."""
    last = np.int64(buffers.upcoming[feature])
    at = np.int64(feature) * buffers.width
    theta, v, s = span(state[0], at, n), span(state[1], at, n), span(state[2], at, n)
    if first >= last:
        return
    if not rule.penalized:
        idle(rule, data.coefficients, buffers.powers, (theta, v, s), buffers.spare[thread], first, last)
        return
    g = span(buffers.spare[thread], 0, n)
    for i in range(first, last):
        fill(g, cast(0, g))
        update_row(rule, data.coefficients[i], buffers, (theta, v, s), g, i, thread)


@inner
def prefetch_row(array: Any, at: Any, n: Any) -> None:
    """Ask for n numbers of an array: features come in no order that a processor foresees."""
    for i in range(at, at + n, CACHE_LINE // array.itemsize):
        prefetch(array, i)


@inner
def update_features(
    rule: Any, data: Any, buffers: Any, state: Any, delta: Any, thread: Any, found: Any, step: Any
) -> None:
    """Gradients ``Σ_r x_r δ_r`` of this thread's features of a chunk; and their updates, if the chunk is a batch."""
    noinline()
    n, several = delta.shape[1], buffers.summed.size > 0
    one, zero = cast(1, delta), cast(0, delta)
    for k in range(found):
        if k + AHEAD < found:
            for kind in range(buffers.panels.shape[0]):
                soon = np.int64(buffers.listed[thread, k + AHEAD]) * buffers.width
                prefetch_row(buffers.panels[kind, 0], soon, n)
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
            update_feature(rule, data, buffers, state, feature, g, step, thread)


@inlined
def update_feature(
    rule: Any, data: Any, buffers: Any, state: Any, feature: Any, g: Any, step: Any, thread: Any
) -> None:
    """One step of a feature's weights along their gradient, and those that follow without one."""
    at, n = feature * buffers.width, g.size
    theta, v, s = span(state[0], at, n), span(state[1], at, n), span(state[2], at, n)
    update_row(rule, data.coefficients[step], buffers, (theta, v, s), g, step, thread)
    rest(rule, data, buffers, state, feature, n, step + 1, thread)


@inlined
def update_row(rule: Any, c: Any, buffers: Any, row: Any, g: Any, step: Any, thread: Any) -> None:
    """One step of a row of weights along their gradient g, to which an L2 penalty adds its own."""
    theta, v, s = row
    if rule.penalized:
        buffers.penalties[step, thread] += 0.5 * c[c.size - 1] * sum_of_squares(theta)
        factor = penalty_factor(rule, c, 0)
        if factor != 0:
            add(g, factor, theta)
    update(rule, c, shrinkage(rule, c), theta, v, s, g)
