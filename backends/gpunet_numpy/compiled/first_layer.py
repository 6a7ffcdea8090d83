"""The first layer: most of a network's weights, and the only one whose inputs are known beforehand.

Each thread owns some of its neurons. Their weights are in a *panel* of the thread, feature by feature,
``(n[0], width)``, padded with zeros to whole cache lines: they stay in its processor's cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet_numpy.compiled.barriers import range_of
from gpunet_numpy.compiled.gemv import fill
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES
from gpunet_numpy.compiled.intrinsics import block, cast, inner, matrix, noinline, span
from gpunet_numpy.compiled.products import multiply, pack_transposed
from gpunet_numpy.compiled.simd import scatter, weighted_row_sum
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.sparse import AHEAD, prefetch_row, row_of


@inner
def owned_neurons(n: Any, thread: Any, threads: Any, item: Any) -> Any:
    """The neurons ``[first, last)`` that one thread owns: whole cache lines, so that their rows are aligned."""
    lanes = CACHE_LINE // item
    first, last = range_of(-(-n // lanes), thread, threads)
    return min(first * lanes, n), min(last * lanes, n)


@inner
def lay_out(panel: Any, W: Any, n0: Any, width: Any, tile: Any, first: Any) -> None:
    """A tile of a panel from W[1], of which `first` is the panel's first neuron; nothing where W is empty."""
    noinline()
    f0, f1, c0, c1 = tile
    if W.shape[0] > 0:
        own = block(matrix(panel, 0, n0, width), f0, f1 - f0, c0, c1 - c0)
        pack_transposed(own, block(W, first + c0, c1 - c0, f0, f1 - f0))


@inner
def take_apart(W: Any, panel: Any, n0: Any, width: Any, tile: Any, first: Any) -> None:
    """The reverse."""
    noinline()
    f0, f1, c0, c1 = tile
    own = block(matrix(panel, 0, n0, width), f0, f1 - f0, c0, c1 - c0)
    pack_transposed(block(W, first + c0, c1 - c0, f0, f1 - f0), own)


@inner
def forward(team: Any, inputs: Any, x: Any, panel: Any, Z: Any, r0: Any, r1: Any) -> None:
    """``Z_r ← W x_r`` for the neurons of a panel and rows r0 … r1; x holds the rows of dense data.

    What the inputs' offsets add is left out, see :func:`offset_outputs`.
    """
    noinline()
    if not inputs.sparse:
        some, z = block(x, r0, r1 - r0, 0, x.shape[1]), block(Z, r0, r1 - r0, 0, Z.shape[1])
        one = cast(1, Z)
        multiply(team, one, some, 0, panel, 0, one - one, z)
        return
    zero = cast(0, Z)
    for r in range(r0, r1):
        prefetch_row(inputs, min(r + AHEAD, r1 - 1))
        index, values, count = row_of(inputs, r)
        weighted_row_sum(Z[r], zero, panel, index, values, count)


@inner
def offset_outputs(inputs: Any, panel: Any, out: Any) -> None:
    """``W o``, o being the inputs' offsets: what all examples have in common."""
    weighted_row_sum(out, cast(0, out), panel, inputs.range, inputs.offsets, panel.shape[0])


@inner
def gradient(
    team: Any, inputs: Any, x: Any, features: Any, out: Any, accumulation: Any, D: Any, sums: Any
) -> None:
    """``out ← keep · out + factor · Σ_r x_r δ_rᵀ`` for the neurons of a panel and a range of features, `out`'s rows.

    Where inputs are sparse, `factor` is in CSC already. `sums` holds ``Σ_r δ_r`` as its only row, for the inputs'
    offsets; without rows these are left out.
    """
    noinline()
    f0, f1 = features
    keep, factor = accumulation
    if not inputs.sparse:
        multiply(team, factor, block(x, 0, x.shape[0], f0, f1 - f0), 1, D, 0, keep, out)
        return
    one = cast(1, out)
    for start in range(0, D.shape[0], CSC_EXAMPLES):
        chunk = start // CSC_EXAMPLES
        counts, indices, values = (
            inputs.csc_counts[chunk],
            inputs.csc_indices[chunk],
            inputs.csc_values[chunk],
        )
        kept = keep if start == 0 else one
        delta = block(D, start, D.shape[0] - start, 0, D.shape[1])
        for i in range(f0, f1):
            if counts[i] > 0 or kept != one:
                at, count = i * CSC_EXAMPLES, np.int64(counts[i])
                index, weights = span(indices, at, count), span(values, at, count)
                weighted_row_sum(out[i - f0], kept, delta, index, weights, count)
    if sums.shape[0] > 0:
        for i in range(f0, f1):
            weighted_row_sum(out[i - f0], one, sums, inputs.range, span(inputs.scaled_offsets, i, 1), 1)


@inner
def begin_rows(inputs: Any, rows: Any, part: Any, thread: Any) -> None:
    """Go back to the rows' first entries, or to those of a part of the features, for :func:`gradient_by_rows`."""
    for r in range(rows):
        inputs.cursors[thread, r] = 0 if part < 0 else inputs.csr_parts[r, part]


@inner
def gradient_by_rows(inputs: Any, features: Any, out: Any, D: Any, thread: Any, sums: Any) -> None:
    """``out ← Σ_r x_r δ_rᵀ`` for the features that follow those of the last call; `sums` as for :func:`gradient`.

    Each row is added to those of its features. That takes a store for each addition, and spares CSC: it is the faster
    way while a row of δ stays in registers, `WIDEST` bytes.
    """
    noinline()
    f0, f1 = features
    cursors = inputs.cursors[thread]
    for i in range(f1 - f0):
        fill(out[i], cast(0, out))
    for r in range(D.shape[0]):
        index, values, count = row_of(inputs, r)
        cursors[r] = scatter(out, D[r], index, values, (np.int64(cursors[r]), count), (f0, f1))
    if sums.shape[0] > 0:
        for i in range(f0, f1):
            weighted_row_sum(out[i - f0], cast(1, out), sums, inputs.range, span(inputs.offsets, i, 1), 1)
