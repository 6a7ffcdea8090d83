"""The matrix products of a chunk of a batch: forward, backward, and the gradients of the weights.

float32 has no matrix units of its own. A float32 value is the sum of three bfloat16 values
(``kernels/common/parts.cuh``), and six products of such parts, added up in float32, are as exact as a float32
product, to a small factor, and faster (Ootomo and Yokota 2022 do so with two float16 values and three products). The
product of the largest parts alone is that of the values rounded to bfloat16. Smaller batches are cut into more
products of less work, so that all multiprocessors have some; the kernels that read a product add up its partial sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gpunet.core.plan import Plan
from gpunet_cupy.cublas import Matrix, product
from gpunet_cupy.sources import Macro, device_context
from gpunet_cupy.support import braces

Run = Callable[[Any], None]

# Which parts each pair multiplies, in ascending order of size: (1, 3), (3, 1), (2, 2), (1, 2), (2, 1), (1, 1).
LEFT, RIGHT = (0, 2, 1, 0, 1, 0), (2, 0, 1, 1, 0, 0)
PAIRS = len(LEFT)
SEPARATE = 2048  # examples: up to here, each pair of the forward pass has a product of its own
FIRST_BFLOAT16 = 80  # compute capability of the first GPUs whose matrix units take bfloat16
PIECE = 1024  # examples whose gradients matrix units add up, for the pair of the largest parts
LONG_PIECE = 4096  # the same where it is the only pair: its rounding to bfloat16 is the larger error
FULL_WAVE = 18  # pieces of a large batch: with the tiles of a common layer (784 × 256) they fill a large GPU
LARGE = 16384  # examples; from here on all pairs are cut into pieces
ALIGNED = 64  # examples; pieces are multiples of it, as the tiles of matrix units are


class Buffers(NamedTuple):
    """Arrays that the products of a chunk read and write.

    Attributes
    ----------
    inputs : list of array
        ``A[0]``, ``A[1]``, …: left factors, the inputs of each layer with a product.
    Z : list of array
        Partial sums of each layer's product.
    deltas : list of array
        Right factors, ``δ[1]``, ``δ[2]``, …
    dA : list of array or None
        Partial sums of ``W[l]ᵀ δ[l]``, from the second layer on.
    gradients : array
        Partial sums of the gradients of the weights of all layers with a product.
    """

    inputs: list[Any]
    Z: list[Any]
    deltas: list[Any]
    dA: list[Any]
    gradients: Any


def pitch(n: int) -> int:
    """Values from one copy of a row of n parts to the next."""
    return -(-n // 8) * 8


class Bfloat16Products:
    """Products of float32 arrays by bfloat16 parts.

    Parameters
    ----------
    plan : Plan
    layers : int
        How many layers have products.
    chunk : int
        Examples at a time.
    pairs : int
        How many pairs of parts are multiplied: all of them have about float32's error; 1 rounds to bfloat16.
    """

    dtype = "uint16"  # of what is multiplied

    def __init__(self, plan: Plan, layers: int, chunk: int, pairs: int = PAIRS) -> None:
        self.sizes = list(plan.sizes)
        self.layers, self.chunk, self.pairs = layers, chunk, pairs
        self.Z_partials = pairs if chunk <= SEPARATE else 1
        # At most, for any number of examples up to `chunk`: see `gradient_products`.
        piece = piece_length(pairs)
        self.partials = pairs + (0 if chunk <= piece else chunk // piece + 2 * FULL_WAVE)
        self.right_at, self.left_at = [], []
        at = 0
        for l in range(layers):
            self.right_at.append(at)
            at += self.sizes[l + 1] * self.row(l)
        for l in range(layers):
            self.left_at.append(at)
            at += pitch(self.sizes[l + 1]) * self.row(l) if l else 0
        self.weights_size = at

    def row(self, l: int) -> int:
        """Values of an example's row of ``A[l]``, or of ``δ[l]``."""
        return self.pairs * pitch(self.sizes[l])

    def macros(self) -> dict[str, Macro]:
        """What ``common/parts.cuh`` needs."""
        left, right = LEFT[-self.pairs :], RIGHT[-self.pairs :]
        return {"PAIRS": self.pairs, "LEFT": braces(*left), "RIGHT": braces(*right)}

    def forward(self, buffers: Buffers, weights: Any, l: int, m: int) -> Run:
        """``Z[l + 1] = A[l] W[l + 1]ᵀ``."""
        n, k = self.sizes[l + 1], pitch(self.sizes[l])
        if self.Z_partials == 1:
            batch, k, apart = 1, self.pairs * k, 0
        else:
            batch, apart = self.pairs, k
        return product(
            "NT",
            Matrix(buffers.Z[l], n, self.chunk * n),
            Matrix(buffers.inputs[l], self.row(l), apart),
            Matrix(weights[self.right_at[l] :], self.row(l), apart),
            (m, n, k),
            batch=batch,
            dtype="bfloat16",
        )

    def backward(self, buffers: Buffers, weights: Any, l: int, m: int) -> Run:
        """The gradient of ``A[l]``: ``δ[l + 1] W[l + 1]``."""
        return product(
            "NN",
            Matrix(buffers.dA[l], self.sizes[l]),
            Matrix(buffers.deltas[l], self.row(l + 1)),
            Matrix(weights[self.left_at[l] :], pitch(self.sizes[l])),
            (m, self.sizes[l], self.row(l + 1)),
            dtype="bfloat16",
        )

    def gradient_partials(self, m: int) -> int:
        """Partial sums of the gradient of m examples."""
        return sum(one.batch for one in gradient_products(m, self.pairs) if not one.accumulate)

    def gradient(self, buffers: Buffers, l: int, m: int, accumulate: bool) -> Run:
        """Partial sums of ``∂J/∂W[l + 1] = δ[l + 1]ᵀ A[l]``."""
        rows, columns = self.sizes[l + 1], self.sizes[l]
        size = rows * columns
        at = self.partials * sum(self.sizes[i] * self.sizes[i + 1] for i in range(l))
        out = buffers.gradients[at : at + self.partials * size]

        def factor(stored: Any, l: int, one: GradientProduct) -> Matrix:
            apart = pitch(self.sizes[l]) if one.over_pairs else one.examples * self.row(l)
            start = one.first * self.row(l) + one.pair * pitch(self.sizes[l])
            return Matrix(stored[start:], self.row(l), apart)

        runs = [
            product(
                "TN",
                Matrix(out[one.slot * size :], columns, size),
                factor(buffers.deltas[l], l + 1, one),
                factor(buffers.inputs[l], l, one),
                (rows, columns, one.examples),
                batch=one.batch,
                dtype="bfloat16",
                accumulate=accumulate or one.accumulate,
            )
            for one in gradient_products(m, self.pairs)
        ]

        def run(handle: Any) -> None:
            for one in runs:
                one(handle)

        return run


