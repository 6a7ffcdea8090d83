"""How threads share the matrices of a batch out: each updates a tile of every ``W``, from sums over all examples.

A tile of a matrix is ``(first row, end, first column, end)``. The *place* of a matrix in a vector: where it begins,
the distance from row to row, and how many columns it has.
"""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.barriers import range_of
from gpunet_numpy.compiled.first_layer import owned_neurons
from gpunet_numpy.compiled.gemv import add, copy
from gpunet_numpy.compiled.intrinsics import block, cast, inlined, inner, itemsize, noinline, span
from gpunet_numpy.compiled.layers import rows_of, scale, weights_of
from gpunet_numpy.compiled.products import multiply
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN
from gpunet_numpy.compiled.updates import follow, linear_step, penalty_factor, shrinkage, update


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
def finish(
    rule: Any, c: Any, in_place: Any, state: Any, gradient: Any, place: Any, tile: Any, row: Any
) -> None:
    """What is left to do for a tile of weights when their products are complete.

    The tile's gradient begins in a `row` of its own, in the same columns.
    """
    noinline()
    shrink, factor = shrinkage(rule, c), penalty_factor(rule, c, in_place)
    if rule.clip_norm > 0:
        factor = cast(0, c)  # the gradient was completed before its norm was taken
    if in_place and factor == 0 and rule.code != MOMENTUM:
        return
    begin, stride, columns = place
    r0, r1, c0, c1 = tile
    rows, count = r1 - r0, c1 - c0
    if count == columns:  # whole rows, which follow each other
        rows, count = 1, rows * stride
    for r in range(rows):
        at = begin + (r0 + r) * stride + c0
        finish_stretch(
            rule, c, (shrink, factor), in_place, state, gradient, (at, count, at + (row - r0) * stride)
        )


@inner
def finish_stretch(
    rule: Any, c: Any, factors: Any, in_place: Any, state: Any, gradient: Any, stretch: Any
) -> None:
    """The same for weights that follow each other: the first, how many, and where the first one's gradient is."""
    noinline()
    shrink, factor = factors
    at, count, at_gradient = stretch
    theta, v = span(state[0], at, count), span(state[1], at, count)
    if factor != 0:
        add(v if in_place else span(gradient, at_gradient, count), factor, theta)
    if not in_place:
        update(rule, c, shrink, theta, v, span(state[2], at, count), span(gradient, at_gradient, count))
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
def scale_tile(gradient: Any, place: Any, tile: Any, factor: Any) -> None:
    """``g ← factor · g`` for a tile."""
    noinline()
    begin, stride, _ = place
    r0, r1, c0, c1 = tile
    for r in range(r0, r1):
        scale(span(gradient, begin + r * stride + c0, c1 - c0), factor)


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
            multiply(team, factor, delta, 1, below, 0, keep, some)


@inner
def finish_later(
    team: Any,
    network: Any,
    rule: Any,
    c: Any,
    buffers: Any,
    later: Any,
    gradient: Any,
    owned: Any,
    clipping: Any,
) -> None:
    """The same for all parameters but the first layer's weights, whose gradients are multiplied by `clipping`."""
    noinline()
    for l in range(2, network.L + 1):
        k = network.sizes[l - 1]
        tile = later_tile(network, buffers.across, l, (team.thread, team.threads), itemsize(rule.decay))
        place = network.at_W[l], k, k
        if clipping != 1:
            scale_tile(gradient, place, tile, clipping)
        finish(rule, c, buffers.in_place, later, gradient, place, tile, tile[0])
    update_biases(team, network, rule, c, buffers, owned, later, clipping)


@inner
def update_biases(
    team: Any, network: Any, rule: Any, c: Any, buffers: Any, owned: Any, later: Any, clipping: Any
) -> None:
    """Update a thread's biases; their gradients are multiplied by `clipping`."""
    noinline()
    one = cast(1, c)
    theta, v, s = later
    before = 0
    for l in range(1, network.L + 1):
        q0, q1 = bias_range(team, network, buffers, owned, l)
        db = bias_gradient(team, buffers, before + q0, q1 - q0)
        if clipping != 1:
            scale(db, clipping)
        at, n = network.at_b[l] + q0, q1 - q0
        update(rule, c, one, span(theta, at, n), span(v, at, n), span(s, at, n), db)
        before += network.sizes[l]


@inner
def bias_range(team: Any, network: Any, buffers: Any, owned: Any, l: Any) -> Any:
    """Which biases of a layer a thread updates: of its own neurons of the first layer, or a range of them."""
    if l == 1 and buffers.panels.shape[1] == team.threads:
        return owned[0], owned[0] + owned[1]
    return range_of(network.sizes[l], team.thread, team.threads)


@inner
def bias_gradient(team: Any, buffers: Any, first: Any, count: Any) -> Any:
    """The gradient of these biases, from all threads' partial sums, in a buffer of the thread."""
    db = span(buffers.sums[team.thread, 2], 0, count)
    add_partial_sums(buffers.bias_sums, first, db)
    return db


@inner
def add_partial_sums(sums: Any, first: Any, out: Any) -> None:
    """All threads' partial sums of some numbers from `first` on, added up in the order of threads."""
    noinline()
    copy(out, span(sums[0], first, out.size))
    for t in range(1, sums.shape[0]):
        add(out, cast(1, out), span(sums[t], first, out.size))
