"""Matrix products on one thread: tiles of the result whose sums stay in registers.

A call of BLAS copies both matrices into an order of its own first, which for the sizes of a layer takes up to half of
the time. Here the second matrix alone is copied, a stretch of its columns for some terms of the sums at a time, which
then stay in the processor's nearest cache; numbers of the first one are read where they are. (The scheme is that of
Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008, without the copy of A.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import config
from numba.core.codegen import get_host_cpu_features

from gpunet_numpy.compiled.intrinsics import (
    I32,
    I64,
    block,
    cast,
    gemm,
    inlined,
    inner,
    instructions,
    itemsize,
    noinline,
    prefetch,
    room,
)
from gpunet_numpy.compiled.simd import FLAGS, Vectors
from gpunet_numpy.compiled.sizes import CACHE_LINE, DEPTH, NARROW, TILE
from gpunet_numpy.compiled.views import data_of, row_bytes, shape_of

TALL, SHORT = 6, 4  # rows of a tile: all even numbers from 4 on are sums of these
SQUARE = 32  # bytes of a row of what is transposed in one go
FEW = 32  # rows: a copy of B is not worth its time
NEAR = 2**17  # bytes of A that lie in one of the nearer caches


def _tile_bytes():  # type: ignore[no-untyped-def]
    return TILE


@instructions(_tile_bytes)
def tile_bytes(typing):  # type: ignore[no-untyped-def]
    """Bytes of a tile's rows: 24 of the 32 registers of AVX-512 hold one, and 12 of the 16 of AVX2."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return I64(_widest())

    return types.int64(), generate


def _widest() -> int:
    features = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return TILE if "+avx512f" in features else CACHE_LINE


def _tile(a, transposed, size, B, keep, factor, out):  # type: ignore[no-untyped-def]
    product = factor * ((a.T if transposed else a) @ B[:, : out.shape[1]])
    out[...] = product if keep == 0 else product + keep * out


@instructions(_tile)
def tile(typing, a, transposed, size, B, keep, factor, out):  # type: ignore[no-untyped-def]
    """``out ← keep · out + factor · a B`` for `TALL` rows at most, of `size` bytes or less; `a` may be transposed.

    B has `size` bytes in a row: whole cache lines up to :func:`tile_bytes`. There is code for each size and height, of
    which one runs.
    """
    sig = types.void(a, types.intp, types.int64, B, out.dtype, out.dtype, out)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        widest = _widest()
        low = builder.icmp_signed("<=", shape_of(builder, signature.args[6], args[6])[0], I64(SHORT))
        for size in range(CACHE_LINE, widest + 1, CACHE_LINE):
            doubled = size == CACHE_LINE < widest
            with builder.if_then(builder.icmp_signed("==", args[2], I64(size))):
                if size < widest:
                    _Tile(builder, signature, args, TALL, size).write(doubled)
                    continue
                with builder.if_else(low) as (then, otherwise):
                    with then:
                        _Tile(builder, signature, args, SHORT, size).write(doubled)
                    with otherwise:
                        _Tile(builder, signature, args, TALL, size).write(doubled)
        return context.get_dummy_value()

    return sig, generate


