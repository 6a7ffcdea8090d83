"""The inputs of a batch or block as the first layer takes them: gathered rows, or sparse ones.

Four of five pixels of a handwritten digit are 0, and what they are multiplied with need not be read. Sparse batches are
stored as CSR, an example's features that are not 0, for ``W x``; and where the gradient is not summed row by row
(:func:`gpunet_numpy.compiled.first_layer.gradient_by_rows`) as CSC too, the examples that have a feature. There is room
for all of a row's features, and a count of what is used of it.

Examples come again in every epoch, so their rows of CSR may be kept (:mod:`gpunet_numpy.compiled.kept_rows`): less
memory is read then, and nothing has to be found.

Standardised, those pixels are no longer 0 but still all alike. So an example is ``x = o + s``, where the *offsets* o
are the same for all and s is mostly 0: ``W x = W o + W s``, and ``Σ δ xᵀ = (Σ δ) oᵀ + Σ δ sᵀ``. The result is the same
number, in another order of sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from gpunet_numpy.compiled.gemv import copy
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES
from gpunet_numpy.compiled.integers import example_row
from gpunet_numpy.compiled.intrinsics import (
    I32,
    I64,
    block,
    inlined,
    inner,
    instructions,
    noinline,
    prefetch,
    span,
)
from gpunet_numpy.compiled.simd import Vectors, addresses
from gpunet_numpy.compiled.sizes import CACHE_LINE

STRIPE = 96  # features that are listed at a time
AHEAD = 2  # examples: so much sooner their rows are asked for


def _compact_line(x, offsets, start, indices, values, k):  # type: ignore[no-untyped-def]
    last = start + CACHE_LINE // x.itemsize
    found = start + np.flatnonzero(x[start:last] != offsets[start:last])
    indices[k : k + len(found)] = found
    values[k : k + len(found)] = x[found] - offsets[found]
    return len(found)


@instructions(_compact_line)
def compact_line(typing, x, offsets, start, indices, values, k):  # type: ignore[no-untyped-def]
    """Append a cache line of x to a row of CSR that has k entries: what differs from `offsets`; how many do.

    `start` is the index of the line's first number. Whole vectors are written, of which so many entries count.
    """
    sig = types.int64(x, offsets, types.int64, indices, values, types.int64)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        x, offsets, start, indices, values, k = addresses(builder, signature, args)
        v = Vectors(builder, context.get_value_type(signature.args[0].dtype), CACHE_LINE)
        index_type, bits_type = ir.VectorType(I32, v.lanes), ir.VectorType(ir.IntType(8 * v.item), v.lanes)

        def at(address, i, item):  # type: ignore[no-untyped-def]
            return builder.add(address, builder.mul(i, I64(item)))

        def compress(vector, mask):  # type: ignore[no-untyped-def]
            # As whole numbers: on processors without such an instruction LLVM has it for those alone.
            kind = ir.FunctionType(vector.type, [vector.type, mask.type, vector.type])
            name = f"llvm.experimental.vector.compress.v{v.lanes}i{vector.type.element.width}"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, [vector, mask, ir.Constant(vector.type, ir.Undefined)])

        number, offset = v.load(at(x, start, v.item)), v.load(at(offsets, start, v.item))
        mask = builder.fcmp_unordered("!=", number, offset)
        bits = builder.zext(builder.bitcast(mask, ir.IntType(v.lanes)), I64)
        done, some = builder.append_basic_block("done"), builder.append_basic_block("some")
        here = builder.block
        builder.cbranch(builder.icmp_unsigned("==", bits, I64(0)), done, some)
        builder.position_at_end(some)
        first = builder.insert_element(
            ir.Constant(index_type, ir.Undefined), builder.trunc(start, I32), I32(0)
        )
        same = builder.shuffle_vector(first, first, ir.Constant(index_type, None))
        index = builder.add(same, ir.Constant(index_type, [I32(i) for i in range(v.lanes)]))
        builder.store(compress(index, mask), v.pointer(at(indices, k, 4), index_type), align=4)
        differences = builder.bitcast(builder.fsub(number, offset), bits_type)
        v.store(builder.bitcast(compress(differences, mask), v.type), at(values, k, v.item))
        ones = builder.ctpop(bits)
        builder.branch(done)
        builder.position_at_end(done)
        count = builder.phi(I64)
        count.add_incoming(I64(0), here)
        count.add_incoming(ones, some)
        return count

    return sig, generate


@inner
def compact(x: Any, following: Any, offsets: Any, indices: Any, values: Any) -> Any:
    """A row of CSR: the features of x that differ from their offset, and by how much; how many there are.

    The row `following` is asked for: rows come from all over memory.
    """
    noinline()
    lanes = CACHE_LINE // x.itemsize
    k, whole = 0, x.size - x.size % lanes
    for i in range(0, whole, lanes):
        prefetch(following, i)
        k += compact_line(x, offsets, i, indices, values, k)
    for i in range(whole, x.size):
        indices[k] = i
        values[k] = x[i] - offsets[i]
        k += x[i] != offsets[i]
    return k


@inner
def example_at(position: Any, order: Any) -> Any:
    """Which example is used at a position of the epoch; `order` is empty where they are used as they stand."""
    if order.size == 0:
        return np.int64(position)
    return np.int64(order[position])


@inner
def gather(inputs: Any, X: Any, order: Any, first: Any, r0: Any, r1: Any, thread: Any) -> None:
    """Examples ``first + r0 … first + r1`` of the epoch into rows r0 … r1 of the buffers, dense or CSR."""
    noinline()
    for r in range(r0, r1):
        if inputs.sparse:
            find_row(inputs, X, order, first, r, r1, thread)
        elif order.size != 0:
            following = example_at(first + min(r + AHEAD, r1 - 1), order)
            if inputs.kind:
                prefetch_all(inputs.integers[following])
            else:
                prefetch_all(X[following])
            copy(inputs.rows[r], example_row(inputs, X, example_at(first + r, order), thread))


@inner
def find_row(inputs: Any, X: Any, order: Any, first: Any, r: Any, r1: Any, thread: Any) -> None:
    """Row r of CSR: the one that is kept, or a new one, which is kept if this thread has room for it."""
    example, n = example_at(first + r, order), X.shape[1]
    keeps, parts = inputs.kept_starts.size != 0, inputs.csr_parts.shape[1]
    if keeps and inputs.kept_starts[example] >= 0:
        inputs.csr_starts[r], inputs.csr_counts[r] = inputs.kept_starts[example], inputs.kept_counts[example]
        for part in range(parts):
            inputs.csr_parts[r, part] = inputs.kept_parts[example, part]
        return
    at = np.int64(inputs.csr_places[r])
    if keeps:
        end = np.int64(inputs.kept_ends[thread, 0])
        keeps = end + n <= inputs.kept_ends[thread, 1]
        at = end if keeps else at
    following = example_at(first + min(r + AHEAD, r1 - 1), order)
    indices, values = span(inputs.csr_indices, at, n), span(inputs.csr_values, at, n)
    if inputs.kind:
        prefetch_all(inputs.integers[following])
        x = example_row(inputs, X, example, thread)
        count = compact(x, x, inputs.offsets, indices, values)
    else:
        count = compact(X[example], X[following], inputs.offsets, indices, values)
    inputs.csr_starts[r], inputs.csr_counts[r] = at, count
    for part in range(parts):
        inputs.csr_parts[r, part] = first_entry(indices, count, inputs.edges[part])
    if keeps:
        for part in range(parts):
            inputs.kept_parts[example, part] = inputs.csr_parts[r, part]
        inputs.kept_starts[example], inputs.kept_counts[example] = at, count
        inputs.kept_ends[thread, 0] = at + count


@inner
def first_entry(index: Any, count: Any, feature: Any) -> Any:
    """The first entry of a row whose feature is not below this one: they are in order."""
    k, end = np.int64(0), np.int64(count)
    while k < end:
        middle = (k + end) // 2
        if index[middle] < feature:
            k = middle + 1
        else:
            end = middle
    return k


@inlined
def row_of(inputs: Any, r: Any) -> Any:
    """Row r of CSR: features, values, and how many there are."""
    at, count = np.int64(inputs.csr_starts[r]), np.int64(inputs.csr_counts[r])
    return span(inputs.csr_indices, at, count), span(inputs.csr_values, at, count), count


@inner
def prefetch_row(inputs: Any, r: Any) -> None:
    """Ask for row r of CSR: those that are kept come from all over memory."""
    if inputs.kept_starts.size != 0:
        prefetch_entries(inputs, np.int64(inputs.csr_starts[r]), 0, np.int64(inputs.csr_counts[r]))


@inner
def prefetch_part(inputs: Any, example: Any, part: Any) -> None:
    """Ask for a part of an example's row that is kept."""
    if inputs.kept_starts.size != 0 and inputs.kept_starts[example] >= 0:
        parts = inputs.kept_parts[example]
        end = inputs.kept_counts[example] if part + 1 == parts.size else parts[part + 1]
        prefetch_entries(inputs, np.int64(inputs.kept_starts[example]), np.int64(parts[part]), np.int64(end))


