"""Products with a few examples, where a call of BLAS would cost more than the work.

A matrix is given by its place in a flat array: offset of its first number, distance between rows, rows and width.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from gpunet_numpy.compiled.machine import INNER, apart


@njit(**INNER)
def matrix_vector(flat: Any, at: Any, stride: Any, x: Any, z: Any) -> None:
    """``z_k ← Σ_i W_ki x_i``."""
    apart()
    width = x.size
    for k in range(z.size):
        row = flat[at + k * stride : at + k * stride + width]
        total = flat.dtype.type(0)
        for i in range(width):
            total += row[i] * x[i]
        z[k] = total


@njit(**INNER)
def vector_matrix(d: Any, flat: Any, at: Any, stride: Any, e: Any) -> None:
    """``e_i ← Σ_k d_k W_ki``, four rows at a time."""
    apart()
    width, n = e.size, d.size
    for i in range(width):
        e[i] = flat.dtype.type(0)
    k = 0
    while k + 4 <= n:
        start = at + k * stride
        r0, r1 = flat[start : start + width], flat[start + stride : start + stride + width]
        start += 2 * stride
        r2, r3 = flat[start : start + width], flat[start + stride : start + stride + width]
        d0, d1, d2, d3 = d[k], d[k + 1], d[k + 2], d[k + 3]
        for i in range(width):
            e[i] += (d0 * r0[i] + d1 * r1[i]) + (d2 * r2[i] + d3 * r3[i])
        k += 4
    while k < n:
        row = flat[at + k * stride : at + k * stride + width]
        for i in range(width):
            e[i] += d[k] * row[i]
        k += 1


@njit(**INNER)
def add_rows(c: Any, count: Any, flat: Any, at: Any, stride: Any, z: Any) -> None:
    """``z ← z + Σ_i c_i D_i`` over the first `count` rows of D, four at a time."""
    apart()
    width = z.size
    k = 0
    while k + 4 <= count:
        start = at + k * stride
        r0, r1 = flat[start : start + width], flat[start + stride : start + stride + width]
        start += 2 * stride
        r2, r3 = flat[start : start + width], flat[start + stride : start + stride + width]
        c0, c1, c2, c3 = c[k], c[k + 1], c[k + 2], c[k + 3]
        for i in range(width):
            z[i] += (c0 * r0[i] + c1 * r1[i]) + (c2 * r2[i] + c3 * r3[i])
        k += 4
    while k < count:
        row = flat[at + k * stride : at + k * stride + width]
        for i in range(width):
            z[i] += c[k] * row[i]
        k += 1


@njit(**INNER)
def outer_step(
    flat: Any, slots: Any, at: Any, stride: Any, d: Any, a: Any, rate: Any, keep: Any, beta: Any
) -> None:
    """One step of W along ``g = d aᵀ``: plain if β is 0, else ``v ← β v + (1 − β) g`` first (C20)."""
    apart()
    width = a.size
    rest = flat.dtype.type(1) - beta
    for k in range(d.size):
        row = flat[at + k * stride : at + k * stride + width]
        if slots.shape[0] == 0:
            g = rate * d[k]
            for i in range(width):
                row[i] = keep * row[i] - g * a[i]
        else:
            v = slots[0, at + k * stride : at + k * stride + width]
            g = rest * d[k]
            for i in range(width):
                v[i] = beta * v[i] + g * a[i]
                row[i] = keep * row[i] - rate * v[i]


@njit(**INNER)
def bias_step(
    b: Any, slots: Any, at: Any, D: Any, first: Any, stride: Any, rows: Any, rate: Any, beta: Any
) -> None:
    """One step of b along ``Σ_r D_r`` over `rows` rows of D; its slot lies at `at`."""
    apart()
    n = b.size
    rest = b.dtype.type(1) - beta
    for i in range(n):
        g = b.dtype.type(0)
        for r in range(rows):
            g += D[first + r * stride + i]
        if slots.shape[0] == 0:
            b[i] -= rate * g
        else:
            slots[0, at + i] = beta * slots[0, at + i] + rest * g
            b[i] -= rate * slots[0, at + i]
