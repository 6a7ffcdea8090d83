"""What numba has no function for, each with its meaning in Python.

An intrinsic is a short piece of LLVM's instructions. Without compilation (``NUMBA_DISABLE_JIT=1``) the Python
function that stands before it runs in its place, so it is also the place to read what the intrinsic does.

Kernels do not count references: nothing in them owns an array, and threads that share one would fight over its count.
So arrays cannot be allocated in them; the caller of a kernel passes all buffers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from gpunet.core import dropout
from gpunet_numpy.compiled.compiler import InnerCompiler, KernelCompiler
from gpunet_numpy.compiled.kernels import PYTHON
from gpunet_numpy.compiled.sizes import CACHE_LINE, ON_X86
from gpunet_numpy.compiled.views import View, data_of, make_view, row_bytes, shape_of

# Kernels reorder sums (so that they vectorise) but keep NaN and infinity, which the training loop looks for.
FASTMATH = {"contract", "nsz", "arcp", "reassoc"}
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FASTMATH, "error_model": "numpy", "_nrt": False}
NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
KERNEL: dict[str, Any] = {**OPTIONS, **NO_WRAPPERS, "pipeline_class": KernelCompiler}
INNER: dict[str, Any] = {
    **OPTIONS,
    **NO_WRAPPERS,
    "pipeline_class": InnerCompiler,
    "forceinline": False,  # a function would take it over from the caller that it is first compiled for
}

I32, I64 = ir.IntType(32), ir.IntType(64)
BYTE_POINTER = ir.IntType(8).as_pointer()


def kernel(function: Callable[..., Any]) -> Any:
    """Decorator: a function that :class:`gpunet_numpy.compiled.kernels.Kernel` calls."""
    return njit(**KERNEL)(function)


def inner(function: Callable[..., Any]) -> Any:
    """Decorator: a function that only kernels call. An entry from Python would take longer to compile than it."""
    return _for_any_number(njit(**INNER)(function))


def inlined(function: Callable[..., Any]) -> Any:
    """Decorator: an inner function whose body takes the place of each call: loops over few numbers, and short names."""
    return _for_any_number(njit(**INNER | {"forceinline": True})(function))


def rounded(function: Callable[..., Any]) -> Any:
    """Decorator: the same for what must be rounded as it stands, operation by operation: without fast-math."""
    return _for_any_number(njit(**INNER | {"forceinline": True, "fastmath": False})(function))


def _for_any_number(function: Any) -> Any:
    """The same code for an argument of 1 as for other integers: numba would compile it for that one as well."""
    if not PYTHON:
        given = function.get_call_template
        function.get_call_template = lambda args, kws: given(tuple(map(types.unliteral, args)), kws)
    return function


def instructions(meaning: Callable[..., Any], *, literals: bool = False) -> Callable[[Any], Any]:
    """Decorator: an intrinsic, and the Python function that takes its place without compilation.

    With `literals`, constant arguments are known when code is generated.
    """
    return lambda lowering: meaning if PYTHON else intrinsic(prefer_literal=literals)(lowering)


# Views of arrays. Plain indexing, ``M[i]`` or ``A[t, l]``, makes views as well; slices would take long to compile.
# All matrices that these make have one type, so that what takes them is compiled once.


def _span(v, first, count):  # type: ignore[no-untyped-def]
    return v[first : first + count]


@instructions(_span)
def span(typing, v, first, count):  # type: ignore[no-untyped-def]
    """`count` numbers of a vector from `first` on."""
    kind = View(v.dtype, 1, "C")

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = builder.gep(data_of(builder, args[0]), [args[1]])
        return make_view(context, builder, kind, data, [args[2]])

    return kind(v, types.intp, types.intp), generate


def _matrix(v, first, rows, columns):  # type: ignore[no-untyped-def]
    return v[first : first + rows * columns].reshape(rows, columns)


@instructions(_matrix)
def matrix(typing, v, first, rows, columns):  # type: ignore[no-untyped-def]
    """A matrix whose rows follow each other in a vector from `first` on."""
    kind = View(v.dtype, 2, "A")

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        v, first, rows, columns = args
        stride = builder.mul(columns, I64(kind.dtype.bitwidth // 8))
        data = builder.gep(data_of(builder, v), [first])
        return make_view(context, builder, kind, data, [rows, columns], stride)

    return kind(v, types.intp, types.intp, types.intp), generate


def _room(words, like, rows, columns):  # type: ignore[no-untyped-def]
    return words.view(like.dtype)[: rows * columns].reshape(rows, columns)


@instructions(_room)
def room(typing, words, like, rows, columns):  # type: ignore[no-untyped-def]
    """A matrix of numbers like one that is given, in memory of int64 words."""
    kind = View(like, 2, "A")

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        words, _, rows, columns = args
        data = builder.bitcast(data_of(builder, words), context.get_data_type(like).as_pointer())
        stride = builder.mul(columns, I64(like.bitwidth // 8))
        return make_view(context, builder, kind, data, [rows, columns], stride)

    return kind(words, like, types.intp, types.intp), generate


def _block(M, row, rows, column, columns):  # type: ignore[no-untyped-def]
    return M[row : row + rows, column : column + columns]


@instructions(_block)
def block(typing, M, row, rows, column, columns):  # type: ignore[no-untyped-def]
    """Some rows and columns of a matrix."""
    kind = View(M.dtype, 2, "A")

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        M, row, rows, column, columns = args
        data, stride = data_of(builder, M), row_bytes(builder, signature.args[0], M)
        first = builder.gep(builder.bitcast(data, BYTE_POINTER), [builder.mul(row, stride)])
        data = builder.gep(builder.bitcast(first, data.type), [column])
        return make_view(context, builder, kind, data, [rows, columns], stride)

    return kind(M, *[types.intp] * 4), generate


def _cast(x, like):  # type: ignore[no-untyped-def]
    return like.dtype.type(x)


@instructions(_cast)
def cast(typing, x, like):  # type: ignore[no-untyped-def]
    """The number x in the dtype of `like`, an array or a number: 1 would make a float32 expression float64."""
    dtype = like.dtype if isinstance(like, View | types.Array) else like

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return context.cast(builder, args[0], signature.args[0], dtype)

    return dtype(x, like), generate


def _itemsize(x):  # type: ignore[no-untyped-def]
    return x.itemsize


@instructions(_itemsize)
def itemsize(typing, x):  # type: ignore[no-untyped-def]
    """Bytes of a number."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return I64(context.get_abi_sizeof(args[0].type))

    return types.int64(x), generate


