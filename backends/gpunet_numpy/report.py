"""The lines of ``gpunet info``: NumPy, each BLAS and its speed, and what to do about a slow one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpunet_numpy import compiling
from gpunet_numpy.openblas import VARIABLE, leaves_avx512_unused, libraries
from gpunet_numpy.select import compiled_unavailable_reason


def report() -> list[str]:
    """Lines for ``gpunet info``: NumPy, each BLAS and its speed, and what to do about a slow one."""
    why = compiled_unavailable_reason()
    lines = [f"NumPy {np.__version__}", f"compiled programs: {_compiled() if why is None else f'off, {why}'}"]
    products = {"NumPy": _numpy_product()}
    if why is None:
        products["SciPy"] = _scipy_product()  # loads its BLAS
    slow = False
    for one in libraries():
        name, architecture = Path(one["filepath"]).name, one.get("architecture") or "unknown"
        # The wheels' names: libscipy_openblas64_ is NumPy's, libscipy_openblas SciPy's.
        user = "NumPy" if "64_" in name else "SciPy"
        speed = f", {gflops(products[user]):.0f} GFLOP/s" if user in products else ""
        lines.append(
            f"{name.split('-')[0].split('.')[0]} ({user}): {one['internal_api']} {one.get('version')}, "
            f"{architecture} kernels, {one['num_threads']} threads{speed}"
        )
        slow = slow or (one["internal_api"] == "openblas" and leaves_avx512_unused(architecture))
    if slow:
        lines.append(
            "  kernels for narrower vectors than this processor's: that can cost half the speed. Set "
            f"{VARIABLE}=SkylakeX in the environment before Python starts, and compare."
        )
    return lines


def _compiled() -> str:
    from gpunet_numpy.compiled.threads import threads_at_start

    count = threads_at_start()
    threads = f"{count} thread{'s' * (count > 1)}"
    return f"ready, on {threads} ({compiling.VARIABLE}={compiling.setting()})"


SIZE = 768  # of the matrices whose product is timed


def gflops(product: Callable[[], Any]) -> float:
    """The best of a few products, in 10⁹ floating-point operations per second (float32)."""
    best = float("inf")
    time.sleep(0.05)  # threads of another BLAS stop spinning
    for _ in range(5):
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return 2e-9 * SIZE**3 / best


def _numpy_product() -> Callable[[], Any]:
    A = np.ones((SIZE, SIZE), dtype=np.float32)
    return lambda: A @ A


def _scipy_product() -> Callable[[], Any]:
    from scipy.linalg.blas import sgemm

    A = np.ones((SIZE, SIZE), dtype=np.float32, order="F")
    return lambda: sgemm(1.0, A, A)
