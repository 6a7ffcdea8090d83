"""Views: numba's arrays without owners, and the intrinsics that make them and call BLAS."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import njit, types
from numba.core.errors import TypingError

from array_views import unowned
from gpunet_numpy.blas_threads import with_blas_threads
from gpunet_numpy.compiled.intrinsics import OPTIONS, block, cast, gemm, inner, matrix, span
from gpunet_numpy.compiled.threads import _gemm_address
from gpunet_numpy.compiled.views import View


class Struct(NamedTuple):
    count: int
    M: Any
    nested: Any


class Nested(NamedTuple):
    v: Any
    factor: float


@inner
def total(struct):
    """Sum of all numbers, by plain indexing."""
    found = 0.0
    for i in range(struct.M.shape[0]):
        row = struct.M[i]
        for k in range(row.size):
            found += row[k] * struct.count
    for k in range(struct.nested.v.size):
        found += struct.nested.v[k] * struct.nested.factor
    return found


def test_structs_of_arrays_reach_inner_functions(from_python):
    rng = np.random.default_rng(0)
    M, v = rng.standard_normal((4, 7)), rng.standard_normal(5)
    struct = Struct(3, M, Nested(v, 0.5))
    assert np.isclose(from_python(total)(struct), 3 * M.sum() + 0.5 * v.sum())


@njit(**OPTIONS)
def writes(T, v):
    T, v = unowned(T), unowned(v)
    some = block(matrix(T[1, 0], 2, 3, 4), 1, 2, 1, 3)
    some[1][2] = 5.0
    row = some[0]
    for i in range(row.size):
        row[i] = -1.0
    span(v, 3, 2)[1] = 7.0


def test_views_of_views_share_memory():
    T, v = np.zeros((2, 2, 20)), np.zeros(9)
    writes(T, v)
    M = np.zeros((3, 4))
    M[1, 1:] = -1
    M[2, 3] = 5
    expected = np.zeros((2, 2, 20))
    expected[1, 0, 2:14] = M.ravel()
    assert np.array_equal(T, expected)
    assert np.array_equal(v, [0, 0, 0, 0, 7, 0, 0, 0, 0])


def test_views_are_a_type_of_their_own():
    view = View(types.float32, 2, "A")
    assert view.indexed(1) == View(types.float32, 1, "C")
    assert view.indexed(2) == types.float32
    assert View(types.float32, 3, "C").indexed(1) == View(types.float32, 2, "C")
    assert view != types.Array(types.float32, 2, "A")


@njit(**OPTIONS)
def indexes(T, M, v, i, k, l):
    T, M, v = unowned(T), unowned(M), unowned(v)
    T[i, k, l] = T[i][k, l] + T[i, k][l] + 100 * T[i][k][l]
    some = block(M, 1, M.shape[0] - 1, 2, M.shape[1] - 2)
    some[k, l] = 7 + some[0, 1]
    M[i, 0] = v[l]
    v[0] = some.size
    v[1] = T.size
    v[2] = T.itemsize
    v[3] = T.shape[0] + 10 * T.shape[1] + 100 * T.shape[2] + 1000 * some.shape[0] + 10000 * some.shape[1]
    v[4] = T[1].size + 1000 * T[1].shape[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [np.int64, np.int32])
def test_indices_are_those_of_arrays(dtype, index):
    i, k, l = 1, 2, 3
    rng = np.random.default_rng(0)
    T, M, v = (rng.standard_normal(shape).astype(dtype) for shape in ((2, 3, 5), (5, 7), 9))
    expected = [T.copy(), M.copy(), v.copy()]
    expected[0][i, k, l] = T[i, k, l] + T[i, k, l] + 100 * T[i, k, l]
    expected[1][1 + k, 2 + l] = 7 + M[1, 3]
    expected[1][i, 0] = v[l]
    expected[2][:5] = [4 * 5, 30, T.itemsize, 2 + 30 + 500 + 4000 + 50000, 15 + 5000]
    indexes(T, M, v, index(i), index(k), index(l))
    for got, wanted in zip((T, M, v), expected, strict=True):
        assert np.allclose(got, wanted, rtol=1e-6)


def test_an_index_that_is_no_number_is_refused():
    @njit(**OPTIONS)
    def sliced(v):
        return unowned(v)[1:]

    @njit(**OPTIONS)
    def row_set(M):
        unowned(M)[0] = 1.0

    for function in (sliced, row_set):
        with pytest.raises(TypingError):
            function(np.zeros((3, 3)))


def test_views_count_no_references():
    """What a kernel is called with is as often referred to afterwards as before, even if it fails to return."""
    import sys

    T, v = np.zeros((2, 2, 20)), np.zeros(9)
    before = sys.getrefcount(T), sys.getrefcount(v)
    for _ in range(100):
        writes(T, v)
    assert (sys.getrefcount(T), sys.getrefcount(v)) == before
    assert "NRT_incref" not in "".join(writes.inspect_llvm().values())


@njit(**OPTIONS)
def product(blas, alpha, A, transpose_A, B, transpose_B, beta, C, rows, columns):
    A, B, C = unowned(A), unowned(B), unowned(C)
    gemm(blas, alpha, A, transpose_A, B, transpose_B, beta, block(C, 1, rows, 2, columns))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_gemm(transposed, dtype):
    rng = np.random.default_rng(0)
    m, n, k = 3, 5, 4

    def drawn(rows, columns):
        return rng.standard_normal((rows, columns)).astype(dtype)

    a, b = transposed
    A, B = drawn(*((k, m) if a else (m, k))), drawn(*((n, k) if b else (k, n)))
    for beta in (0.0, 0.5):
        C = drawn(m + 2, n + 4)
        C[2, 3] = np.nan if beta == 0 else 1  # β = 0 drops what was there
        expected = C.copy()
        old = 0 if beta == 0 else beta * C[1 : m + 1, 2 : n + 2]
        expected[1 : m + 1, 2 : n + 2] = 2 * (A.T if a else A) @ (B.T if b else B) + old
        with_blas_threads(1, product, _gemm_address(dtype), 2, A, a, B, b, beta, C, m, n)
        assert np.allclose(C, expected, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-5)


@njit(**OPTIONS)
def third(x):
    return cast(1, x) / cast(3, x)


def test_casts_keep_precision():
    assert third(np.float32(0)) == np.float32(1) / np.float32(3)
    assert third(np.float64(0)) == 1 / 3
    assert third(np.zeros(1, "float32")) == np.float32(1) / np.float32(3)
