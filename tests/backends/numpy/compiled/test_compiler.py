"""How kernels are compiled: one module each, in which all inner functions are optimised once."""

import gc

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from gpunet_numpy.compiled.compiler import KernelCompiler, no_garbage_collection
from gpunet_numpy.compiled.intrinsics import INNER, OPTIONS, inlined, inner, noinline

KERNEL = {**OPTIONS, "no_cfunc_wrapper": True, "pipeline_class": KernelCompiler}


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


@njit(**KERNEL)
def first_kernel(x):
    return four_times(x) + plus(x, 1)


@njit(**KERNEL)
def second_kernel(x):
    return twice(x) + plus(x, x)


def functions_in(kernel):
    """Names of the functions of its module that are compiled, without those that Python calls."""
    library = next(iter(kernel.overloads.values())).library
    names = [one.name for one in library.get_defined_functions() if "cpython" not in one.name]
    return {name for name in ("plus", "twice", "four_times") if any(name in one for one in names)}


def test_kernels_share_inner_functions():
    assert first_kernel(3) == 16
    assert second_kernel(3) == 12
    assert first_kernel(0.5) == 3.5
    assert functions_in(first_kernel) == {"plus", "twice"}  # the third is in its caller's body
    assert functions_in(second_kernel) == {"plus", "twice"}


def test_inner_functions_are_not_optimised_on_their_own():
    first_kernel(3)
    for function in (twice, four_times):
        for compiled in function.overloads.values():
            assert "alloca" in compiled.library.get_llvm_str()  # which optimisation removes


def test_a_constant_is_no_type_of_its_own():
    @inner
    def plus_one(x, y):
        return x + y + 1

    @njit(**KERNEL)
    def kernel(x):
        return plus_one(x, 1) + plus_one(x, 2) + plus_one(x, x)

    assert kernel(5) == 7 + 8 + 11
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
    @njit(**KERNEL)
    def wrong(x):
        return plus(x, "one")

    with pytest.raises(TypingError, match="plus"):
        wrong(1)
    assert gc.isenabled()

    @njit(**KERNEL)
    def right(x):
        return plus(x, 2)

    assert right(1) == 3


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

    @njit(**KERNEL)
    def both(x, y):
        return exactly(x, y), quickly(x, y)

    assert both(1.0, 1e30) == (0.0, 1.0)


def test_a_thread_compiles_as_well_as_the_main_one():
    from concurrent.futures import ThreadPoolExecutor

    @njit(**KERNEL)
    def kernel(x):
        return twice(x)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(kernel, [1, 2.5, np.float32(3), 4])) == [2, 5, 6, 8]
