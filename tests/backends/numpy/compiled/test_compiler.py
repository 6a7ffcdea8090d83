"""How kernels are compiled: one module each, in which all inner functions are optimised once."""

import gc

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from gpunet_numpy.compiled.compiler import no_garbage_collection
from gpunet_numpy.compiled.intrinsics import INNER, inlined, inner, kernel, noinline
from own_kernels import OwnKernel, result


@inner
def plus(x, y):
    noinline()
    return x + y


@inner
def twice(x):
    noinline()
    return plus(x, x)


@inlined
def four_times(x):
    return twice(twice(x))


@kernel
def first_kernel(x, out):
    out[0] = four_times(x) + plus(x, 1)


@kernel
def second_kernel(x, out):
    out[0] = twice(x) + plus(x, x)


def functions_in(kernel):
    """Names of the functions of its module that are compiled, without those that Python calls."""
    library = next(iter(kernel.overloads.values())).library
    names = [one.name for one in library.get_defined_functions() if "cpython" not in one.name]
    return {name for name in ("plus", "twice", "four_times") if any(name in one for one in names)}


def test_kernels_share_inner_functions():
    assert result(first_kernel, 3) == 16
    assert result(second_kernel, 3) == 12
    assert result(first_kernel, 0.5) == 3.5
    assert functions_in(first_kernel) == {"plus", "twice"}  # the third is in its caller's body
    assert functions_in(second_kernel) == {"plus", "twice"}


def test_inner_functions_are_not_optimised_on_their_own():
    result(first_kernel, 3)
    for function in (twice, four_times):
        for compiled in function.overloads.values():
            assert "alloca" in compiled.library.get_llvm_str()  # which optimisation removes


def test_a_constant_is_no_type_of_its_own():
    @inner
    def plus_one(x, y):
        return x + y + 1

    @kernel
    def sums(x, out):
        out[0] = plus_one(x, 1) + plus_one(x, 2) + plus_one(x, x)

    assert result(sums, 5) == 7 + 8 + 11
    assert len(plus_one.signatures) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_as_before(enabled):
    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with no_garbage_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
        with pytest.raises(KeyError), no_garbage_collection():
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_errors_come_through_and_the_next_kernel_compiles():
    @kernel
    def wrong(x, out):
        out[0] = plus(x, "one")

    with pytest.raises(TypingError, match="plus"):
        result(wrong, 1)
    assert gc.isenabled()

    @kernel
    def right(x, out):
        out[0] = plus(x, 2)

    assert result(right, 1) == 3


def test_fast_math_belongs_to_each_function():
    """numba keeps what it compiled for an overload by the caller's options; exp is compiled without fast-math."""

    @njit(**{**INNER, "fastmath": False})
    def exactly(x, y):
        noinline()
        return (x + y) - y

    @inner
    def quickly(x, y):
        noinline()
        return (x + y) - y

    @kernel
    def both(x, y, out):
        out[0] = exactly(x, y)
        out[1] = quickly(x, y)

    out = np.zeros(2)
    OwnKernel(both)(1.0, 1e30, out)
    assert list(out) == [0.0, 1.0]


def test_a_thread_compiles_as_well_as_the_main_one():
    from concurrent.futures import ThreadPoolExecutor

    @kernel
    def doubled(x, out):
        out[0] = twice(x)

    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda x: result(doubled, x), [1, 2.5, np.float32(3), 4])
        assert list(found) == [2, 5, 6, 8]
