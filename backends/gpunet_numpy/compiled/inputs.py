"""The examples of a batch or block, as the first layer takes them: gathered rows, or their numbers that are not 0.

Four of five pixels of a handwritten digit are 0, and what they are multiplied with need not be read. Where the
data have many zeros, each example becomes a list of its other features, and each feature a list of the
examples that have it: by the first the layer goes forward, by the second its gradient is summed.

Standardised, those pixels are no longer 0 but still all alike. So an example is ``x = o + s``, where the *offsets* o
are the same for all and s is mostly 0: ``W x = W o + W s``, and ``Σ δ xᵀ = (Σ δ) oᵀ + Σ δ sᵀ``. The result is the same
number, in another order of sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, ints, reals

FILED = 64  # examples that a feature's list covers


class Inputs(NamedTuple):
    """Addresses and sizes."""

    sparse: int  # whether examples are lists
    shifted: int  # whether any offset is not 0
    features: int  # n[0]
    offsets: int  # (n[0],), o; all below are for lists alone
    factored: int  # (n[0],), o times the factor that `file` was told
    upto: int  # int32: 0, 1, 2, … n[0]
    X: int  # (m, n[0]), rows
    order: int  # int32, or 0: as they stand
    rows: int  # (room, n[0]), gathered; dense only
    which: int  # int32 (room, n[0]): features of each example that are not 0
    values: int  # their values
    listed: int  # int32 (room,): how many
    filed: int  # int32 (room / FILED, n[0], FILED): examples that have each feature
    filed_values: int
    filed_counts: int  # int32 (room / FILED, n[0])


@intrinsic
def _alike(typing, address, other):  # type: ignore[no-untyped-def]
    """Whether the 64 bytes at two addresses are the same."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector = ir.VectorType(ir.IntType(32), 16)
        x, y = (builder.load(builder.inttoptr(one, vector.as_pointer()), align=4) for one in args)
        differs = builder.bitcast(builder.icmp_unsigned("!=", x, y), ir.IntType(16))
        return builder.icmp_unsigned("==", differs, ir.IntType(16)(0))

    return types.boolean(types.int64, types.int64), generate


@njit(**INNER)
def source(at: Any, order: Any) -> Any:
    """Which example is used at position `at`."""
    if order == 0:
        return np.int64(at)
    return np.int64(ints(order)[at])


@njit(**INNER)
def _compress(x: Any, n: Any, offsets: Any, at_which: Any, at_values: Any, one: Any) -> Any:
    """List the features of one example that differ from their offset, and by how much; how many there are."""
    apart()
    numbers, common = reals(x, one), reals(offsets, one)
    which, values = ints(at_which), reals(at_values, one)
    lanes = 64 // bytes_of(one)
    k = 0
    for start in range(0, n, lanes):
        stop = min(start + lanes, n)
        if stop - start == lanes and _alike(x + start * bytes_of(one), offsets + start * bytes_of(one)):
            continue
        for i in range(start, stop):
            which[k] = i
            values[k] = numbers[i] - common[i]
            k += numbers[i] != common[i]
    return k


@njit(**INNER)
def take(inputs: Any, first: Any, r0: Any, r1: Any, one: Any) -> None:
    """Examples ``first + r0 … first + r1`` of the order into places r0 … r1."""
    apart()
    n = inputs.features
    row = n * bytes_of(one)
    for r in range(r0, r1):
        x = inputs.X + source(first + r, inputs.order) * row
        if inputs.sparse:
            listed = _compress(x, n, inputs.offsets, inputs.which + r * n * 4, inputs.values + r * row, one)
            ints(inputs.listed)[r] = listed
        elif inputs.order != 0:
            to, numbers = reals(inputs.rows + r * row, one), reals(x, one)
            for i in range(n):
                to[i] = numbers[i]


@njit(**INNER)
def dense_rows(inputs: Any, first: Any, one: Any) -> Any:
    """Where the rows of a dense batch lie: gathered, or in X itself if that is their order."""
    if inputs.order != 0:
        return inputs.rows
    return inputs.X + first * inputs.features * bytes_of(one)


@njit(**INNER)
def file(inputs: Any, rows: Any, first: Any, last: Any, factor: Any, one: Any) -> None:
    """The examples that have feature i, times `factor`, for features from `first` to `last`."""
    apart()
    n = inputs.features
    offsets, factored = reals(inputs.offsets, one), reals(inputs.factored, one)
    for i in range(first, last):
        factored[i] = factor * offsets[i]
    counts = ints(inputs.listed)
    for start in range(0, rows, FILED):
        chunk = start // FILED
        filed_count = ints(inputs.filed_counts + chunk * n * 4)
        filed = ints(inputs.filed + chunk * n * FILED * 4)
        values = reals(inputs.filed_values + chunk * n * FILED * bytes_of(one), one)
        for i in range(first, last):
            filed_count[i] = 0
        for r in range(start, min(start + FILED, rows)):
            index = ints(inputs.which + r * n * 4)
            value = reals(inputs.values + r * n * bytes_of(one), one)
            # Features are in order: the first of mine by halving
            k, end = 0, int(counts[r])
            while k < end:
                middle = (k + end) // 2
                if index[middle] < first:
                    k = middle + 1
                else:
                    end = middle
            while k < counts[r] and index[k] < last:
                feature = np.int64(index[k])
                at = feature * FILED + filed_count[feature]
                filed[at] = r - start
                values[at] = factor * value[k]
                filed_count[feature] += 1
                k += 1