def _gemm(blas, alpha, A, transpose_A, B, transpose_B, beta, C):  # type: ignore[no-untyped-def]
    product = alpha * ((A.T if transpose_A else A) @ (B.T if transpose_B else B))
    C[...] = product if beta == 0 else product + beta * C


@instructions(_gemm)
def gemm(typing, blas, alpha, A, transpose_A, B, transpose_B, beta, C):  # type: ignore[no-untyped-def]
    """A call of BLAS at an address. Rows of a matrix are contiguous, and may come at any distance.

    A Fortran BLAS sees each row-major matrix as its transpose, so the operands change places. All of its
    arguments are pointers; they point into this function's stack frame.
    """
    number, flag = C.dtype, types.intp
    sig = types.void(types.intp, number, A, flag, B, flag, number, C)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        function, alpha, A, transpose_A, B, transpose_B, beta, C = args
        byte = ir.IntType(8)
        item = context.get_abi_sizeof(context.get_data_type(number))

        def stored(value):  # type: ignore[no-untyped-def]
            slot = cgutils.alloca_once(builder, value.type)
            builder.store(value, slot)
            return builder.bitcast(slot, BYTE_POINTER)

        def size(value):  # type: ignore[no-untyped-def]
            return stored(builder.trunc(value, I32))

        def letter(flag):  # type: ignore[no-untyped-def]
            yes = builder.icmp_signed("!=", flag, flag.type(0))
            return stored(builder.select(yes, byte(ord("T")), byte(ord("N"))))

        def operand(position, array):  # type: ignore[no-untyped-def]
            kind = signature.args[position]
            data, shape = data_of(builder, array), shape_of(builder, kind, array)
            leading = builder.sdiv(row_bytes(builder, kind, array), I64(item))
            return builder.bitcast(data, BYTE_POINTER), shape, size(leading)

        a, shape_A, lda = operand(2, A)
        b, _, ldb = operand(4, B)
        c, (m, n), ldc = operand(7, C)
        transposed = builder.icmp_signed("!=", transpose_A, transpose_A.type(0))
        k = builder.select(transposed, shape_A[0], shape_A[1])
        kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER] * 13)
        builder.call(
            builder.inttoptr(function, kind.as_pointer()),
            [
                *(letter(transpose_B), letter(transpose_A), size(n), size(m), size(k), stored(alpha)),
                *(b, ldb, a, lda, stored(beta), c, ldc),
            ],
        )
        return context.get_dummy_value()

    return sig, generate


# What threads tell each other: a number in a cache line of each thread's own.


def _store_flag(flags, thread, value):  # type: ignore[no-untyped-def]
    flags[thread, 0] = value


@instructions(_store_flag)
def store_flag(typing, flags, thread, value):  # type: ignore[no-untyped-def]
    """Set a thread's flag; what was written before is visible to a thread that reads the flag (release)."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store_atomic(args[2], _flag(builder, args), "release", 8)
        return context.get_dummy_value()

    return types.void(flags, types.intp, types.int64), generate


def _load_flag(flags, thread):  # type: ignore[no-untyped-def]
    return flags[thread, 0]


@instructions(_load_flag)
def load_flag(typing, flags, thread):  # type: ignore[no-untyped-def]
    """A thread's flag."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load_atomic(_flag(builder, args), "acquire", 8)

    return types.int64(flags, types.intp), generate


