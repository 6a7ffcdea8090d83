"""The host's side of the compiled programs: which plans they cover, threads, memory."""

from __future__ import annotations

import ctypes
import functools
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController

from gpunet.core.losses import LOSSES
from gpunet.core.plan import Plan
from gpunet_numpy.compiled.elementwise import ACTIVATION
from gpunet_numpy.compiled.machine import LINE
from gpunet_numpy.compiled.tiles import LANE


def unsupported_reason(plan: Plan) -> str | None:
    """Why no compiled program covers `plan`."""
    others = sorted(set(plan.activations) - ACTIVATION.keys())
    if others:
        return f"{others[0]} has no compiled form"
    if "softmax" in plan.activations[:-1]:
        return "softmax between layers couples neurons that threads share out"
    if plan.activations[-1] == "softmax" and LOSSES[plan.loss].canonical != "softmax":
        return f"softmax with {plan.loss} has no compiled form"
    if plan.loss == "logistic" and plan.activations[-1] != "sigmoid":
        return f"{plan.activations[-1]} with logistic has no compiled form"
    if plan.uses_dropout:
        return "dropout has no compiled form"
    if plan.optimizer.clip_norm is not None:
        return "clipping has no compiled form"
    return None


@functools.cache
def threads() -> int:
    """Threads to run on: the processors this process may use, or fewer if the environment says so."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(int(os.environ[name]), 1)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="gpunet")


@functools.cache
def _blas_pools() -> Any:
    import scipy.linalg.cython_blas  # noqa: F401  its BLAS must be loaded to be limited

    return ThreadpoolController().select(user_api="blas")


# One kernel at a time: it has all cores, and threads of two of them would wait for each other in one pool.
_turn = threading.Lock()


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global _turn
    _turn = threading.Lock()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS calls stay on the thread that makes them; the kernels bring threads of their own."""
    with _blas_pools().limit(limits=1):
        yield


@functools.cache
def _yield_address() -> int:
    """Address of the system's ``sched_yield``; 0 where there is none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (OSError, AttributeError, TypeError):
        return 0


def run(kernel: Callable[..., None], count: int, dtype: str, *arguments: Any) -> None:
    """Run a kernel on `count` threads and wait: ``kernel(thread, threads, gemm, flags, sched_yield, …)``."""
    flags = np.zeros((count + 1) * LINE // 8, dtype=np.int64)
    given = (count, _blas(dtype), flags.ctypes.data, _yield_address(), *arguments)
    with _turn, one_blas_thread():
        others = [_pool(count).submit(kernel, thread, *given) for thread in range(1, count)]
        kernel(0, *given)
        for other in others:
            other.result()


@functools.cache
def _blas(dtype: str) -> int:
    """Address of the matrix product of SciPy's BLAS."""
    name = "sgemm" if dtype == "float32" else "dgemm"
    return int(get_cython_function_address("scipy.linalg.cython_blas", name))


def run_alone(kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel that needs neither BLAS nor company on this thread."""
    kernel(0, 1, 0, 0, 0, *arguments)


def aligned(*shape: int, dtype: Any) -> Any:
    """Zeros that begin at a whole cache line."""
    item = np.dtype(dtype).itemsize
    count = math.prod(shape)
    room = np.zeros(count + LANE // item, dtype=dtype)
    first = -room.ctypes.data % LANE // item
    return room[first : first + count].reshape(shape)


def address(array: Any) -> int:
    """Where an array's numbers lie; 0 for none."""
    return 0 if array is None else int(array.ctypes.data)


def rows_of(columns: Any) -> Any:
    """Columns as contiguous rows: the view that they were made from, as a rule."""
    return np.ascontiguousarray(columns.T)


def steps_of(plan: Plan, used: int) -> int:
    """Updates that `used` examples are."""
    return -(-used // plan.batch_size)


def losses_of(sums: Any, plan: Plan, used: int) -> Any:
    """``J`` of each batch from the threads' sums."""
    counts = np.full(len(sums), plan.batch_size)
    counts[-1] = used - plan.batch_size * (len(sums) - 1)
    return (sums.sum(axis=1) / counts).astype(plan.dtype)