class GradientProduct(NamedTuple):
    """Some products of which a gradient is the sum.

    Attributes
    ----------
    slot : int
        Which partial sum is the first one's.
    batch : int
        How many there are.
    examples : int
        Examples of each.
    first, pair : int
        The first one's first example, and its pair of parts.
    over_pairs : bool
        Whether the next one has the next pair, or else the same pair and the next examples.
    accumulate : bool
        Whether they are added to partial sums that are there.
    """

    slot: int
    batch: int
    examples: int
    first: int
    pair: int
    over_pairs: bool
    accumulate: bool = False


def piece_length(pairs: int) -> int:
    """Examples whose gradients matrix units add up, of the pair of the largest parts."""
    return LONG_PIECE if pairs == 1 else PIECE


def gradient_products(m: int, pairs: int) -> list[GradientProduct]:
    """The products for m examples.

    Matrix units lose bits where they add up many terms that are small beside the sum. So the pair of the largest
    parts is cut into pieces of about :func:`piece_length` examples, whose sums are added in float32. The other pairs,
    if there are any, are smaller by a factor of 256 and more, and so are their errors: their pieces are as long as
    keeps all multiprocessors busy.
    """
    main, piece = pairs - 1, piece_length(pairs)
    if m <= piece:
        return [GradientProduct(0, pairs, m, 0, 0, over_pairs=True)]
    if m < LARGE:
        pieces, done = m // piece, m // piece * piece
        found = [GradientProduct(0, main, m, 0, 0, over_pairs=True)] if main else []
        found.append(GradientProduct(main, pieces, piece, 0, main, over_pairs=False))
        if m > done:
            found.append(GradientProduct(main + pieces, 1, m - done, done, main, over_pairs=False))
        return found
    waves = max(round(m / piece / FULL_WAVE), 1)
    pieces = FULL_WAVE * waves
    length = m // pieces
    length -= length % min(ALIGNED, length)
    found = [
        GradientProduct(0, FULL_WAVE, waves * length, 0, pair, over_pairs=False, accumulate=pair > 0)
        for pair in range(main)
    ]
    slot = FULL_WAVE if main else 0
    found.append(GradientProduct(slot, pieces, length, 0, main, over_pairs=False))
    done = pieces * length
    if m > done:
        found.append(GradientProduct(slot + pieces, pairs, m - done, done, 0, over_pairs=True))
    return found


