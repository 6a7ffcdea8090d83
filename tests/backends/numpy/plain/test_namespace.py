"""The namespace of the plain programs is NumPy's, to the bit and the dtype."""

import array_api_compat.numpy as whole
import numpy as np
import pytest

import gpunet as gn
from gpunet_numpy.plain.namespace import FEW, xp

RNG = np.random.default_rng(0)
ARRAYS = [
    RNG.standard_normal((7, 301)).astype("float32"),
    RNG.standard_normal((7, 301)).T,
    RNG.integers(-100, 100, (3, 50)).astype("int8"),
    RNG.random((3, 50)) < 0.5,
    np.float32(2.5),
]


def same(a, b):
    return np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype and np.shape(a) == np.shape(b)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "max"])
def test_reductions(name, axis, keepdims):
    for A in ARRAYS:
        if axis is None or np.ndim(A) == 2:
            given = {"axis": axis, "keepdims": keepdims}
            assert same(getattr(xp, name)(A, **given), getattr(whole, name)(A, **given))
    assert same(xp.sum(ARRAYS[0], axis=1, dtype="float64"), whole.sum(ARRAYS[0], axis=1, dtype="float64"))
    assert np.isnan(xp.max(np.array([1.0, np.nan, 2.0])))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stack(axis):
    for A in ARRAYS:
        if axis == 0 or np.ndim(A):
            assert same(xp.stack([A, A[..., ::-1] if np.ndim(A) else A], axis=axis),
                        whole.stack([A, A[..., ::-1] if np.ndim(A) else A], axis=axis))  # fmt: skip
    assert xp.stack([np.float32(1.0), np.float32(2.0)]).dtype == "float32"


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f8", "float16"])
@pytest.mark.parametrize("other", [0.0, -0.0, 0, 1.5, np.float32(0.0), "array"])
def test_where(other, dtype):
    """Every bit: signs of zeros and what is not a number stay, and only what is chosen shows."""
    rng = np.random.default_rng(1)
    Z, dA = (rng.standard_normal((7, FEW)).astype(dtype) for _ in range(2))
    Z[0, :4] = dA[1, :4] = dA[:4, 2] = 0.0, -0.0, np.nan, np.inf
    other = np.flip(dA) if isinstance(other, str) else other
    before = dA.copy()
    for condition in (Z > 0, np.asfortranarray(Z > 0), Z[0] > 0, 3 * (Z > 0).astype(np.int8)):
        for x in (dA, np.asfortranarray(dA), dA[:, ::-1]):
            found, expected = xp.where(condition, x, other), np.where(condition, x, other)
            assert found.dtype == expected.dtype and found.strides == expected.strides
            assert found.tobytes() == expected.tobytes()
    assert xp.where(Z[0, 0] > 0, 2.0, 0.0) == 0.0
    assert dA.tobytes() == before.tobytes()


@pytest.mark.parametrize("more", [0, 1])
def test_where_few_numbers_are_chosen_from(more):
    x = np.ones(FEW + more)
    assert (xp.where(np.zeros(FEW + more, bool), x, 0.0).base is None) == (not more)  # a view of integers


def test_it_is_the_backend_s():
    assert gn.get_backend("numpy").namespace() is xp


def test_all_else_is_numpy_s():
    assert {name for name in vars(whole) if vars(xp)[name] is not vars(whole)[name]} == {
        "sum",
        "max",
        "stack",
        "where",
    }
