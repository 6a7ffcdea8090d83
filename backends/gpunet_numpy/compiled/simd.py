"""Weighted sums of rows: the products of the compiled programs that no BLAS has.

``out ← keep · out + Σ_k weight_k row[index_k]`` is a sparse example's ``W x``, the gradient of a feature's weights over
the examples that have it, the correction of blocked SGD, and ``Wᵀ δ``. The sum stays in registers, a stretch of up to
512 bytes of every row at a time: LLVM makes of one such vector as many registers as the processor needs.

Rows are padded to whole cache lines, and `out` and all rows are read and written to the end of the last one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from gpunet_numpy.compiled.intrinsics import FASTMATH, I32, I64, cast, inner, instructions, noinline
from gpunet_numpy.compiled.sizes import CACHE_LINE, WIDEST
from gpunet_numpy.compiled.views import View, data_of, row_bytes, shape_of

FLAGS = tuple(sorted(FASTMATH))
PAIRED = WIDEST // 2  # of a row that takes another register beside each of its sums


class Vectors:
    """LLVM's vectors of `size` bytes, and what is done with them at addresses."""

    def __init__(self, builder: Any, real: Any, size: int) -> None:
        self.builder, self.real = builder, real
        self.item = 4 if isinstance(real, ir.FloatType) else 8
        self.lanes = size // self.item
        self.type = ir.VectorType(real, self.lanes)
        self.zero = ir.Constant(self.type, None)
        self.numbers = ir.Constant(ir.VectorType(I64, self.lanes), [I64(i) for i in range(self.lanes)])

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

    def splat_of(self, number: Any) -> Any:
        """The same of an integer, in as many lanes."""
        empty = ir.Constant(self.numbers.type, ir.Undefined)
        first = self.builder.insert_element(empty, number, I32(0))
        return self.builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(I32, self.lanes), None))

    def load_some(self, address: Any, mask: Any) -> Any:
        """Lanes of which a mask is true; 0 for all others, which are not read."""
        given = [self.pointer(address, self.type), I32(self.item), mask, self.zero]
        return self._masked("load", self.type, given)

    def store_some(self, vector: Any, address: Any, mask: Any) -> None:
        """The reverse: other lanes are not written to."""
        given = [vector, self.pointer(address, self.type), I32(self.item), mask]
        self._masked("store", ir.VoidType(), given)

    def _masked(self, name: str, result: Any, given: list[Any]) -> Any:
        kind = ir.FunctionType(result, [one.type for one in given])
        name = f"llvm.masked.{name}.v{self.lanes}f{8 * self.item}.p0"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), given)

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
        k, now = builder.phi(I64), [builder.phi(one.type) for one in sums]
        k.add_incoming(first, before)
        builder.cbranch(builder.icmp_signed("<", k, last), inside, done)
        builder.position_at_end(inside)
        for phi, start, following in zip(now, sums, body(k, now), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(following, inside)
        k.add_incoming(builder.add(k, I64(step)), inside)
        builder.branch(head)
        builder.position_at_end(done)
        return now, k


def addresses(builder: Any, signature: Any, args: Any) -> list[Any]:
    """Array arguments as the addresses of their first numbers, all others as they are."""
    return [
        builder.ptrtoint(data_of(builder, arg), I64) if isinstance(kind, View) else arg
        for kind, arg in zip(signature.args, args, strict=True)
    ]


def parts_of(builder: Any, real: Any, size: int) -> list[Any]:
    """Vectors that make up `size` bytes, and where each begins.

    LLVM has good code for vectors whose size is a power of two: 448 bytes are 256 + 128 + 64.
    """
    parts, at = [], 0
    for one in (512, 256, 128, 64):
        if size & one:
            parts.append((Vectors(builder, real, one), I64(at)))
            at += one
    return parts


def _sum_stretch(size, start, out, keep, rows, index, weights, count):  # type: ignore[no-untyped-def]
    item = out.itemsize
    here = out[start // item : (start + size) // item]  # ends with out, where that is not padded
    first, last = start // item, start // item + here.size
    old = here * (keep if keep != 0 else 0) if keep != 0 else 0
    here[:] = weights[:count] @ rows[index[:count], first:last] + old


def _add_up(builder, size, signature, args):  # type: ignore[no-untyped-def]
    """Code that sums `size` bytes of the rows."""
    _, start, out, keep, data, index, weights, count = addresses(builder, signature, args)
    stride = row_bytes(builder, signature.args[4], args[4])
    out, data = builder.add(out, start), builder.add(data, start)
    parts = parts_of(builder, keep.type, size)
    ways = min(WIDEST // size, 4)  # sums side by side, where one would wait for itself
    zeros = [v.zero for v, _ in parts]

    def add_some(k, sums):  # type: ignore[no-untyped-def]
        new = []
        for way in range(len(sums) // len(parts)):
            at = builder.add(k, I64(way))
            which = builder.load(first.pointer(builder.add(index, builder.mul(at, I64(4))), I32))
            row = builder.add(data, builder.mul(builder.sext(which, I64), stride))
            weight = first.number(weights, at)
            for (v, offset), total in zip(parts, sums[way * len(parts) :], strict=False):
                new.append(v.plus(total, v.times(weight, v.load(builder.add(row, offset)))))
        return new

    first = parts[0][0]
    together = builder.sub(count, builder.srem(count, I64(ways)))
    sums, k = first.loop(zeros * ways, I64(0), together, ways, add_some)
    totals = sums[: len(parts)]
    for way in range(1, ways):
        others = sums[way * len(parts) :]
        totals = [v.plus(x, y) for (v, _), x, y in zip(parts, totals, others, strict=False)]
    if ways > 1:
        totals, _ = first.loop(totals, k, count, 1, add_some)
    # The old value comes last, and no flag lets LLVM move it: small terms would lose their last bits to a large one
    # that was there first.
    drops = builder.fcmp_ordered("==", keep, keep.type(0))  # whatever was there, NaN too
    for (v, offset), total in zip(parts, totals, strict=True):
        here = builder.add(out, offset)
        old = v.times(keep, v.load(here))
        v.store(builder.fadd(total, builder.select(drops, v.zero, old)), here)


@instructions(_sum_stretch, literals=True)
def sum_stretch(typing, size, start, out, keep, rows, index, weights, count):  # type: ignore[no-untyped-def]
    """`size` bytes of :func:`weighted_row_sum`, a constant, from byte `start` on."""
    sig = types.void(size, types.int64, out, out.dtype, rows, index, weights, types.int64)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _add_up(builder, signature.args[0].literal_value, signature, args)
        return context.get_dummy_value()

    return sig, generate


@instructions(_sum_stretch)
def sum_rest(typing, size, start, out, keep, rows, index, weights, count):  # type: ignore[no-untyped-def]
    """The same for whole cache lines of any number below `WIDEST` bytes: there is code for each, of which one runs."""
    sig = types.void(types.int64, types.int64, out, out.dtype, rows, index, weights, types.int64)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        for one in range(CACHE_LINE, WIDEST, CACHE_LINE):
            with builder.if_then(builder.icmp_signed("==", args[0], I64(one))):
                _add_up(builder, one, signature, args)
        return context.get_dummy_value()

    return sig, generate


@inner
def weighted_row_sum(out: Any, keep: Any, rows: Any, index: Any, weights: Any, count: Any) -> None:
    """``out ← keep · out + Σ_k weights_k rows[index_k]`` over the first `count` of `index` and `weights`."""
    noinline()
    size = -(-out.size * out.itemsize // CACHE_LINE) * CACHE_LINE
    c = 0
    while c + WIDEST <= size:
        sum_stretch(WIDEST, c, out, keep, rows, index, weights, count)
        c += WIDEST
    # What is left in one go: the rows' numbers and weights are read once
    sum_rest(size - c, c, out, keep, rows, index, weights, count)


def _scatter_stretch(size, out, row, index, weights, one, k, count, first, end):  # type: ignore[no-untyped-def]
    while k < count and index[k] < end:
        out[index[k] - first] += weights[k] * row
        k += 1
    return k


def _add_to_rows(builder, size, signature, args):  # type: ignore[no-untyped-def]
    """Code that adds a row of `size` bytes to others; the entry before which it ends."""
    _, data, row, index, weights, one, k0, count, begin, last = addresses(builder, signature, args)
    stride = row_bytes(builder, signature.args[1], args[1])
    parts = parts_of(builder, one.type, size)
    first = parts[0][0]
    held = [v.load(builder.add(row, offset)) for v, offset in parts]
    before = builder.block
    names = ("head", "known", "body", "done")
    head, known, body, done = (builder.append_basic_block(name) for name in names)
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(I64)
    k.add_incoming(k0, before)
    builder.cbranch(builder.icmp_signed("<", k, count), known, done)
    builder.position_at_end(known)
    which = builder.load(first.pointer(builder.add(index, builder.mul(k, I64(4))), I32))
    feature = builder.sext(which, I64)
    builder.cbranch(builder.icmp_signed("<", feature, last), body, done)
    builder.position_at_end(body)
    here = builder.add(data, builder.mul(builder.sub(feature, begin), stride))
    weight = first.number(weights, k)
    for (v, offset), x in zip(parts, held, strict=True):
        place = builder.add(here, offset)
        v.store(v.plus(v.load(place), v.times(weight, x)), place)
    k.add_incoming(builder.add(k, I64(1)), body)
    builder.branch(head)
    builder.position_at_end(done)
    return k


@instructions(_scatter_stretch)
def scatter_stretch(typing, size, out, row, index, weights, one, k, count, first, end):  # type: ignore[no-untyped-def]
    """``out[index_k − first] += weights_k row`` from entry k on, below feature `end`.

    Rows have `size` bytes, whole cache lines up to `WIDEST`: there is code for each number of them, of which one runs.
    """
    sig = types.int64(types.int64, out, row, index, weights, one, *[types.int64] * 4)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        slot = cgutils.alloca_once_value(builder, args[6])
        for some in range(CACHE_LINE, WIDEST + 1, CACHE_LINE):
            with builder.if_then(builder.icmp_signed("==", args[0], I64(some))):
                builder.store(_add_to_rows(builder, some, signature, args), slot)
        return builder.load(slot)

    return sig, generate


@inner
def scatter(out: Any, row: Any, index: Any, weights: Any, entries: Any, features: Any) -> Any:
    """``out[index_k − f0] += weights_k row`` from entry k on, up to feature f1; the entry after the last one.

    Parameters
    ----------
    out, row : view
        Of `WIDEST` bytes at most.
    entries : tuple
        ``(k, count)``
    features : tuple
        ``(f0, f1)``
    """
    noinline()
    (k, count), (f0, f1) = entries, features
    size = -(-row.size * row.itemsize // CACHE_LINE) * CACHE_LINE
    return scatter_stretch(size, out, row, index, weights, cast(1, row), k, count, f0, f1)


def _back_stretch(size, start, e, a, keep, rate, W, d):  # type: ignore[no-untyped-def]
    first, last = start // e.itemsize, min((start + size) // e.itemsize, e.size)
    some = W[:, first:last]
    e[first:last] = d @ some
    some[:] = keep * some - rate * d[:, None] * a[first:last]


@instructions(_back_stretch, literals=True)
def back_stretch(typing, size, start, e, a, keep, rate, W, d):  # type: ignore[no-untyped-def]
    """`size` bytes of :func:`back_and_update`, from byte `start` on."""
    sig = types.void(size, types.int64, e, a, e.dtype, e.dtype, W, d)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _, start, e, a, keep, rate, W, d = addresses(builder, signature, args)
        stride = row_bytes(builder, signature.args[6], args[6])
        count = shape_of(builder, signature.args[6], args[6])[0]
        e, a, W = (builder.add(address, start) for address in (e, a, W))
        v = Vectors(builder, keep.type, size.literal_value)
        step = v.times(builder.fneg(rate), v.load(a))

        def one_row(k, sums):  # type: ignore[no-untyped-def]
            at = builder.add(W, builder.mul(k, stride))
            row, error = v.load(at), v.number(d, k)
            v.store(v.plus(v.times(keep, row), v.times(error, step)), at)
            return [v.plus(sums[0], v.times(error, row))]

        (total,), _ = v.loop([v.zero], I64(0), count, 1, one_row)
        v.store(total, e)
        return context.get_dummy_value()

    return sig, generate


@inner
def back_and_update(e: Any, a: Any, keep: Any, rate: Any, W: Any, d: Any) -> None:
    """``e ← Wᵀ d``, then ``W ← keep · W − rate · d aᵀ``: the rows of W are read once instead of twice."""
    noinline()
    size = -(-e.size * e.itemsize // CACHE_LINE) * CACHE_LINE
    c = 0
    while c + PAIRED <= size:
        back_stretch(PAIRED, c, e, a, keep, rate, W, d)
        c += PAIRED
    while c < size:
        back_stretch(64, c, e, a, keep, rate, W, d)
        c += 64
