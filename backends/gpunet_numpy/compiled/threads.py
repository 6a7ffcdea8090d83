"""Threads: how a kernel runs on a team of them, and how they wait for each other.

Every thread runs the same kernel on a range of the work, and they synchronise at barriers. Products are single-threaded
calls of the BLAS that SciPy carries, so that no second pool of threads gets in the way.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numba.extending import get_cython_function_address

from gpunet_numpy.blas_threads import blas_threads, look_for_libraries, most_blas_threads
from gpunet_numpy.compiled.intrinsics import CACHE_LINE, inner, load_flag, sched_yield, store_flag

SPINS = 2000  # reads of a flag before the thread yields the processor


class Team(NamedTuple):
    """A thread of a kernel, and how it reaches the others."""

    thread: int
    threads: int
    gemm: int  # address of BLAS's matrix product in the kernel's dtype
    flags: Any  # int64 (threads, 8): a flag in a cache line for each thread
    sched_yield: int  # address of the system's function, or 0


@inner
def barrier(team: Any, phase: Any) -> Any:
    """Wait until all threads have come to this phase; returns the number of the next.

    Flags only ever rise, so that a slow thread can't miss a phase.
    """
    store_flag(team.flags, team.thread, phase)
    for other in range(team.threads):
        spins = 0
        while load_flag(team.flags, other) < phase:
            spins += 1
            if spins > SPINS and team.sched_yield != 0:
                sched_yield(team.sched_yield)
    return phase + 1


@inner
def range_of(count: Any, thread: Any, threads: Any) -> Any:
    """The range ``[first, last)`` of `count` items that one thread takes."""
    return count * thread // threads, count * (thread + 1) // threads


def threads() -> int:
    """Threads to run on: the processors this process may use, or fewer if environment or ``threadpoolctl`` say so.

    joblib sets the environment of its worker processes, so that those together use each processor once.
    """
    _find_scipys_blas()
    return min(threads_at_start(), most_blas_threads())


@functools.cache
def threads_at_start() -> int:
    """As many as the environment says, else as processors; numba's and joblib's limits hold for either."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    given = {name: max(int(os.environ[name]), 1) for name in names if os.environ.get(name, "").isdigit()}
    wanted = [given[name] for name in names[:2] if name in given]
    if not wanted:
        affinity = hasattr(os, "sched_getaffinity")
        wanted = [len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1]
    return min(wanted[0], *(given.get(name, wanted[0]) for name in names[2:]))


@functools.cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="gpunet")


@functools.cache
def _find_scipys_blas() -> None:
    import scipy.linalg.cython_blas  # noqa: F401  it must be loaded to be found

    look_for_libraries()


# One kernel at a time: it has all cores, and threads of two of them would wait for each other in one pool.
_running = threading.Lock()


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global _running
    _running = threading.Lock()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS calls stay on the thread that makes them; the kernels bring threads of their own."""
    _find_scipys_blas()
    with blas_threads(1):
        yield


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


def run(kernel: Callable[..., None], count: int, dtype: str, *arguments: Any) -> None:
    """Run ``kernel(team, …)`` on `count` threads and wait."""
    flags = np.zeros((count + 1, CACHE_LINE // 8), dtype=np.int64)
    teams = [Team(t, count, _gemm_address(dtype), flags, _sched_yield_address()) for t in range(count)]
    with _running, one_blas_thread():
        others = [_pool(count).submit(kernel, team, *arguments) for team in teams[1:]]
        kernel(teams[0], *arguments)
        for other in others:
            other.result()


_ALONE = Team(0, 1, 0, np.zeros((1, CACHE_LINE // 8), dtype=np.int64), 0)


def run_alone(kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel that needs neither BLAS nor other threads on this thread."""
    kernel(_ALONE, *arguments)
