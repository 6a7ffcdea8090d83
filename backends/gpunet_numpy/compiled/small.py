"""Products with a few examples, where a call of BLAS would cost more than the work.

Matrices and vectors are addresses; rows of a matrix follow each other, or come every `stride` numbers.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, reals


@njit(**INNER)
def matrix_vector(W: Any, stride: Any, x: Any, z: Any, one: Any) -> None:
    """``z_k ← Σ_i W_ki x_i``; x and z are views."""
    apart()
    width = x.size
    for k in range(z.size):
        row = reals(W + k * stride * bytes_of(one), width, one)
        total = one - one
        for i in range(width):
            total += row[i] * x[i]
        z[k] = total


@njit(**INNER)
def vector_matrix(d: Any, W: Any, width: Any, e: Any, one: Any) -> None:
    """``e_i ← Σ_k d_k W_ki``; d and e are views."""
    apart()
    e[:] = one - one
    for k in range(d.size):
        row = reals(W + k * width * bytes_of(one), width, one)
        for i in range(width):
            e[i] += d[k] * row[i]


@njit(**INNER)
def outer_step(
    W: Any, slot: Any, n: Any, width: Any, B: Any, D: Any, A: Any, rate: Any, keep: Any, beta: Any, one: Any
) -> None:
    """One step of W along ``g = Σ_s δ_s a_sᵀ``: plain if `slot` is 0, else ``v ← β v + (1 − β) g`` first (C20).

    `slot` is the distance in bytes from W to its v.
    """
    apart()
    item = bytes_of(one)
    for k in range(n):
        w = reals(W + k * width * item, width, one)
        v = reals(W + slot + k * width * item, width, one)
        for i in range(width):
            v[i] *= beta if slot else keep
        factor = one - beta if slot else -rate
        for s in range(B):
            a = reals(A + s * width * item, width, one)
            g = factor * reals(D + s * n * item, n, one)[k]
            for i in range(width):
                v[i] += g * a[i]
        if slot:
            for i in range(width):
                w[i] = keep * w[i] - rate * v[i]


@njit(**INNER)
def bias_step(b: Any, slot: Any, n: Any, B: Any, D: Any, stride: Any, rate: Any, beta: Any, one: Any) -> None:
    """One step of n biases along ``Σ_s δ_s`` over B rows of D, likewise."""
    apart()
    item = bytes_of(one)
    bias, v = reals(b, n, one), reals(b + slot, n, one)
    for i in range(n):
        v[i] *= beta if slot else one
    factor = one - beta if slot else -rate
    for s in range(B):
        d = reals(D + s * stride * item, n, one)
        for i in range(n):
            v[i] += factor * d[i]
    if slot:
        for i in range(n):
            bias[i] -= rate * v[i]


@njit(**INNER)
def scale_rows(E: Any, D: Any, stride: Any, n: Any, u: Any, rows: Any, one: Any) -> None:
    """``E_s ← u_s D_s``, n numbers every `stride`."""
    apart()
    item = bytes_of(one)
    for s in range(rows):
        e, d = reals(E + s * stride * item, n, one), reals(D + s * stride * item, n, one)
        factor = e.dtype.type(u[s])
        for i in range(n):
            e[i] = factor * d[i]


@njit(**INNER)
def add_scaled(to: Any, row: Any, n: Any, factor: Any, one: Any) -> None:
    """``to ← to + factor · row``, n numbers."""
    apart()
    a, b = reals(to, n, one), reals(row, n, one)
    for i in range(n):
        a[i] += factor * b[i]
