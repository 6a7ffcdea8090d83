"""Products with one or a few examples, and weighted sums of rows, against NumPy."""

import numpy as np
import pytest

from gpunet_numpy.compiled import gemv, simd
from gpunet_numpy.compiled.layout import aligned
from gpunet_numpy.compiled.sizes import WIDEST

pytestmark = pytest.mark.slow

DTYPES = ("float32", "float64")


def near(dtype):
    return {"rtol": 3e-5, "atol": 3e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-12}


def padded(rng, rows, n, dtype):
    """Rows that are padded to whole cache lines, and their first n columns: random numbers."""
    memory = aligned(rows, -(-n // 16) * 16, dtype=dtype)
    memory[:, :n] = rng.standard_normal((rows, n))
    return memory, memory[:, :n]


@pytest.fixture(scope="module")
def row_sum(from_python):
    """`weighted_row_sum` of rows that are padded."""
    from numba import njit

    from array_views import unowned
    from gpunet_numpy.compiled.intrinsics import OPTIONS, block, span

    @njit(**OPTIONS)
    def call(out, keep, rows, n, index, weights, count):
        out, rows, index, weights = unowned((out, rows, index, weights))
        simd.weighted_row_sum(
            span(out, 0, n), keep, block(rows, 0, rows.shape[0], 0, n), index, weights, count
        )

    return call


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 40, 64, 72, 90, 100, 130, 300])
def test_weighted_row_sum(n, dtype, row_sum):
    rng = np.random.default_rng(n)
    one = np.dtype(dtype).type(1)
    memory, rows = padded(rng, 20, n, dtype)
    for count in (0, 1, 2, 3, 4, 5, 7, 8, 20):
        index = rng.integers(0, 20, max(count, 1)).astype(np.int32)
        weights = rng.standard_normal(max(count, 1)).astype(dtype)
        for keep in (0, 1, 0.3):
            (room,), (out,) = padded(rng, 1, n, dtype)
            expected = keep * out + weights[:count].astype("float64") @ rows[index[:count]].astype("float64")
            row_sum(room, one * keep, memory, n, index, weights, count)
            assert np.allclose(out, expected, **near(dtype))


def test_weighted_row_sum_drops_what_it_does_not_keep(row_sum):
    rng = np.random.default_rng(0)
    memory, rows = padded(rng, 3, 40, "float32")
    (room,), (out,) = padded(rng, 1, 40, "float32")
    out[::2] = np.nan
    index, weights = np.arange(3, dtype=np.int32), np.ones(3, "float32")
    row_sum(room, np.float32(0), memory, 40, index, weights, 3)
    assert np.allclose(out, rows.sum(axis=0), atol=1e-6)
    out[5] = np.inf
    row_sum(room, np.float32(0.5), memory, 40, index, weights, 3)
    assert out[5] == np.inf
    rows[1, 7] = np.nan
    row_sum(room, np.float32(0), memory, 40, index, weights, 3)
    assert np.isnan(out[7])
    assert np.isfinite(np.delete(out, 7)).all()


@pytest.mark.parametrize("n", [8, 40, 200])
def test_the_old_value_is_added_last(n, row_sum):
    """Small terms are summed before they meet a large one, which would round each of them away."""
    rows, out = np.full((4, 256), 0.4, "float32"), np.full(256, 2.0**24, "float32")
    index = np.zeros(40, np.int32)
    row_sum(out, np.float32(1), rows, n, index, np.ones(40, "float32"), 40)
    assert (out[:n] == 2.0**24 + 16).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [3, 16, 70, 150])
def test_back_and_update(n, dtype):
    from numba import njit

    from array_views import unowned
    from gpunet_numpy.compiled.intrinsics import OPTIONS, block, span

    @njit(**OPTIONS)
    def call(e, a, keep, rate, W, d, n):
        e, a, W, d = unowned((e, a, W, d))
        simd.back_and_update(span(e, 0, n), span(a, 0, n), keep, rate, block(W, 0, W.shape[0], 0, n), d)

    rng = np.random.default_rng(n)
    one = np.dtype(dtype).type(1)
    memory, W = padded(rng, 9, n, dtype)
    ((e_room,), (e,)), ((a_room,), (a,)) = (padded(rng, 1, n, dtype) for _ in range(2))
    d = rng.standard_normal(9).astype(dtype)
    expected_e, expected_W = d @ W, 0.9 * W - 0.05 * np.outer(d, a)
    call(e_room, a_room, one * 0.9, one * 0.05, memory, d, n)
    assert np.allclose(e, expected_e, **near(dtype))
    assert np.allclose(W, expected_W, **near(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (9, 4)])
def test_matrix_and_vector(shape, dtype, from_python):
    rng = np.random.default_rng(0)
    W = rng.standard_normal(shape).astype(dtype)
    x, d = rng.standard_normal(shape[1]).astype(dtype), rng.standard_normal(shape[0]).astype(dtype)
    z, e = np.full(shape[0], np.nan, dtype), np.full(shape[1], np.nan, dtype)
    from_python(gemv.matrix_vector)(W, x, z)
    from_python(gemv.vector_matrix)(d, W, e)
    assert np.allclose(z, W @ x, **near(dtype))
    assert np.allclose(e, d @ W, **near(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaled_rows(dtype, from_python):
    rng = np.random.default_rng(0)
    D, factors = rng.standard_normal((4, 9)).astype(dtype), rng.standard_normal(4)
    E = np.empty_like(D)
    from_python(gemv.scale_rows)(E, D, factors)
    assert np.allclose(E, factors[:, None] * D, **near(dtype))


@pytest.fixture(scope="module")
def scatter(from_python):
    """`scatter` to rows that are padded."""
    from numba import njit

    from array_views import unowned
    from gpunet_numpy.compiled.intrinsics import OPTIONS, block, span

    @njit(**OPTIONS)
    def call(out, row, n, index, weights, entries, features):
        out, row, index, weights = unowned((out, row, index, weights))
        rows = block(out, 0, out.shape[0], 0, n)
        return simd.scatter(rows, span(row, 0, n), index, weights, entries, features)

    return call


ADDED = [
    (n, dtype)
    for dtype, counts in (("float32", (1, 16, 17, 40, 64, 100, 128)), ("float64", (1, 8, 9, 32, 40, 64)))
    for n in counts
    if n * np.dtype(dtype).itemsize <= WIDEST
]


@pytest.mark.parametrize(("n", "dtype"), ADDED)
def test_scatter(n, dtype, scatter):
    """From an entry on, up to a feature or the last entry; rows beside these stay as they are."""
    rng = np.random.default_rng(n)
    index = np.array([2, 3, 5, 9, 10, 14], np.int32)
    weights = rng.standard_normal(6).astype(dtype)
    entries = {(0, 6): 6, (3, 6): 6, (3, 5): 5, (2, 6): 6}
    cases = [(k, count, 0, 20, end) for (k, count), end in entries.items()]
    cases += [(0, 6, 0, 9, 3), (3, 6, 9, 10, 4), (3, 6, 9, 11, 5), (2, 6, 4, 5, 2), (6, 6, 15, 20, 6)]
    for k, count, f0, f1, end in cases:
        memory, out = padded(rng, 20, n, dtype)
        (row,), (d,) = padded(rng, 1, n, dtype)
        expected = out.astype("float64")
        for j in range(k, end):
            expected[index[j] - f0] += weights[j].astype("float64") * d
        assert scatter(memory, row, n, index, weights, (k, count), (f0, f1)) == end
        assert np.allclose(out, expected, **near(dtype))