def _flag(builder: Any, args: Any) -> Any:
    return builder.gep(data_of(builder, args[0]), [builder.mul(args[1], args[1].type(CACHE_LINE // 8))])


def _sched_yield(address):  # type: ignore[no-untyped-def]
    time.sleep(0)


@instructions(_sched_yield)
def sched_yield(typing, address):  # type: ignore[no-untyped-def]
    """Offer the processor to other threads."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        function = ir.FunctionType(I32, [])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), generate


# Subnormal numbers, those below 1e-38 in float32: a processor may take a hundred times as long for each, and saturated
# neurons have many as their errors. A kernel begins with `flush_subnormals` and ends with `restore_subnormals`; one
# that is stopped before is on a thread of the pool, which runs nothing but kernels.

FLUSHES = 0x8040  # bits of MXCSR: results that are so small become 0, and operands count as 0


def _flush_subnormals():  # type: ignore[no-untyped-def]
    return 0


@instructions(_flush_subnormals)
def flush_subnormals(typing):  # type: ignore[no-untyped-def]
    """Let this thread take subnormal numbers for 0, where it runs on x86; returns what it did before."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        if not ON_X86:
            return I32(0)
        slot = cgutils.alloca_once(builder, I32)
        _control(builder, "st", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, I32(FLUSHES)), slot)
        _control(builder, "ld", slot)
        return before

    return types.int32(), generate


def _restore_subnormals(before):  # type: ignore[no-untyped-def]
    """The reverse of :func:`flush_subnormals`, with what that returned."""


@instructions(_restore_subnormals)
def restore_subnormals(typing, before):  # type: ignore[no-untyped-def]
    """The reverse of :func:`flush_subnormals`, with what that returned."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        if ON_X86:
            slot = cgutils.alloca_once(builder, I32)
            builder.store(args[0], slot)
            _control(builder, "ld", slot)
        return context.get_dummy_value()

    return types.void(types.int32), generate


def _control(builder: Any, way: str, slot: Any) -> None:
    """Store the register MXCSR to a slot in memory, or load it."""
    kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{way}mxcsr")
    builder.call(function, [builder.bitcast(slot, BYTE_POINTER)])


# Hints to the compiler and to the processor.


def _noinline():  # type: ignore[no-untyped-def]
    """Keep the calling function out of its callers' bodies: copies of it would take long to compile."""


@instructions(_noinline)
def noinline(typing):  # type: ignore[no-untyped-def]
    """Keep the calling function out of its callers' bodies: copies of it would take long to compile."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


def _prefetch(v, i):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``v[i]``, which will be read soon."""


@instructions(_prefetch)
def prefetch(typing, v, i):  # type: ignore[no-untyped-def]
    """Ask for the cache line of ``v[i]``, which will be read soon."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [BYTE_POINTER, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address = builder.gep(data_of(builder, args[0]), [args[1]])
        # to read, soon and again, data
        builder.call(function, [builder.bitcast(address, BYTE_POINTER), I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(v, types.intp), generate


def _bits_of(x):  # type: ignore[no-untyped-def]
    return np.float32(x).view(np.int32)


@instructions(_bits_of)
def bits_of(typing, x):  # type: ignore[no-untyped-def]
    """The bits of a float32, as an int32."""
    return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(args[0], I32)


def _hashed(row, rows_apart, column, key):  # type: ignore[no-untyped-def]
    x = ((row * rows_apart + column) * dropout.GOLDEN + int(key)) % 2**32
    x = (x ^ (x >> 16)) * dropout.FIRST % 2**32
    x = (x ^ (x >> 15)) * dropout.SECOND % 2**32
    return (x ^ (x >> 16)) >> 8


@instructions(_hashed)
def hashed(typing, row, rows_apart, column, key):  # type: ignore[no-untyped-def]
    """24 bits, a hash of a place in a matrix and a key; see :func:`gpunet.core.dropout.keep_mask`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        i, n, k = (builder.trunc(one, I32) for one in args[:3])
        x = builder.add(builder.mul(builder.add(builder.mul(i, n), k), I32(dropout.GOLDEN)), args[3])
        for shift, factor in ((16, dropout.FIRST), (15, dropout.SECOND)):
            x = builder.mul(builder.xor(x, builder.lshr(x, I32(shift))), I32(factor))
        return builder.lshr(builder.xor(x, builder.lshr(x, I32(16))), I32(8))

    return types.int32(types.int64, types.int64, types.int64, types.int32), generate


def _float_of(bits):  # type: ignore[no-untyped-def]
    return np.int32(bits).view(np.float32)


@instructions(_float_of)
def float_of(typing, bits):  # type: ignore[no-untyped-def]
    """The float32 that has these bits."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate
