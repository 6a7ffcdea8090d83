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
from numba.core import cgutils
from numba.extending import intrinsic

from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, ints, reals
from gpunet_numpy.compiled.tiles import I32, I64, LANE, Vectors

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
def _list_lanes(typing, x, offsets, start, which, values, one):  # type: ignore[no-untyped-def]
    """List which of the numbers in a cache line at x are not what they are at `offsets`, and by how much.

    `start` is the number of the first of them. Whole vectors are written to `which` and `values`; returns how much of
    them counts.
    """
    sig = types.int64(*([types.int64] * 5), one)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        x, offsets, start, which, values, one = args
        v = Vectors(builder, one.type, LANE)
        place_type, bits_type = ir.VectorType(I32, v.lanes), ir.VectorType(ir.IntType(8 * v.item), v.lanes)

        def compress(vector, mask):  # type: ignore[no-untyped-def]
            # As whole numbers: on processors without such an instruction LLVM has it for those alone.
            kind = ir.FunctionType(vector.type, [vector.type, mask.type, vector.type])
            name = f"llvm.experimental.vector.compress.v{v.lanes}i{vector.type.element.width}"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, [vector, mask, ir.Constant(vector.type, ir.Undefined)])

        number, offset = v.load(x), v.load(offsets)
        mask = builder.fcmp_unordered("!=", number, offset)
        bits = builder.zext(builder.bitcast(mask, ir.IntType(v.lanes)), I64)
        done, some = builder.append_basic_block("done"), builder.append_basic_block("some")
        here = builder.block
        builder.cbranch(builder.icmp_unsigned("==", bits, I64(0)), done, some)
        builder.position_at_end(some)
        first = builder.insert_element(
            ir.Constant(place_type, ir.Undefined), builder.trunc(start, I32), I32(0)
        )
        same = builder.shuffle_vector(first, first, ir.Constant(place_type, None))
        places = builder.add(same, ir.Constant(place_type, [I32(i) for i in range(v.lanes)]))
        builder.store(compress(places, mask), v.pointer(which, place_type), align=4)
        differences = builder.bitcast(builder.fsub(number, offset), bits_type)
        v.store(builder.bitcast(compress(differences, mask), v.type), values)
        ones = builder.ctpop(bits)
        builder.branch(done)
        builder.position_at_end(done)
        listed = builder.phi(I64)
        listed.add_incoming(I64(0), here)
        listed.add_incoming(ones, some)
        return listed

    return sig, generate


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
    which, values, item = ints(at_which), reals(at_values, one), bytes_of(one)
    k, whole = 0, n - n % (LANE // item)
    for i in range(0, whole, LANE // item):
        k += _list_lanes(x + i * item, offsets + i * item, i, at_which + k * 4, at_values + k * item, one)
    for i in range(whole, n):
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
