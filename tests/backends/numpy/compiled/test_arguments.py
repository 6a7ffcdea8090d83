"""How arguments reach machine code."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from gpunet_numpy.compiled.arguments import packed
from gpunet_numpy.compiled.intrinsics import kernel
from own_kernels import OwnKernel

DTYPES = ("float32", "float64", "int32", "int64", "uint8")


class Outer(NamedTuple):
    count: int
    nested: Any
    factor: Any


class Inner(NamedTuple):
    M: Any
    v: Any


@kernel
def tell(first, outer, T, pair, out):
    """All that came, number by number."""
    M, v = outer.nested.M, outer.nested.v
    out[0] = first
    out[1] = outer.count
    out[2] = outer.factor
    out[3] = pair[0]
    out[4] = pair[1][0]
    out[5] = T.shape[0]
    out[6] = T.shape[1]
    out[7] = T.shape[2]
    at = 8
    for i in range(M.shape[0]):
        for k in range(M.shape[1]):
            out[at] = M[i, k]
            at += 1
    for i in range(v.size):
        out[at] = v[i]
        at += 1
    for i in range(T.shape[0]):
        for k in range(T.shape[1]):
            for l in range(T.shape[2]):
                out[at] = T[i, k, l]
                at += 1
    v[0] += 1


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_arrives(dtype, wide):
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return rng.integers(0, 100, shape).astype(dtype)

    M = drawn(4, 9)[1:, 2:5] if wide else drawn(3, 3)
    v, T = drawn(5), drawn(2, 3, 4)
    factor = np.float32(0.1) if dtype == "float32" else 0.1
    arguments = -7, Outer(2**40, Inner(M, v), factor), T, (True, (np.int64(-3),))
    out = np.zeros(100)
    expected = [-7, 2**40, float(factor), 1, -3, 2, 3, 4, *M.ravel(), *v, *T.ravel()]
    tells = OwnKernel(tell)
    tells(*arguments, out)
    assert np.array_equal(out[: len(expected)], expected) and not out[len(expected) :].any()
    # Packed once, arrays are read as they are at each call.
    kept = [packed(one) for one in arguments]
    T[1, 2, 3] = 111
    tells(*kept, out)
    assert out[len(expected) - 1] == 111
    assert out[8 + M.size] == expected[8 + M.size] + 1
    assert len(tells.code) == 1


def test_arrays_that_cannot_be_written_are_no_other_type():
    X = np.zeros((4, 3), "float32")
    X.flags.writeable = False
    assert packed(X).kinds == packed(np.zeros((4, 3), "float32")).kinds


def test_arrays_that_kernels_cannot_read():
    x = np.zeros((4, 6))
    for array in (x[:, ::2], x.T, x[0, ::2], np.zeros((2, 3, 4))[:, :, :2]):
        with pytest.raises(ValueError, match="rows must be contiguous"):
            packed((1, array))
    for value in ("a", None, 2**63, 1j):
        with pytest.raises(Exception, match=r"."):
            packed(value)


@kernel
def fails(out):
    if out[0] == 0:
        raise ValueError("never")
    out[0] += 1


@pytest.mark.slow
def test_a_kernel_that_raises_is_no_success():
    out = np.zeros(1)
    with pytest.raises(RuntimeError, match=r"fails has raised an exception"):
        OwnKernel(fails)(out)
    out[0] = 1
    OwnKernel(fails)(out)
    assert out[0] == 2
