"""The host's side of the compiled programs: which plans they cover, flat parameters, threads."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address
from threadpoolctl import ThreadpoolController

from gpunet.losses import LOSSES
from gpunet.plan import Plan
from gpunet_numpy.compiled.elementwise import ACTIVATION, LOSS
from gpunet_numpy.compiled.machine import LINE
from gpunet_numpy.compiled.rules import rule_of


def uncovered(plan: Plan) -> str | None:
    """Why no compiled program covers `plan`."""
    others = sorted(set(plan.activations) - ACTIVATION.keys())
    if others:
        return f"{others[0]} has no compiled form"
    if "softmax" in plan.activations[:-1]:
        return "softmax between layers couples neurons that threads share out"
    if plan.activations[-1] == "softmax" and LOSSES[plan.loss].natural != "softmax":
        return f"softmax with {plan.loss} has no compiled form"
    if plan.loss == "logistic" and plan.activations[-1] != "sigmoid":
        return f"{plan.activations[-1]} with logistic has no compiled form"
    if plan.drops:
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


def run(kernel: Callable[..., None], dtype: str, *arguments: Any) -> None:
    """Run a kernel on all threads and wait for them: ``kernel(thread, threads, addresses, …)``."""
    count = threads()
    blas = get_cython_function_address("scipy.linalg.cython_blas", "sgemm" if dtype == "float32" else "dgemm")
    flags = np.zeros((count + 1) * LINE // 8, dtype=np.int64)
    addresses = np.array([blas, flags.ctypes.data, _yield_address()], dtype=np.int64)
    with one_blas_thread():
        others = [
            _pool(count).submit(kernel, thread, count, addresses, *arguments) for thread in range(1, count)
        ]
        kernel(0, count, addresses, *arguments)
        for other in others:
            other.result()


_NO_ADDRESSES = np.zeros(3, dtype=np.int64)


def run_alone(kernel: Callable[..., None], *arguments: Any) -> None:
    """Run a kernel that needs neither BLAS nor company on this thread."""
    kernel(0, 1, _NO_ADDRESSES, *arguments)


class Flat:
    """Parameters and slots of a plan in one flat array each, layer by layer, W then b."""

    def __init__(self, plan: Plan) -> None:
        self.sizes = np.array([plan.layers[0].inputs, *(layer.units for layer in plan.layers)])
        counts = [layer.units * (layer.inputs + 1) for layer in plan.layers]
        self.offsets = np.array([0, 0, *np.cumsum(counts)[:-1]], dtype=np.int64)
        self.size = int(np.sum(counts))
        self.dtype = plan.dtype
        self.codes = np.array([0, *(ACTIVATION[name] for name in plan.activations)])
        self.loss = LOSS[plan.loss]
        self.rule, numbers = rule_of(plan.optimizer)
        self.numbers = np.array(numbers, dtype=plan.dtype)
        self.slots = plan.optimizer.slots

    def pack(self, parameters: Any, state: Any) -> tuple[Any, Any]:
        """``(theta, slots)``, copies."""
        theta = np.concatenate([p.ravel() for pair in parameters for p in pair]).astype(self.dtype)
        slots = np.empty((self.slots, self.size), dtype=self.dtype)
        for i in range(self.slots):
            slots[i] = np.concatenate([kept[i].ravel() for pair in state for kept in pair])
        return theta, slots

    def unpack(self, theta: Any, slots: Any) -> tuple[Any, Any]:
        """Parameters and state as views of ``(theta, slots)``."""
        parameters, state = [], []
        for l in range(1, len(self.sizes)):
            n, k, at = int(self.sizes[l]), int(self.sizes[l - 1]), int(self.offsets[l])
            middle, end = at + n * k, at + n * k + n
            parameters.append((theta[at:middle].reshape(n, k), theta[middle:end].reshape(n, 1)))
            state.append(
                (
                    tuple(one[at:middle].reshape(n, k) for one in slots),
                    tuple(one[middle:end].reshape(n, 1) for one in slots),
                )
            )
        return parameters, state


def rows_of(columns: Any) -> Any:
    """Columns as contiguous rows: the view that they were made from, as a rule."""
    return np.ascontiguousarray(columns.T)


def losses_of(sums: Any, plan: Plan, used: int) -> Any:
    """``J`` of each batch from the threads' sums."""
    counts = np.array([last - first for first, last in plan.batches(used)])
    return (sums.sum(axis=1) / counts).astype(plan.dtype)
