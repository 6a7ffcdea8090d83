"""Clipping: all gradients are scaled down together where their norm is too large (:func:`gpunet.core.optimizers.clip`).

Each thread sums the squares of what it updates; then all know the norm. So the whole gradient is there before an
update.
"""

from __future__ import annotations

import math
from typing import Any

from gpunet_numpy.compiled.gemv import add
from gpunet_numpy.compiled.intrinsics import cast, inner, itemsize, noinline, span
from gpunet_numpy.compiled.tiles import bias_gradient, bias_range, later_tile, sum_of_squares
from gpunet_numpy.compiled.updates import penalty_factor


@inner
def gradient_squares(
    team: Any, network: Any, rule: Any, c: Any, buffers: Any, first: Any, later: Any, owned: Any
) -> Any:
    """``Σ g²`` of all that a thread updates, whose gradients are completed by an L2 penalty's.

    `first` is of the first layer's weights: they, their gradient, its place and the thread's tile; `later` the other
    parameters and their gradient.
    """
    noinline()
    theta, gradient, place, tile = first
    factor = penalty_factor(rule, c, 0)
    total = tile_gradient_squares(theta, gradient, place, tile, factor)
    for l in range(2, network.L + 1):
        k = network.sizes[l - 1]
        tile = later_tile(network, buffers.across, l, (team.thread, team.threads), itemsize(total))
        total += tile_gradient_squares(later[0], later[1], (network.at_W[l], k, k), tile, factor)
    before = 0
    for l in range(1, network.L + 1):
        q0, q1 = bias_range(team, network, buffers, owned, l)
        total += sum_of_squares(bias_gradient(team, buffers, before + q0, q1 - q0))
        before += network.sizes[l]
    return total


@inner
def tile_gradient_squares(theta: Any, gradient: Any, place: Any, tile: Any, factor: Any) -> Any:
    """``g ← g + factor · θ`` for a tile; returns ``Σ g²``."""
    noinline()
    begin, stride, _ = place
    r0, r1, c0, c1 = tile
    total = cast(0, gradient)
    for r in range(r0, r1):
        at = begin + r * stride + c0
        g = span(gradient, at, c1 - c0)
        if factor != 0:
            add(g, factor, span(theta, at, c1 - c0))
        total += sum_of_squares(g)
    return total


@inner
def clipping_factor(rule: Any, squares: Any) -> Any:
    """What the gradients are multiplied by, from all threads' sums of squares, added in the order of threads."""
    total = cast(0, squares)
    for t in range(squares.size):
        total += squares[t]
    norm = cast(math.sqrt(total), total)
    return rule.clip_norm / norm if norm > rule.clip_norm else cast(1, total)
