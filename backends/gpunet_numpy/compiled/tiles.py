"""Sums of scaled rows: the products of the compiled programs that no BLAS has.

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
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vectors:
    """LLVM's vectors of `size` bytes, and what is done with them at addresses."""

    def __init__(self, builder: Any, real: Any, size: int) -> None:
        self.builder, self.real = builder, real
        self.item = 4 if isinstance(real, ir.FloatType) else 8
        self.lanes = size // self.item
        self.type = ir.VectorType(real, self.lanes)
        self.zero = ir.Constant(self.type, None)

    def pointer(self, address: Any, type_: Any) -> Any:
        return self.builder.inttoptr(address, type_.as_pointer())

    def number(self, address: Any, k: Any) -> Any:
        """The k-th number at an address."""
        where = self.builder.add(address, self.builder.mul(k, I64(self.item)))
        return self.builder.load(self.pointer(where, self.real))

    def load(self, address: Any) -> Any:
        return self.builder.load(self.pointer(address, self.type), align=self.item)

    def store(self, vector: Any, address: Any) -> None:
        self.builder.store(vector, self.pointer(address, self.type), align=self.item)

    def splat(self, number: Any) -> Any:
        empty = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(empty, number, I32(0))
        return self.builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(I32, self.lanes), None))

    def times(self, number: Any, vector: Any) -> Any:
        return self.builder.fmul(self.splat(number), vector, flags=FLAGS)

    def plus(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y, flags=FLAGS)

    def loop(self, sums: list[Any], first: Any, last: Any, step: int, body: Any) -> tuple[list[Any], Any]:
        """``sums = body(k, sums)`` for k = first, first + step, … below last; the sums, and where it stopped."""
        builder = self.builder
        before = builder.block
        head, inside, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, now = builder.phi(I64), [builder.phi(self.type) for _ in sums]
        k.add_incoming(first, before)
        builder.cbranch(builder.icmp_signed("<", k, last), inside, done)
        builder.position_at_end(inside)
        for phi, start, more in zip(now, sums, body(k, now), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(more, inside)
        k.add_incoming(builder.add(k, I64(step)), inside)
        builder.branch(head)
        builder.position_at_end(done)
        return now, k


@intrinsic(prefer_literal=True)
def _tile(typing, size, out, keep, rows, stride, index, scale, count):  # type: ignore[no-untyped-def]
    """One tile of :func:`add_rows`, `size` bytes wide (a constant)."""
    sig = types.void(size, types.int64, keep, *([types.int64] * 5))

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, out, keep, rows, stride, index, scale, count = args
        v = Vectors(builder, keep.type, size.literal_value)
        ways = min(TILE // size.literal_value, 4)  # sums side by side, where one would wait for itself

        def add_some(k, sums):  # type: ignore[no-untyped-def]
            more = []
            for way, total in enumerate(sums):
                at = builder.add(k, I64(way))
                which = builder.load(v.pointer(builder.add(index, builder.mul(at, I64(4))), I32))
                row = builder.add(rows, builder.mul(builder.sext(which, I64), stride))
                more.append(v.plus(total, v.times(v.number(scale, at), v.load(row))))
            return more

        together = builder.sub(count, builder.srem(count, I64(ways)))
        sums, k = v.loop([v.zero] * ways, I64(0), together, ways, add_some)
        total = sums[0]
        for more in sums[1:]:
            total = v.plus(total, more)
        if ways > 1:
            (total,), _ = v.loop([total], k, count, 1, add_some)
        # The old value comes last, and no flag lets LLVM move it: small terms would lose their last bits to a large one
        # that was there first.
        old = v.times(keep, v.load(out))
        drops = builder.fcmp_ordered("==", keep, keep.type(0))  # whatever was there, NaN too
        total = builder.fadd(total, builder.select(drops, v.zero, old))
        v.store(total, out)
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


@intrinsic(prefer_literal=True)
def _back_tile(typing, size, e, a, keep, rate, rows, stride, d, count):  # type: ignore[no-untyped-def]
    """One tile of :func:`back_and_step`."""
    sig = types.void(size, types.int64, types.int64, keep, rate, *([types.int64] * 4))

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, e, a, keep, rate, rows, stride, d, count = args
        v = Vectors(builder, keep.type, size.literal_value)
        step = v.times(builder.fneg(rate), v.load(a))

        def one_row(k, sums):  # type: ignore[no-untyped-def]
            at = builder.add(rows, builder.mul(k, stride))
            row, error = v.load(at), v.number(d, k)
            v.store(v.plus(v.times(keep, row), v.times(error, step)), at)
            return [v.plus(sums[0], v.times(error, row))]

        (total,), _ = v.loop([v.zero], I64(0), count, 1, one_row)
        v.store(total, e)
        return context.get_dummy_value()

    return sig, generate


@njit(**INNER)
def back_and_step(
    e: Any, a: Any, size: Any, keep: Any, rate: Any, rows: Any, stride: Any, d: Any, count: Any
) -> None:
    """``e ← Wᵀ d``, then ``W ← keep · W − rate · d aᵀ``: one way through the rows of W instead of two."""
    apart()
    c = 0
    while c + 256 <= size:
        _back_tile(256, e + c, a + c, keep, rate, rows + c, stride, d, count)
        c += 256
    while c < size:
        _back_tile(64, e + c, a + c, keep, rate, rows + c, stride, d, count)
        c += 64
