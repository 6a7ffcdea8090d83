"""The first layer: most of a network's weights, and the only one whose inputs are known beforehand.

Each thread owns some of its neurons. Their weights lie in a *panel* of the thread's own, feature by feature,
``(n[0], width)``, padded with zeros to whole lanes: they stay in its processor's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gpunet_numpy.compiled.inputs import FILED, dense_rows
from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, gemm, ints
from gpunet_numpy.compiled.tiles import LANE, add_rows


@njit(**INNER)
def share(count: Any, thread: Any, threads: Any) -> Any:
    """The part ``[first, last)`` of `count` things that one thread takes."""
    return count * thread // threads, count * (thread + 1) // threads


@njit(**INNER)
def neurons(n: Any, thread: Any, threads: Any, one: Any) -> Any:
    """The neurons ``[first, last)`` that one thread owns: whole lanes, so that rows of theirs are aligned."""
    lanes = LANE // bytes_of(one)
    first, last = share(-(-n // lanes), thread, threads)
    return min(first * lanes, n), min(last * lanes, n)


@njit(**INNER)
def padded(own: Any, one: Any) -> Any:
    """Bytes of a row of `own` numbers, in whole lanes."""
    return -(-own * bytes_of(one) // LANE) * LANE


@njit(**INNER)
def forward(
    blas: Any,
    inputs: Any,
    first: Any,
    r0: Any,
    r1: Any,
    panel: Any,
    width: Any,
    own: Any,
    Z: Any,
    stride: Any,
    one: Any,
) -> None:
    """``Z_r ← W x_r`` for my `own` neurons and rows r0 … r1 of those taken from `first` on.

    Rows of Z come every `stride` numbers. What the inputs' offsets add is left out, see :func:`offset_outputs`.
    """
    apart()
    n, item, zero = inputs.features, bytes_of(one), one - one
    if not inputs.sparse:
        x = dense_rows(inputs, first, one) + r0 * n * item
        here = Z + r0 * stride * item
        gemm(blas, 0, 0, r1 - r0, own, n, one, x, n, panel, width, zero, here, stride)
        return
    counts, size = ints(inputs.listed), padded(own, one)
    for r in range(r0, r1):
        index, value = inputs.which + r * n * 4, inputs.values + r * n * item
        add_rows(Z + r * stride * item, size, zero, panel, width * item, index, value, np.int64(counts[r]))


@njit(**INNER)
def offset_outputs(inputs: Any, panel: Any, width: Any, own: Any, out: Any, one: Any) -> None:
    """``W o``, o being the inputs' offsets: what all examples have in common."""
    stride = width * bytes_of(one)
    add_rows(out, padded(own, one), one - one, panel, stride, inputs.upto, inputs.offsets, inputs.features)


@njit(**INNER)
def gradient(
    blas: Any,
    inputs: Any,
    first: Any,
    rows: Any,
    f0: Any,
    f1: Any,
    out: Any,
    width: Any,
    own: Any,
    keep: Any,
    factor: Any,
    D: Any,
    stride: Any,
    sums: Any,
    one: Any,
) -> None:
    """``out ← keep · out + factor · Σ_r x_r δ_rᵀ`` for my neurons and features f0 … f1, out being a panel.

    Where inputs are sparse, `factor` is in what is filed already. `sums` is where ``Σ_r δ_r`` lies, for the inputs'
    offsets; 0 leaves them out.
    """
    apart()
    n, item = inputs.features, bytes_of(one)
    if not inputs.sparse:
        x, here = dense_rows(inputs, first, one) + f0 * item, out + f0 * width * item
        gemm(blas, 1, 0, f1 - f0, own, rows, factor, x, n, D, stride, keep, here, width)
        return
    size = padded(own, one)
    for start in range(0, rows, FILED):
        chunk = start // FILED
        counts = ints(inputs.filed_counts + chunk * n * 4)
        kept = keep if start == 0 else one
        for i in range(f0, f1):
            if counts[i] > 0 or kept != one:
                at = (chunk * n + i) * FILED
                filed, value = inputs.filed + at * 4, inputs.filed_values + at * item
                here, rows_at = out + i * width * item, D + start * stride * item
                add_rows(here, size, kept, rows_at, stride * item, filed, value, np.int64(counts[i]))
    if sums != 0:
        for i in range(f0, f1):
            value = inputs.factored + i * item
            add_rows(out + i * width * item, size, one, sums, 0, inputs.upto, value, 1)
