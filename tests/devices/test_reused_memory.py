"""Memory that is used again: only once nothing refers to it, and only where it fits."""

import gc

import numpy as np
import pytest

from gpunet.devices.reused_memory import LARGE, SPARE, ReusedMemory

ROWS = LARGE // 4 // 8


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("float32", (2 * ROWS, 8)), ("float64", (ROWS, 4, 2)), ("int8", (3 * LARGE,)), ("int8", 2 * LARGE)],
)
def test_an_array_is_as_numpys(dtype, shape):
    array = ReusedMemory().empty(shape, dtype)
    assert (array.shape, array.dtype) == (np.empty(shape, dtype).shape, np.dtype(dtype))
    assert array.flags.c_contiguous
    assert array.flags.writeable and array.flags.aligned
    array[:] = 1
    assert (array == 1).all()


def test_memory_is_used_again_when_its_array_is_gone():
    memory = ReusedMemory()
    array = memory.empty((2 * ROWS, 8), "float32")
    first = address(array)
    del array
    assert address(memory.empty((ROWS + 5, 4), "float64")) == first  # another shape and dtype that fit


def test_memory_is_not_used_while_a_view_is_left():
    memory = ReusedMemory()
    array = memory.empty((ROWS, 8), "float32")
    array[:] = 7
    view = array[3:5].T
    del array
    gc.collect()
    other = memory.empty((ROWS, 8), "float32")
    other[:] = 1
    assert (view == 7).all()


def test_memory_that_is_too_small_or_much_too_large_stays():
    memory = ReusedMemory()
    kept = [memory.empty((count * ROWS, 8), "float32") for count in (1, 5)]
    known = {address(array) for array in kept}
    kept.clear()
    between = memory.empty((2 * ROWS, 8), "float32")
    assert address(between) not in known
    assert address(memory.empty((5 * ROWS, 8), "float32")) in known


def test_little_memory_is_kept():
    memory = ReusedMemory()
    arrays = [memory.empty((ROWS, 8), "float32") for _ in range(SPARE + 3)]
    last = {address(array) for array in arrays[-SPARE:]}
    while arrays:
        arrays.pop(0)
    again = [memory.empty((ROWS, 8), "float32") for _ in range(SPARE)]
    assert {address(array) for array in again} == last


def test_small_arrays_are_made_anew():
    memory = ReusedMemory()
    assert memory.empty((3, 2), "float32").base is None
    assert memory.empty((0, 5), "float64").shape == (0, 5)
