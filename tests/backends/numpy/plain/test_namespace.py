"""The namespace of the plain programs is NumPy's, to the bit and the dtype."""

import array_api_compat.numpy as whole
import numpy as np
import pytest

from gpunet_numpy.plain.namespace import xp

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


def test_all_else_is_numpy_s():
    assert {name for name in vars(whole) if vars(xp)[name] is not vars(whole)[name]} == {
        "sum",
        "max",
        "stack",
    }