class PlainProducts:
    """Products of arrays as they are: float64, TF32, and float32 where matrix units have no bfloat16.

    Parameters are those of :class:`Bfloat16Products`.
    """

    pairs = 0
    Z_partials = partials = 1
    weights_size = 0

    def __init__(self, plan: Plan, layers: int, chunk: int) -> None:
        self.sizes = list(plan.sizes)
        self.layers, self.dtype = layers, plan.dtype
        self.compute = "tf32" if plan.precision == "tf32" else None
        self.at = [sum(self.sizes[i] * self.sizes[i + 1] for i in range(l)) for l in range(layers)]

    def row(self, l: int) -> int:
        """Values of an example's row of ``A[l]``, or of ``δ[l]``."""
        return self.sizes[l]

    def macros(self) -> dict[str, Macro]:
        """What ``common/parts.cuh`` needs."""
        return {"PAIRS": 0}

    def forward(self, buffers: Buffers, weights: Any, l: int, m: int) -> Run:
        """``Z[l + 1] = A[l] W[l + 1]ᵀ``."""
        n, k = self.sizes[l + 1], self.sizes[l]
        operands = Matrix(buffers.Z[l], n), Matrix(buffers.inputs[l], k), Matrix(weights[self.at[l] :], k)
        return product("NT", *operands, (m, n, k), dtype=self.dtype, compute=self.compute)

    def backward(self, buffers: Buffers, weights: Any, l: int, m: int) -> Run:
        """The gradient of ``A[l]``: ``δ[l + 1] W[l + 1]``."""
        n, k = self.sizes[l], self.sizes[l + 1]
        operands = Matrix(buffers.dA[l], n), Matrix(buffers.deltas[l], k), Matrix(weights[self.at[l] :], n)
        return product("NN", *operands, (m, n, k), dtype=self.dtype, compute=self.compute)

    def gradient_partials(self, m: int) -> int:
        """Partial sums of the gradient of m examples."""
        return 1

    def gradient(self, buffers: Buffers, l: int, m: int, accumulate: bool) -> Run:
        """``∂J/∂W[l + 1] = δ[l + 1]ᵀ A[l]``."""
        rows, columns = self.sizes[l + 1], self.sizes[l]
        out = Matrix(buffers.gradients[self.at[l] :], columns)
        factors = Matrix(buffers.deltas[l], rows), Matrix(buffers.inputs[l], columns)
        return product(
            "TN",
            out,
            *factors,
            (rows, columns, m),
            dtype=self.dtype,
            compute=self.compute,
            accumulate=accumulate,
        )


Products = Bfloat16Products | PlainProducts


def has_bfloat16(device: str) -> bool:
    """Whether the matrix units of a device take bfloat16 and TF32."""
    return int(device_context(device).compute_capability) >= FIRST_BFLOAT16


def products_for(plan: Plan, device: str, layers: int, chunk: int) -> Products:
    """The products of the first `layers` layers of a plan on a device, for `chunk` examples at a time."""
    if plan.dtype != "float32" or plan.precision == "tf32" or not has_bfloat16(device):
        return PlainProducts(plan, layers, chunk)
    return Bfloat16Products(plan, layers, chunk, 1 if plan.precision == "bfloat16" else PAIRS)