@inner
def prefetch_entries(inputs: Any, start: Any, first: Any, last: Any) -> None:
    """Ask for entries of the row that begins at `start`."""
    indices, values = inputs.csr_indices, inputs.csr_values
    for i in range(start + first, start + last, CACHE_LINE // indices.itemsize):
        prefetch(indices, i)
    for i in range(start + first, start + last, CACHE_LINE // values.itemsize):
        prefetch(values, i)


@inlined
def prefetch_all(x: Any) -> None:
    """Ask for all cache lines of a row."""
    for i in range(0, x.size, CACHE_LINE // x.itemsize):
        prefetch(x, i)


@inner
def prefetch_targets(Y: Any, order: Any, first: Any, r0: Any, r1: Any) -> None:
    """Ask for the targets of examples r0 … r1: they come from all over memory, and each would be waited for."""
    noinline()
    lanes = CACHE_LINE // Y.itemsize
    for r in range(r0, r1):
        y = Y[example_at(first + r, order)]
        for i in range(0, y.size, lanes):
            prefetch(y, i)


@inlined
def dense_rows(inputs: Any, X: Any, order: Any, first: Any, rows: Any) -> Any:
    """The rows of a dense batch: gathered, or those of X itself if that is their order."""
    if order.size != 0:
        return block(inputs.rows, 0, rows, 0, X.shape[1])
    return block(X, first, rows, 0, X.shape[1])


@inner
def build_csc(inputs: Any, rows: Any, part: Any, factor: Any, thread: Any) -> None:
    """CSC of a part of the features from the first `rows` rows of CSR, with all values times `factor`.

    Some features at a time, so that what is written to stays in the nearest cache.
    """
    noinline()
    f0, f1 = np.int64(inputs.edges[part]), np.int64(inputs.edges[part + 1])
    for i in range(f0, f1):
        inputs.scaled_offsets[i] = factor * inputs.offsets[i]
    at = inputs.cursors[thread]
    for start in range(0, rows, CSC_EXAMPLES):
        count = min(CSC_EXAMPLES, rows - start)
        counts = inputs.csc_counts[start // CSC_EXAMPLES]
        for i in range(f0, f1):
            counts[i] = 0
        for r in range(count):
            at[r] = inputs.csr_parts[start + r, part]
        g1 = f0
        while g1 < f1:
            g1 = min(g1 + STRIPE, f1)
            for r in range(count):
                at[r] = append(inputs, start, r, np.int64(at[r]), g1, factor)


@inlined
def append(inputs: Any, start: Any, r: Any, k: Any, end: Any, factor: Any) -> Any:
    """Add row ``start + r`` to CSC, from its k-th entry to the features below `end`; the entry after these."""
    chunk = start // CSC_EXAMPLES
    counts, examples, values = inputs.csc_counts[chunk], inputs.csc_indices[chunk], inputs.csc_values[chunk]
    index, value, count = row_of(inputs, start + r)
    while k < count and index[k] < end:
        feature = np.int64(index[k])
        at = feature * CSC_EXAMPLES + counts[feature]
        examples[at] = r
        values[at] = factor * value[k]
        counts[feature] += 1
        k += 1
    return k
