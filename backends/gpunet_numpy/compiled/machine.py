"""What numba lacks: BLAS on raw addresses, barriers between threads, and an exponential that vectorises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

# Kernels reorder sums (so that they vectorise) but keep NaN and infinity, which the front looks for.
FAST = {"contract", "nsz", "arcp", "reassoc"}
OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": FAST, "error_model": "numpy"}
# Functions that only kernels call need no entry from Python, which would take longer to compile than they do.
INNER: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
LINE = 64  # bytes of a cache line: each thread's flag has one of its own
SPINS = 2000  # looks at a flag before the processor is offered to others


@intrinsic
def gemm(  # type: ignore[no-untyped-def]
    typing, address, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
):
    """``C ← α op(A) op(B) + β C``, row-major, on addresses; op transposes where its flag is not 0.

    A Fortran BLAS sees each row-major matrix as its transpose, so the operands change places. All of its
    arguments are pointers; they point into this function's stack frame.
    """
    sig = types.void(types.intp, *([types.intp] * 5), alpha, *([types.intp] * 4), beta, *([types.intp] * 2))

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        (fn, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) = args
        byte, word = ir.IntType(8), ir.IntType(32)
        pointer = byte.as_pointer()

        def kept(value):  # type: ignore[no-untyped-def]
            slot = cgutils.alloca_once(builder, value.type)
            builder.store(value, slot)
            return builder.bitcast(slot, pointer)

        def flag(value):  # type: ignore[no-untyped-def]
            yes = builder.icmp_signed("!=", value, value.type(0))
            return kept(builder.select(yes, byte(ord("T")), byte(ord("N"))))

        def whole(value):  # type: ignore[no-untyped-def]
            return kept(builder.trunc(value, word))

        def place(value):  # type: ignore[no-untyped-def]
            return builder.inttoptr(value, pointer)

        function = ir.FunctionType(ir.VoidType(), [pointer] * 13)
        builder.call(
            builder.inttoptr(fn, function.as_pointer()),
            [
                *(flag(tb), flag(ta), whole(n), whole(m), whole(k), kept(alpha)),
                *(place(b), whole(ldb), place(a), whole(lda), kept(beta), place(c), whole(ldc)),
            ],
        )
        return context.get_dummy_value()

    return sig, generate


@intrinsic
def _store_flag(typing, address, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        where = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        builder.store_atomic(args[1], where, "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _load_flag(typing, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        where = builder.inttoptr(args[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(where, "acquire", 8)

    return types.int64(types.int64), generate


@intrinsic
def _call(typing, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        function = ir.FunctionType(ir.IntType(32), [])
        builder.call(builder.inttoptr(args[0], function.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.intp), generate


# Kernels work on addresses: pointers made of them are indexed as arrays are, but count no references (an atomic
# write to one place in memory, which threads that share an array would fight over) and are quick to compile. Whoever
# calls a kernel keeps the arrays alive.


@intrinsic
def reals(typing, address, one):  # type: ignore[no-untyped-def]
    """The numbers at `address`, of the type of `one`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], args[1].type.as_pointer())

    return types.CPointer(one)(types.int64, one), generate


@intrinsic
def ints(typing, address):  # type: ignore[no-untyped-def]
    """The int32 at `address`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], ir.IntType(32).as_pointer())

    return types.CPointer(types.int32)(types.int64), generate


@intrinsic
def longs(typing, address):  # type: ignore[no-untyped-def]
    """The int64 at `address`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def real(typing, x, one):  # type: ignore[no-untyped-def]
    """The number x in the type of `one`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return context.cast(builder, args[0], signature.args[0], signature.args[1])

    return one(x, one), generate


@intrinsic
def bytes_of(typing, one):  # type: ignore[no-untyped-def]
    """Bytes of a number of the type of `one`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return ir.Constant(ir.IntType(64), context.get_abi_sizeof(args[0].type))

    return types.int64(one), generate


@intrinsic
def apart(typing):  # type: ignore[no-untyped-def]
    """Keep the calling function out of its callers' bodies: copies of it would take long to compile."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@njit(**INNER)
def barrier(flags: Any, give_way: Any, thread: Any, threads: Any, phase: Any) -> Any:
    """Wait until all threads have come to this phase; returns the number of the next.

    Flags only ever rise, one for each thread, so that nobody can be left behind. `give_way` is the address of
    the system's ``sched_yield``, or 0.
    """
    _store_flag(flags + LINE * thread, phase)
    for other in range(threads):
        spins = 0
        while _load_flag(flags + LINE * other) < phase:
            spins += 1
            if spins > SPINS and give_way != 0:
                _call(give_way)
    return phase + 1


@intrinsic
def _prefetch(typing, address):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        byte, i32 = ir.IntType(8), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        where = builder.inttoptr(args[0], byte.as_pointer())
        builder.call(function, [where, i32(0), i32(3), i32(1)])  # to read, soon and again, data
        return context.get_dummy_value()

    return types.void(types.int64), generate


@njit(**INNER)
def prefetch(address: Any, size: Any) -> None:
    """Ask for `size` bytes that will be read soon."""
    for line in range(0, size, LINE):
        _prefetch(address + line)


@intrinsic
def _bits(typing, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), generate


@intrinsic
def _float(typing, value):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


def exp(x: Any) -> Any:
    """``e^x`` inside kernels, in x's precision; saturates at the ends of the range, keeps NaN."""
    raise NotImplementedError("for kernels only")


LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.0)
LOG2_E = np.float32(1.4426950408889634)
ROUND = np.float32(1.5 * 2**23)  # adding it leaves the rounded number in the low bits
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is ln 2
# Minimax polynomial for (e^r − 1 − r)/r² on |r| ≤ ½ ln 2 (the coefficients of the Cephes library).
P0, P1, P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P3, P4, P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
ONE = np.float32(1.0)


@overload(exp, inline="never", jit_options={"fastmath": False, "nogil": True})
def _exp(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: math.exp(min(x, 709.0))

    def single(x):  # type: ignore[no-untyped-def]
        # x = n ln 2 + r, e^x = 2^n e^r
        if x < LOWEST:
            x = LOWEST
        if x > HIGHEST:
            x = HIGHEST
        shifted = x * LOG2_E + ROUND
        n = shifted - ROUND
        r = (x - n * LN2_HIGH) - n * LN2_LOW
        p = ((((P0 * r + P1) * r + P2) * r + P3) * r + P4) * r + P5
        power = _float((_bits(shifted) << np.int32(23)) + np.int32(0x3F800000))
        return (p * r * r + r + ONE) * power

    return single
