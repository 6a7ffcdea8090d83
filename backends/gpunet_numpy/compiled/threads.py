"""Threads: how a kernel runs on a team of them, and how they wait for each other.

Every thread runs the same kernel on a range of the work, and they synchronise at barriers. Products are single-threaded
calls of the BLAS that SciPy carries, so that no second pool of threads gets in the way.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import typeof
from numba.extending import get_cython_function_address

from gpunet_numpy.blas_threads import look_for_libraries, most_blas_threads, with_blas_threads
from gpunet_numpy.compiled.intrinsics import (
    CACHE_LINE,
    PYTHON,
    inner,
    load_flag,
    noinline,
    sched_yield,
    store_flag,
)
from gpunet_numpy.compiled.pool import Job, pool
from gpunet_numpy.processors import processors

STOPPED = 0  # no phase: the caller has been interrupted, or another thread has failed
SPINS = 2000  # reads of a flag before the thread yields the processor
UNDIVIDED = 2**18  # multiply-adds: OpenBLAS does no smaller product on several threads


class Team(NamedTuple):
    """A thread of a kernel, and how it reaches the others."""

    thread: int
    threads: int
    gemm: int  # address of BLAS's matrix product in the kernel's dtype
    flags: Any  # int64 (threads + 1, 8): a flag in a cache line for each thread, and one that stops them all
    sched_yield: int  # address of the system's function, or 0


@inner
def barrier(team: Any, phase: Any) -> Any:
    """Wait until all threads have come to this phase; returns the number of the next, or `STOPPED`: return at once.

    Flags only ever rise, so that a slow thread can't miss a phase.
    """
    noinline()
    store_flag(team.flags, team.thread, phase)
    for other in range(team.threads):
        spins = 0
        while load_flag(team.flags, other) < phase:
            if load_flag(team.flags, team.threads) != 0:
                return STOPPED
            spins += 1
            if spins > SPINS and team.sched_yield != 0:
                sched_yield(team.sched_yield)
    return phase + 1


@inner
def range_of(count: Any, thread: Any, threads: Any) -> Any:
    """The range ``[first, last)`` of `count` items that one thread takes."""
    return count * thread // threads, count * (thread + 1) // threads


@inner
def stopped(team: Any) -> Any:
    """Whether to return at once, for kernels that have no barriers."""
    return load_flag(team.flags, team.threads) != 0


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


@functools.cache
def _gemm_address(dtype: str) -> int:
    name = "sgemm" if dtype == "float32" else "dgemm"
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


_compiled: set[tuple[Any, str]] = set()  # kernels, and the dtypes that they have been compiled for


def _compile(kernel: Any, *arguments: Any) -> None:
    """Compile a kernel here: Ctrl-C can end that in the main thread, and not in the pool's."""
    if hasattr(kernel, "compile"):
        kernel.compile(tuple(typeof(one) for one in arguments))


def run(kernel: Callable[..., None], count: int, dtype: str, *arguments: Any) -> None:
    """Run ``kernel(team, …)`` on `count` threads and wait: one kernel at a time, for it has all cores.

    An exception in this thread, such as Ctrl-C's, stops the kernel,
    and leaves when no thread uses the arguments any more.
    """
    _find_scipys_blas()
    flags = np.zeros((count + 1, CACHE_LINE // 8), dtype=np.int64)
    teams = [Team(t, count, _gemm_address(dtype), flags, _sched_yield_address()) for t in range(count)]
    if (kernel, dtype) not in _compiled:
        _compile(kernel, teams[0], *arguments)
        _compiled.add((kernel, dtype))
    if PYTHON and count == 1:  # where a debugger can step through it
        kernel(teams[0], *arguments)
        return

    def stop() -> None:
        flags[count, 0] = 1

    pool().run(Job([functools.partial(kernel, team, *arguments) for team in teams], stop))


_ALONE = Team(0, 1, 0, np.zeros((2, CACHE_LINE // 8), dtype=np.int64), 0)


def run_alone(kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel that needs neither BLAS nor other threads on this thread."""
    kernel(_ALONE, *arguments)


def run_here(kernel: Callable[..., None], dtype: str, largest: int, *arguments: Any) -> None:
    """Run a kernel on this thread, where that takes less time than to hand it over to the pool's.

    Python runs no signal handler meanwhile, so nothing is raised before it has returned. `largest` is the number of
    multiply-adds of its largest product.
    """
    _find_scipys_blas()
    flags = np.zeros_like(_ALONE.flags)  # others may be at their barriers at the same time
    team = Team(0, 1, _gemm_address(dtype), flags, 0)
    if largest < UNDIVIDED:
        kernel(team, *arguments)
    else:
        with_blas_threads(1, kernel, team, *arguments)
