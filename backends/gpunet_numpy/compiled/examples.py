"""A few examples at a time through layers that are small: forward, error, and backward with a step of each layer.

Parameters and activations are addresses; the rows of a batch follow each other.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.elementwise import activate, output, slope
from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, longs, reals
from gpunet_numpy.compiled.small import bias_step, matrix_vector, outer_step, vector_matrix


@njit(**INNER)
def onward(first: Any, s: Any, net: Any, theta: Any, at_A: Any, one: Any) -> None:
    """Layers `first` to L of example s from ``A[first − 1]``; ``Z[L]`` is left without its bias."""
    apart()
    item, sizes, A = bytes_of(one), longs(net.sizes), longs(at_A)
    for l in range(first, net.L + 1):
        n, k = sizes[l], sizes[l - 1]
        z = A[l] + s * n * item
        matrix_vector(theta + longs(net.at_W)[l] * item, k, A[l - 1] + s * k * item, k, z, n, one)
        if l < net.L:
            activate(longs(net.codes)[l], z, theta + longs(net.at_b)[l] * item, n, one)


@njit(**INNER)
def error(
    net: Any,
    z: Any,
    b: Any,
    Y: Any,
    weights: Any,
    example: Any,
    d: Any,
    scale: Any,
    one: Any,
) -> Any:
    """``z ← a``, ``d ← scale w ∂L/∂z`` of one example; returns w L."""
    apart()
    n = longs(net.sizes)[net.L]
    weight = reals(weights, one)[example] if weights != 0 else one
    L = output(longs(net.codes)[net.L], net.loss, z, b, Y + example * n * bytes_of(one), d, n, one)
    errors = reals(d, one)
    for i in range(n):
        errors[i] = errors[i] * (weight * scale)
    return weight * L


@njit(**INNER)
def back(
    last: Any,
    B: Any,
    net: Any,
    theta: Any,
    slot: Any,
    at_A: Any,
    at_D: Any,
    rate: Any,
    keep: Any,
    beta: Any,
    one: Any,
) -> None:
    """Layers L to `last` of B examples: each is stepped once its δ has gone down, to ``δ[last − 1]`` in the end.

    There is no ``δ[0]``. `slot` is the distance in bytes from a parameter to what momentum keeps for it, or 0.
    """
    apart()
    item, sizes, A, D = bytes_of(one), longs(net.sizes), longs(at_A), longs(at_D)
    for l in range(net.L, last - 1, -1):
        n, k = sizes[l], sizes[l - 1]
        W = theta + longs(net.at_W)[l] * item
        for s in range(B if l > 1 else 0):
            e = D[l - 1] + s * k * item
            vector_matrix(D[l] + s * n * item, n, W, k, e, one)
            slope(longs(net.codes)[l - 1], e, A[l - 1] + s * k * item, k, one)
        outer_step(W, slot, n, k, B, D[l], A[l - 1], rate, keep, beta, one)
        bias_step(theta + longs(net.at_b)[l] * item, slot, n, B, D[l], n, rate, beta, one)
