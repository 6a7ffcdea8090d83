"""Matrix products by tiles, against NumPy: every size of a tile, every edge, transposed or not."""

import numpy as np
import pytest

from gpunet_numpy.compiled import products
from gpunet_numpy.compiled.layout import aligned
from gpunet_numpy.compiled.threads import SCRATCH, Team, _gemm_address

pytestmark = pytest.mark.slow

GUARD = 77.0


def team_of(dtype):
    """With memory for products that is not clean."""
    scratch = aligned(SCRATCH, dtype=np.int64)
    scratch[:] = -1  # NaN
    return Team(0, 1, _gemm_address(dtype), np.zeros((2, 8), np.int64), 0, scratch)


def guarded(values):
    """The same numbers in rows that are longer, between others."""
    rows, columns = values.shape
    memory = np.full((rows + 2, columns + 7), GUARD, values.dtype)
    inside = memory[1:-1, 3 : 3 + columns]
    inside[...] = values
    return memory, inside


@pytest.fixture(scope="module")
def multiply(from_python):
    """``multiply(A, transposed, B, transposed, keep, factor, out)``; nothing beside `out` is written to."""
    from numba import njit

    from array_views import unowned
    from gpunet_numpy.compiled.intrinsics import OPTIONS, block

    @njit(**OPTIONS)
    def call(team, factor, A, transposed_A, B, transposed_B, keep, out):
        team, A, B, out = unowned((team, A, B, out))
        a = block(A, 1, A.shape[0] - 2, 3, A.shape[1] - 7)
        b = block(B, 1, B.shape[0] - 2, 3, B.shape[1] - 7)
        o = block(out, 1, out.shape[0] - 2, 3, out.shape[1] - 7)
        products.multiply(team, factor, a, transposed_A, b, transposed_B, keep, o)

    return call


ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 31)
COLUMNS = (1, 3, 4, 5, 15, 16, 17, 33, 48, 50, 63, 64, 65, 100, 128, 145)
TERMS = (1, 2, 7, 127, 128, 129, 300)
CASES = [
    (rows, COLUMNS[(i + 5 * j) % len(COLUMNS)], TERMS[(i + j) % len(TERMS)])
    for i, rows in enumerate(ROWS)
    for j in range(5)
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1)])
def test_products(transposed, dtype, multiply, from_python):
    team, rng = team_of(dtype), np.random.default_rng(0)
    near = {"rtol": 2e-5, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}
    number = np.dtype(dtype).type
    for case, (rows, columns, terms) in enumerate(CASES):
        keep, factor = ((0, 1), (1, -0.25), (0.5, 1))[case % 3]
        A, B = (
            rng.standard_normal((rows, terms)).astype(dtype),
            rng.standard_normal((terms, columns)).astype(dtype),
        )
        before = rng.standard_normal((rows, columns)).astype(dtype)
        if keep == 0:
            before[:] = np.nan
        expected = factor * (A.astype("float64") @ B) + (keep * before if keep else 0)
        (a, _), (b, _), (o, inside) = (
            guarded(one) for one in (A.T if transposed[0] else A, B.T if transposed[1] else B, before)
        )
        multiply(team, number(factor), a, transposed[0], b, transposed[1], number(keep), o)
        np.testing.assert_allclose(inside, expected, **near)
        inside[...] = GUARD
        assert (o == GUARD).all(), "it wrote beside the result"


@pytest.mark.parametrize("widest", [True, False])
def test_rows_are_made_of_tiles(widest):
    """Two heights make up any even number; an odd one leaves one row of a tile empty."""
    for rows in range(1, 200):
        left, covered = rows, 0
        while left > 0:
            height = products.height_of.py_func(left, widest)
            covered, left = covered + height, left - height
        assert covered - rows <= ((rows % 2 if rows > 3 else 4 - rows) if widest else 5)