class _Tile:
    """Code for a tile of so many rows, of `size` bytes each."""

    def __init__(self, builder: Any, signature: Any, args: Any, height: int, size: int) -> None:
        self.builder, self.height = builder, height
        a, transposed, _, B, self.keep, self.factor, out = args
        kinds = signature.args
        v = self.v = Vectors(builder, self.keep.type, CACHE_LINE)
        self.parts = [I64(at) for at in range(0, size, CACHE_LINE)]
        flipped = builder.icmp_signed("!=", transposed, transposed.type(0))
        apart, (m, n) = row_bytes(builder, kinds[0], a), shape_of(builder, kinds[0], a)
        self.terms = builder.select(flipped, m, n)
        self.rows, self.columns = shape_of(builder, kinds[6], out)
        to_row = builder.select(flipped, I64(v.item), apart)
        self.to_term = builder.select(flipped, apart, I64(v.item))
        self.b, self.to_row_of_B = self.address(B), row_bytes(builder, kinds[3], B)
        self.out, self.to_row_of_out = self.address(out), row_bytes(builder, kinds[6], out)
        # Beyond the last row it is read again.
        first, last = self.address(a), builder.sub(self.rows, I64(1))
        self.a = []
        for r in range(height):
            row = builder.select(builder.icmp_signed(">", I64(r), last), last, I64(r))
            self.a.append(builder.add(first, builder.mul(row, to_row)))

    def address(self, view: Any) -> Any:
        return self.builder.ptrtoint(data_of(self.builder, view), I64)

    def write(self, doubled: bool) -> None:
        """The sums, and what becomes of `out`.

        They are `doubled` where they are so few that each addition would wait for the one before.
        """
        builder, v = self.builder, self.v
        sums, k = [v.zero] * (self.height * len(self.parts)), I64(0)
        if doubled:
            even, some = builder.and_(self.terms, I64(-2)), len(sums)
            both, k = v.loop(sums * 2, k, even, 2, self.add_two_terms)
            sums = [v.plus(x, y) for x, y in zip(both[:some], both[some:], strict=True)]
        sums, _ = v.loop(sums, k, self.terms, 1, self.add_term)
        sums = [v.times(self.factor, one) for one in sums]
        drops = builder.fcmp_ordered("==", self.keep, self.keep.type(0))  # whatever was there, NaN too
        whole = builder.and_(
            builder.icmp_signed("==", self.rows, I64(self.height)),
            builder.icmp_signed("==", self.columns, I64(len(self.parts) * v.lanes)),
        )
        with builder.if_else(drops) as (new, old):
            with new, builder.if_else(whole) as (inside, at_the_edge):
                with inside:
                    self.store(sums, keeps=False)
                with at_the_edge:
                    self.store_edge(sums, keeps=False)
            with old, builder.if_else(whole) as (inside, at_the_edge):
                with inside:
                    self.store(sums, keeps=True)
                with at_the_edge:
                    self.store_edge(sums, keeps=True)

    def store(self, sums: list[Any], keeps: bool) -> None:
        v, some = self.v, len(self.parts)
        for r in range(self.height):
            for place, total in zip(self.places(r), sums[r * some : (r + 1) * some], strict=True):
                v.store(self.added(v.load(place), total) if keeps else total, place)

    def store_edge(self, sums: list[Any], keeps: bool) -> None:
        """The same where `out` has fewer rows or columns than the tile."""
        builder, v, some = self.builder, self.v, len(self.parts)
        left = builder.sub(self.columns, I64((some - 1) * v.lanes))
        there = builder.icmp_signed("<", v.numbers, v.splat_of(left))
        for r in range(self.height):
            with builder.if_then(builder.icmp_signed("<", I64(r), self.rows)):
                *before, last = self.places(r)
                *totals, total = sums[r * some : (r + 1) * some]
                for place, one in zip(before, totals, strict=True):
                    v.store(self.added(v.load(place), one) if keeps else one, place)
                total = self.added(v.load_some(last, there), total) if keeps else total
                v.store_some(total, last, there)

    def added(self, old: Any, total: Any) -> Any:
        """No flag lets LLVM add the old value first: small terms would lose their last bits to it."""
        return self.builder.fadd(total, self.v.times(self.keep, old))

    def places(self, r: int) -> list[Any]:
        row = self.builder.add(self.out, self.builder.mul(I64(r), self.to_row_of_out))
        return [self.builder.add(row, part) for part in self.parts]

    def add_term(self, k: Any, sums: list[Any]) -> list[Any]:
        builder, v = self.builder, self.v
        at, row = builder.mul(k, self.to_term), builder.add(self.b, builder.mul(k, self.to_row_of_B))
        B = [v.load(builder.add(row, part)) for part in self.parts]
        new = []
        for r, first in enumerate(self.a):
            number = v.splat(builder.load(v.pointer(builder.add(first, at), v.real)))
            for j, b in enumerate(B):
                new.append(v.plus(sums[r * len(B) + j], builder.fmul(number, b, flags=FLAGS)))
        return new

    def add_two_terms(self, k: Any, sums: list[Any]) -> list[Any]:
        some = len(sums) // 2
        following = self.builder.add(k, I64(1))
        return [*self.add_term(k, sums[:some]), *self.add_term(following, sums[some:])]


def _transpose_square(buffer, B, j, k):  # type: ignore[no-untyped-def]
    side = SQUARE // B.itemsize
    buffer[k : k + side, j : j + side] = B[j : j + side, k : k + side].T


