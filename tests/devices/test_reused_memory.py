"""Memory that is used again: only once nothing refers to it, and only where it fits."""

import gc
import os
import platform
import subprocess
import sys

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


@pytest.mark.parametrize("size", [8, 4 * LARGE])
def test_zeros_are_in_new_memory_which_later_arrays_have(size):
    memory = ReusedMemory()
    array = memory.empty(size, "int8")
    array[:] = 1
    del array
    zeros = memory.zeros((size // 8, 2), "float32")
    assert zeros.shape == (size // 8, 2) and zeros.dtype == np.float32
    assert not zeros.any()
    assert zeros.flags.writeable and zeros.flags.aligned
    first = address(zeros)
    del zeros
    again = [address(one) for one in (memory.empty(size, "int8"), memory.empty(size, "int8"))]
    assert (first in again) == (size > LARGE) or size < LARGE


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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have rules of their own")
def test_the_c_library_keeps_freed_memory():
    """In a process of its own, which has freed no array before: pages that come anew in rounds of the same arrays."""
    script = """
import resource
import numpy as np
from gpunet.devices.reused_memory import keep_freed_memory

def new_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**20) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

for _ in range(3):
    without = new_pages()
keep_freed_memory()
for _ in range(3):
    kept = new_pages()
assert kept < without / 10, (kept, without)
"""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    settings["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=settings)
