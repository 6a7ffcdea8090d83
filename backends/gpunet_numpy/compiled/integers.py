"""Rows of small integers as numbers: X stays as it is in memory, and becomes numbers where it is read.

A row of pixels takes a quarter of the memory that it takes in float32, and as much less of the way from memory, which
is what training on them waits for. The numbers are, to the bit, those of
:class:`gpunet.core.integer_columns.IntegerColumns`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from gpunet_numpy.compiled.codes import INT8, INT16, STORED, UINT8, UINT16
from gpunet_numpy.compiled.intrinsics import inlined, inner, instructions, noinline, rounded
from gpunet_numpy.compiled.views import data_of


def _number_at(row, i, kind, like):  # type: ignore[no-untyped-def]
    return like.dtype.type(row.view(STORED[kind])[i])


@instructions(_number_at, literals=True)
def number_at(typing, row, i, kind, like):  # type: ignore[no-untyped-def]
    """The i-th integer of a row of bytes, in the dtype of `like`; `kind` is a constant."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        stored = np.dtype(STORED[signature.args[2].literal_value])
        pointer = builder.bitcast(data_of(builder, args[0]), ir.IntType(8 * stored.itemsize).as_pointer())
        integer = builder.load(builder.gep(pointer, [args[1]]))
        real = context.get_value_type(like.dtype)
        return builder.sitofp(integer, real) if stored.kind == "i" else builder.uitofp(integer, real)

    return like.dtype(row, types.int64, kind, like), generate


@rounded
def standardized(x: Any, mean: Any, deviation: Any) -> Any:
    """``(x − mean) / deviation``; fast-math would allow a product with 1 / deviation."""
    return (x - mean) / deviation


@inner
def number_row(inputs: Any, example: Any, thread: Any) -> None:
    """The numbers of an example into a row of the thread's own."""
    noinline()
    row, out = inputs.integers[example], inputs.numbers[thread]
    if inputs.kind == UINT8:
        for i in range(out.size):
            out[i] = number_at(row, i, UINT8, out)
    elif inputs.kind == INT8:
        for i in range(out.size):
            out[i] = number_at(row, i, INT8, out)
    elif inputs.kind == UINT16:
        for i in range(out.size):
            out[i] = number_at(row, i, UINT16, out)
    else:
        for i in range(out.size):
            out[i] = number_at(row, i, INT16, out)
    for i in range(inputs.mean.size):
        out[i] = standardized(out[i], inputs.mean[i], inputs.deviation[i])


@inlined
def example_row(inputs: Any, X: Any, example: Any, thread: Any) -> Any:
    """An example as a row of numbers: of X, or a row of the thread's own until its next one."""
    if not inputs.kind:
        return X[example]
    number_row(inputs, example, thread)
    return inputs.numbers[thread]
