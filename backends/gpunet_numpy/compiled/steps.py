"""Descent step by step for networks so small that calls of BLAS, or other threads, would only get in the way."""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.examples import back, error, onward
from gpunet_numpy.compiled.inputs import source
from gpunet_numpy.compiled.machine import OPTIONS, bytes_of, longs, prefetch, real, reals
from gpunet_numpy.compiled.small import copy

AHEAD = 4  # examples: so much sooner their rows are asked for


@njit(**OPTIONS)
def run_steps(
    thread: Any,
    threads: Any,
    blas: Any,
    flags: Any,
    give_way: Any,
    one: Any,
    net: Any,
    theta: Any,  # address of all parameters
    slot: Any,  # bytes from a parameter to what momentum keeps for it, or 0
    at_A: Any,  # where the addresses of a batch's A[0] … A[L] lie
    at_D: Any,
    X: Any,  # address of (m, n[0])
    order: Any,
    Y: Any,
    weights: Any,
    used: Any,
    batch: Any,
    coefficients: Any,  # address of (steps,)
    losses: Any,  # (steps, 1)
) -> None:
    """One epoch; arguments as for :func:`gpunet_numpy.compiled.batches.run_batches` where not said."""
    L, item, rates, constants = net.L, bytes_of(one), reals(coefficients, one), reals(net.numbers, one)
    n0, n, A, D = longs(net.sizes)[0], longs(net.sizes)[L], longs(at_A), longs(at_D)
    for step in range(-(-used // batch)):
        first, last = step * batch, min(step * batch + batch, used)
        B, total = last - first, 0.0
        scale = one / real(B, one)
        for s in range(B):
            example = source(first + s, order)
            if first + s + AHEAD < used:
                prefetch(X + source(first + s + AHEAD, order) * n0 * item, n0 * item)
            copy(A[0] + s * n0 * item, X + example * n0 * item, n0, one)
            onward(1, s, net, theta, at_A, one)
            z, d, b = A[L] + s * n * item, D[L] + s * n * item, theta + longs(net.at_b)[L] * item
            total += error(net, z, b, Y, weights, example, d, scale, one)
        rate = rates[step]
        keep = one - rate * constants[0]
        back(1, B, net, theta, slot, at_A, at_D, rate, keep, constants[1], one)
        losses[step, 0] = total
