"""Threads: how a kernel runs on a team of them, and how they wait for each other.

Every thread runs the same kernel on a range of the work, and they synchronise at barriers. Products are single-threaded
calls of the BLAS that SciPy carries, so that no second pool of threads gets in the way.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any, NamedTuple

import numpy as np

from gpunet_numpy.blas_threads import UNDIVIDED, look_for_libraries, most_blas_threads, with_blas_threads
from gpunet_numpy.compiled.arguments import Packed, packed
from gpunet_numpy.compiled.kernels import PYTHON, Kernel
from gpunet_numpy.compiled.layout import aligned
from gpunet_numpy.compiled.pool import Job, pool
from gpunet_numpy.compiled.sizes import CACHE_LINE, DEPTH, TILE
from gpunet_numpy.processors import processors

SCRATCH = DEPTH * TILE // 8  # words


class Team(NamedTuple):
    """A thread of a kernel, and how it reaches the others."""

    thread: int
    threads: int
    gemm: int  # address of BLAS's matrix product in the kernel's dtype
    flags: Any  # int64 (threads + 1, 8): a flag in a cache line for each thread, and one that stops them all
    sched_yield: int  # address of the system's function, or 0
    scratch: Any  # int64: memory for products, see :func:`gpunet_numpy.compiled.products.multiply`


def threads() -> int:
    """Threads to run on: the processors this process may use, or fewer if environment or ``threadpoolctl`` say so.

    joblib sets the environment of its worker processes, so that those together use each processor once. Fewer too if no
    more can be started.

    Raises
    ------
    RuntimeError
        If none can be.
    """
    _find_scipys_blas()
    return pool().start(min(threads_at_start(), most_blas_threads()))


@functools.cache
def threads_at_start() -> int:
    """As many as the environment says, else as processors; numba's and joblib's limits hold for either."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    given = {name: max(int(os.environ[name]), 1) for name in names if os.environ.get(name, "").isdigit()}
    wanted = [*(given[name] for name in names[:2] if name in given), processors()]
    return min(wanted[0], *(given.get(name, wanted[0]) for name in names[2:]))


@functools.cache
def _find_scipys_blas() -> None:
    import scipy.linalg.cython_blas  # noqa: F401  it must be loaded to be found

    look_for_libraries()


@functools.cache
def _sched_yield_address() -> int:
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (OSError, AttributeError, TypeError):
        return 0


_name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
_address_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


@functools.cache
def _gemm_address(dtype: str) -> int:
    import scipy.linalg.cython_blas as blas

    capsule = blas.__pyx_capi__["sgemm" if dtype == "float32" else "dgemm"]
    return int(_address_in(capsule, _name_of(capsule)))


def run(kernel: Kernel, count: int, dtype: str, *arguments: Any) -> None:
    """Run ``kernel(team, …)`` on `count` threads and wait: one kernel at a time, for it has all cores.

    An exception in this thread, such as Ctrl-C's, stops the kernel,
    and leaves when no thread uses the arguments any more.
    """
    _find_scipys_blas()
    flags = np.zeros((count + 1, CACHE_LINE // 8), dtype=np.int64)
    scratch = aligned(count, SCRATCH, dtype=np.int64, make=np.empty)
    address, yields = _gemm_address(dtype), _sched_yield_address()
    teams = [Team(t, count, address, flags, yields, scratch[t]) for t in range(count)]
    if PYTHON and count == 1:  # where a debugger can step through it
        kernel(teams[0], *arguments)
        return
    given = [one if isinstance(one, Packed) else packed(one) for one in arguments]
    if not PYTHON:  # compiled here: Ctrl-C can end that in the main thread, and not in the pool's
        kernel.load(packed(teams[0]), *given)

    def stop() -> None:
        flags[count, 0] = 1

    pool().run(Job([functools.partial(kernel, team, *given) for team in teams], stop))


_ALONE = packed(Team(0, 1, 0, np.zeros((2, CACHE_LINE // 8), dtype=np.int64), 0, np.empty(0, np.int64)))


def run_alone(kernel: Kernel, *arguments: Any) -> None:
    """Run a kernel that needs neither BLAS nor other threads on this thread."""
    kernel(_ALONE, *arguments)


def run_here(kernel: Kernel, dtype: str, largest: int, *arguments: Any) -> None:
    """Run a kernel on this thread, where that takes less time than to hand it over to the pool's.

    Python runs no signal handler meanwhile, so nothing is raised before it has returned. `largest` is the number of
    multiply-adds of its largest product by BLAS.
    """
    _find_scipys_blas()
    flags = np.zeros_like(_ALONE.value.flags)  # others may be at their barriers at the same time
    scratch = aligned(SCRATCH, dtype=np.int64, make=np.empty)
    team = Team(0, 1, _gemm_address(dtype), flags, 0, scratch)
    if largest < UNDIVIDED:
        kernel(team, *arguments)
    else:
        with_blas_threads(1, kernel, team, *arguments)
