"""Products with a few examples, where a call of BLAS would cost more than the work.

Matrices and vectors are addresses; rows of a matrix follow each other, or come every `stride` numbers.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, real, reals


@njit(**INNER)
def fill(at: Any, n: Any, value: Any) -> None:
    """Make n numbers `value`."""
    x = reals(at, value)
    for i in range(n):
        x[i] = value


@njit(**INNER)
def copy(to: Any, at: Any, n: Any, one: Any) -> None:
    """Copy n numbers."""
    x, y = reals(to, one), reals(at, one)
    for i in range(n):
        x[i] = y[i]


@njit(**INNER)
def add(to: Any, at: Any, n: Any, factor: Any) -> None:
    """``to ← to + factor · row``, n numbers."""
    x, y = reals(to, factor), reals(at, factor)
    for i in range(n):
        x[i] += factor * y[i]


@njit(**INNER)
def matrix_vector(W: Any, stride: Any, at_x: Any, width: Any, at_z: Any, n: Any, one: Any) -> None:
    """``z_k ← Σ_i W_ki x_i``, n rows of `width`."""
    apart()
    x, z = reals(at_x, one), reals(at_z, one)
    for k in range(n):
        row = reals(W + k * stride * bytes_of(one), one)
        total = one - one
        for i in range(width):
            total += row[i] * x[i]
        z[k] = total


@njit(**INNER)
def vector_matrix(at_d: Any, n: Any, W: Any, width: Any, at_e: Any, one: Any) -> None:
    """``e_i ← Σ_k d_k W_ki``, n rows of `width`."""
    apart()
    d, e = reals(at_d, one), reals(at_e, one)
    for i in range(width):
        e[i] = one - one
    for k in range(n):
        row = reals(W + k * width * bytes_of(one), one)
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
    factor = one - beta if slot else -rate
    kept = beta if slot else keep
    for k in range(n):
        w, v = reals(W + k * width * item, one), reals(W + slot + k * width * item, one)
        for i in range(width):
            v[i] *= kept
        for s in range(B):
            a = reals(A + s * width * item, one)
            g = factor * reals(D + s * n * item, one)[k]
            for i in range(width):
                v[i] += g * a[i]
        if slot:
            for i in range(width):
                w[i] = keep * w[i] - rate * v[i]


@njit(**INNER)
def bias_step(b: Any, slot: Any, n: Any, B: Any, D: Any, stride: Any, rate: Any, beta: Any, one: Any) -> None:
    """One step of n biases along ``Σ_s δ_s`` over B rows of D, likewise."""
    apart()
    bias, v, d = reals(b, one), reals(b + slot, one), reals(D, one)
    factor = one - beta if slot else -rate
    kept = beta if slot else one
    for i in range(n):
        total = one - one
        for s in range(B):
            total += d[s * stride + i]
        v[i] = kept * v[i] + factor * total
        if slot:
            bias[i] -= rate * v[i]


@njit(**INNER)
def scale_rows(E: Any, D: Any, stride: Any, n: Any, u: Any, rows: Any, one: Any) -> None:
    """``E_s ← u_s D_s``, n numbers every `stride`; u is a pointer."""
    apart()
    item = bytes_of(one)
    for s in range(rows):
        e, d = reals(E + s * stride * item, one), reals(D + s * stride * item, one)
        factor = real(u[s], one)
        for i in range(n):
            e[i] = factor * d[i]