@instructions(_transpose_square)
def transpose_square(typing, buffer, B, j, k):  # type: ignore[no-untyped-def]
    """Rows j, … and columns k, … of B to columns j, … and rows k, … of `buffer`, `SQUARE` bytes of each."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        buffer, B, j, k = args
        v = Vectors(builder, context.get_data_type(signature.args[0].dtype), SQUARE)

        def rows(place, view, row, column):  # type: ignore[no-untyped-def]
            stride = row_bytes(builder, signature.args[place], view)
            first = builder.ptrtoint(data_of(builder, view), I64)
            first = builder.add(first, builder.mul(column, I64(v.item)))
            return [builder.add(first, builder.mul(builder.add(row, I64(r)), stride)) for r in range(v.lanes)]

        # Rows i and i + n/2 in turns, number by number, make rows 2i and 2i + 1: after log₂ n times, each is a column.
        half, turns = v.lanes // 2, [side for i in range(v.lanes) for side in (i, v.lanes + i)]
        halves = [
            ir.Constant(ir.VectorType(I32, v.lanes), [I32(i) for i in some])
            for some in (turns[: v.lanes], turns[v.lanes :])
        ]
        held = [v.load(address) for address in rows(1, B, j, k)]
        for _ in range(v.lanes.bit_length() - 1):
            pairs = zip(held[:half], held[half:], strict=True)
            held = [builder.shuffle_vector(*pair, some) for pair in pairs for some in halves]
        for vector, address in zip(held, rows(0, buffer, k, j), strict=True):
            v.store(vector, address)
        return context.get_dummy_value()

    return types.void(buffer, B, types.intp, types.intp), generate


@inner
def pack_transposed(buffer: Any, B: Any) -> None:
    """``buffer ← Bᵀ``. What is left of its rows is not read.

    They are written some numbers at a time, so the next cache line of each is asked for: hardware does not foresee it.
    """
    noinline()
    n, terms = B.shape
    side = SQUARE // itemsize(cast(1, B))
    squares, steps = n - n % side, terms - terms % side
    lanes = CACHE_LINE // itemsize(cast(1, B))
    for j in range(0, squares, side):
        for k in range(0, steps, side):
            if j % lanes == 0 and j + lanes < n:
                for i in range(side):
                    prefetch(buffer[k + i], j + lanes)
            transpose_square(buffer, B, j, k)
    for j in range(n):
        row = B[j]
        for k in range(steps if j < squares else 0, terms):
            buffer[k, j] = row[k]


@inner
def pack(buffer: Any, B: Any) -> None:
    """``buffer ← B``, whose rows may come at any distance."""
    noinline()
    for k in range(B.shape[0]):
        row, b = buffer[k], B[k]
        for j in range(b.size):
            row[j] = b[j]


@inner
def ask_for_next(A: Any, transposed: Any, rows: Any, terms: Any) -> None:
    """Prefetch the numbers of the next tile: hardware does not foresee so short stretches of so many rows."""
    r, end = rows
    k, count = terms
    if r >= end:
        return
    if transposed:
        for i in range(k, k + count):
            prefetch(A[i], min(r + TALL, end) - 1)
    else:
        lanes = CACHE_LINE // itemsize(cast(1, A))
        for i in range(r, min(r + TALL, end)):
            for at in range(k, k + count, lanes):
                prefetch(A[i], at)


@inlined
def height_of(rows: Any, widest: Any) -> Any:
    """Rows of the next tile where so many are left, whether it has them all or not."""
    tall = not widest or rows > 2 * SHORT or rows == TALL or rows == TALL - 1
    return TALL if tall else SHORT


@inner
def multiply(
    team: Any, factor: Any, A: Any, transposed_A: Any, B: Any, transposed_B: Any, keep: Any, out: Any
) -> None:
    """``out ← keep · out + factor · A B``, of which A and B may be transposed."""
    noinline()
    rows, columns = out.shape
    if columns < NARROW or (transposed_A and rows < NARROW):
        gemm(team.gemm, factor, A, transposed_A, B, transposed_B, keep, out)
        return
    item = itemsize(factor)
    width, lanes = tile_bytes() // item, CACHE_LINE // item
    terms = A.shape[0] if transposed_A else A.shape[1]
    far = rows * terms * item > NEAR
    for k in range(0, terms, DEPTH):
        some = min(DEPTH, terms - k)
        kept = keep if k == 0 else cast(1, factor)
        for c in range(0, columns, width):
            across = min(width, columns - c)
            padded = -(-across // lanes) * lanes
            buffer = room(team.scratch, factor, some, padded)
            if rows <= FEW and not transposed_B and across == padded:
                buffer = block(B, k, some, c, across)
            elif transposed_B:
                pack_transposed(buffer, block(B, c, across, k, some))
            else:
                pack(buffer, block(B, k, some, c, across))
            r = 0
            while r < rows:
                here = min(height_of(rows - r, padded == width), rows - r)
                if far and c == 0:
                    ask_for_next(A, transposed_A, (r + here, rows), (k, some))
                some_out = block(out, r, here, c, across)
                some_A = block(A, k, some, r, here) if transposed_A else block(A, r, here, k, some)
                tile(some_A, transposed_A, padded * item, buffer, kept, factor, some_out)
                r += here
