"""Sums of scaled rows: the one product of the compiled programs that no BLAS has.

``out ← keep · out + Σ_k c_k row[index_k]`` is a sparse example's ``W x``, a feature's gradient over the examples
that have it, the correction of exact SGD in blocks, and ``Wᵀ δ``. The sum stays in registers, in tiles of 512
bytes: LLVM makes of one such vector as many registers as the processor needs.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from gpunet_numpy.compiled.machine import INNER, apart

TILE = 512  # bytes: half of the registers of AVX-512, all that AVX2 has
LANE = 64  # bytes: rows are padded to whole ones
FLAGS = ("contract", "nsz", "arcp", "reassoc")


@intrinsic(prefer_literal=True)
def _tile(typing, size, out, keep, rows, stride, index, scale, count):  # type: ignore[no-untyped-def]
    """One tile of :func:`add_rows`, `size` bytes wide (a constant)."""
    sig = types.void(size, types.int64, keep, *([types.int64] * 5))

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, out, keep, rows, stride, index, scale, count = args
        real, i32, i64 = keep.type, ir.IntType(32), ir.IntType(64)
        item = 4 if isinstance(real, ir.FloatType) else 8
        lanes = size.literal_value // item
        vector = ir.VectorType(real, lanes)
        ways = min(TILE // size.literal_value, 4)  # sums side by side, where one would wait for itself
        empty, zero = ir.Constant(vector, ir.Undefined), ir.Constant(vector, None)

        def at(address, type_):  # type: ignore[no-untyped-def]
            return builder.inttoptr(address, type_.as_pointer())

        def splat(x):  # type: ignore[no-untyped-def]
            first = builder.insert_element(empty, x, i32(0))
            return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(i32, lanes), None))

        def scaled_row(k):  # type: ignore[no-untyped-def]
            i = builder.load(at(builder.add(index, builder.mul(k, i64(4))), i32))
            c = builder.load(at(builder.add(scale, builder.mul(k, i64(item))), real))
            row = builder.add(rows, builder.mul(builder.sext(i, i64), stride))
            return builder.fmul(splat(c), builder.load(at(row, vector), align=item), flags=FLAGS)

        def loop(sums, first, last, step):  # type: ignore[no-untyped-def]
            """Add rows first, first + step, … below last; the sums, and where it stopped."""
            before = builder.block
            head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
            builder.branch(head)
            builder.position_at_end(head)
            k, now = builder.phi(i64), [builder.phi(vector) for _ in sums]
            k.add_incoming(first, before)
            builder.cbranch(builder.icmp_signed("<", k, last), body, done)
            builder.position_at_end(body)
            for w, (phi, start) in enumerate(zip(now, sums, strict=True)):
                phi.add_incoming(start, before)
                row = scaled_row(builder.add(k, i64(w)))
                phi.add_incoming(builder.fadd(phi, row, flags=FLAGS), body)
            k.add_incoming(builder.add(k, i64(step)), body)
            builder.branch(head)
            builder.position_at_end(done)
            return now, k

        # What keep = 0 drops may be anything, NaN too.
        drops = builder.fcmp_ordered("==", keep, real(0))
        old = builder.fmul(splat(keep), builder.load(at(out, vector), align=item), flags=FLAGS)
        start = builder.select(drops, zero, old)
        together = builder.sub(count, builder.srem(count, i64(ways)))
        sums, k = loop([start, *[zero] * (ways - 1)], i64(0), together, ways)
        total = sums[0]
        for more in sums[1:]:
            total = builder.fadd(total, more, flags=FLAGS)
        if ways > 1:
            (total,), _ = loop([total], k, count, 1)
        builder.store(total, at(out, vector), align=item)
        return context.get_dummy_value()

    return sig, generate


@njit(**INNER)
def add_rows(
    out: Any, size: Any, keep: Any, rows: Any, stride: Any, index: Any, scale: Any, count: Any
) -> None:
    """``out ← keep · out + Σ_k scale_k rows[index_k]`` over `count` rows.

    All but `keep` are addresses, or bytes: a row of `size`, which is a multiple of `LANE`, every `stride`.
    """
    apart()
    c = 0
    while c + 512 <= size:
        _tile(512, out + c, keep, rows + c, stride, index, scale, count)
        c += 512
    if c + 256 <= size:
        _tile(256, out + c, keep, rows + c, stride, index, scale, count)
        c += 256
    if c + 128 <= size:
        _tile(128, out + c, keep, rows + c, stride, index, scale, count)
        c += 128
    if c < size:
        _tile(64, out + c, keep, rows + c, stride, index, scale, count)
