"""The examples of a batch or block, as the first layer takes them: gathered rows, or their numbers that are not 0.

Four of five pixels of a handwritten digit are 0, and what they are multiplied with need not be read. Where the
data have many zeros, each example becomes a list of its other features, and each feature a list of the
examples that have it: by the first the layer goes forward, by the second its gradient is summed. The result is the
same number, in another order of sums.
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

    sparse: int
    features: int  # n[0]
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
def _all_zero(typing, address):  # type: ignore[no-untyped-def]
    """Whether the 64 bytes at `address` are 0."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector = ir.VectorType(ir.IntType(32), 16)
        loaded = builder.load(builder.inttoptr(args[0], vector.as_pointer()), align=4)
        some = builder.icmp_unsigned("!=", loaded, ir.Constant(vector, None))
        return builder.icmp_unsigned("==", builder.bitcast(some, ir.IntType(16)), ir.IntType(16)(0))

    return types.boolean(types.int64), generate


@njit(**INNER)
def source(at: Any, order: Any) -> Any:
    """Which example is used at position `at`."""
    if order == 0:
        return np.int64(at)
    return np.int64(ints(order, at + 1)[at])


@njit(**INNER)
def _compress(x: Any, n: Any, index: Any, value: Any, one: Any) -> Any:
    """List the features of one example that are not 0; how many there are."""
    apart()
    numbers, features, values = reals(x, n, one), ints(index, n), reals(value, n, one)
    lanes = 64 // bytes_of(one)
    k = np.uint64(0)
    for start in range(0, n, lanes):
        stop = min(start + lanes, n)
        if stop - start == lanes and _all_zero(x + start * bytes_of(one)):
            continue
        for i in range(start, stop):
            v = numbers[np.uint64(i)]
            features[k] = i
            values[k] = v
            k += np.uint64(v != 0)
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
            listed = _compress(x, n, inputs.which + r * n * 4, inputs.values + r * row, one)
            ints(inputs.listed, r + 1)[r] = listed
        elif inputs.order != 0:
            to, numbers = reals(inputs.rows + r * row, n, one), reals(x, n, one)
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
    counts = ints(inputs.listed, rows)
    for start in range(0, rows, FILED):
        chunk = start // FILED
        filed_count = ints(inputs.filed_counts + chunk * n * 4, n)
        filed = ints(inputs.filed + chunk * n * FILED * 4, n * FILED)
        values = reals(inputs.filed_values + chunk * n * FILED * bytes_of(one), n * FILED, one)
        filed_count[first:last] = 0
        for r in range(start, min(start + FILED, rows)):
            index = ints(inputs.which + r * n * 4, n)
            value = reals(inputs.values + r * n * bytes_of(one), n, one)
            # Features are in order: the first of mine by halving
            k, end = 0, np.int64(counts[r])
            while k < end:
                middle = (k + end) // 2
                if index[middle] < first:
                    k = middle + 1
                else:
                    end = middle
            while k < counts[r] and index[k] < last:
                i = np.uint64(index[k])
                at = i * np.uint64(FILED) + np.uint64(filed_count[i])
                filed[at] = r - start
                values[at] = factor * value[k]
                filed_count[i] += 1
                k += 1
