"""Descent step by step for networks so small that calls of BLAS, or other threads, would only get in the way."""

from __future__ import annotations

from typing import Any

from gpunet_numpy.compiled.gemv import copy
from gpunet_numpy.compiled.intrinsics import cast, flush_subnormals, kernel, restore_subnormals
from gpunet_numpy.compiled.layers import backward_to, biases_of, forward_from, rows_of, weighted_error
from gpunet_numpy.compiled.sparse import example_at, prefetch_all
from gpunet_numpy.compiled.updates import linear_step, shrinkage

AHEAD = 4  # examples: so much sooner their rows are prefetched


@kernel
def run_epoch(team: Any, network: Any, rule: Any, data: Any, buffers: Any) -> None:
    """One epoch, or several, of plain descent or momentum."""
    before = flush_subnormals()
    L, bounds = network.L, data.bounds
    steps = bounds.shape[0]
    used = bounds[steps - 1, 1]
    theta, v = buffers.state[0], buffers.state[buffers.state.shape[0] - 1]  # v is θ itself without slots
    A, D = buffers.A, buffers.D
    b = biases_of(network, theta, L)
    for step in range(steps):
        first, last = bounds[step, 0], bounds[step, 1]
        B, total = last - first, 0.0
        c = data.coefficients[step]
        scale = cast(1, c) / cast(B, c)
        for s in range(B):
            if first + s + AHEAD < used:
                prefetch_all(data.X[example_at(first + s + AHEAD, data.order)])
            example = example_at(first + s, data.order)
            copy(rows_of(network, A, 0, s, s + 1)[0], data.X[example])
            forward_from(1, s, network, theta, A)
            z, d = rows_of(network, A, L, s, s + 1)[0], rows_of(network, D, L, s, s + 1)[0]
            total += weighted_error(network, data, example, scale, z, b, d)
        rates = linear_step(rule, c, shrinkage(rule, c)), linear_step(rule, c, cast(1, c))
        backward_to(1, B, network, rates, (theta, v), (A, D))
        buffers.losses[step, 0] = total
    restore_subnormals(before)
