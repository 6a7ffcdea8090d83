"""Which BLAS is in use, and whether it runs below what the processor has.

OpenBLAS picks its kernels when it loads. A build that does not know a newer processor takes older kernels: on one
with AVX-512 those for AVX2 do about half the work in the same time. ``OPENBLAS_CORETYPE`` overrides the choice,
but only before the library loads, and a wrong value crashes. So it is set for SciPy's OpenBLAS alone, which the
compiled programs use, only if that is not loaded yet, only to a type whose instructions the processor has, and
never over a user's own setting.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "OPENBLAS_CORETYPE"
SKYLAKEX = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
# Kernels that use AVX-512, as OpenBLAS names them.
WIDE = {"skylakex", "cooperlake", "sapphirerapids", "zen4", "zen5"}


@functools.cache
def processor_flags() -> frozenset[str]:
    """Instruction sets that processor and system offer, from Linux; empty elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def libraries() -> list[dict[str, Any]]:
    """What threadpoolctl says of each BLAS that is loaded; empty without threadpoolctl."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return []
    from threadpoolctl import ThreadpoolController

    return [one for one in ThreadpoolController().info() if one.get("user_api") == "blas"]


def below(architecture: str, flags: frozenset[str] | None = None) -> bool:
    """Whether OpenBLAS kernels named `architecture` leave AVX-512 unused on this processor."""
    offered = processor_flags() if flags is None else flags
    return offered >= SKYLAKEX and architecture.lower() not in WIDE


def steer() -> bool:
    """Load SciPy's BLAS with the right kernels; True if the choice had to be overridden.

    The variable is set while the library loads and removed again: child processes are not touched.
    """
    if VARIABLE in os.environ or "scipy.linalg" in sys.modules:
        return False
    in_use = [one.get("architecture") or "" for one in libraries() if one.get("internal_api") == "openblas"]
    if not in_use or not all(below(one) for one in in_use):
        return False
    os.environ[VARIABLE] = "SkylakeX"
    try:
        import scipy.linalg.cython_blas  # noqa: F401
    finally:
        del os.environ[VARIABLE]
    return True


def report() -> list[str]:
    """Lines for ``gpunet info``: NumPy, each BLAS and its speed, and what to do about a slow one."""
    import numpy

    from gpunet_numpy.fast import missing

    why = missing()
    lines = [
        f"NumPy {numpy.__version__}",
        "compiled programs: " + ("ready" if why is None else f"off, {why}"),
    ]
    products = {"NumPy": _numpy_product()}
    if why is None:
        products["SciPy, for compiled programs"] = _scipy_product()  # loads its BLAS
    slow = False
    for one in libraries():
        name, architecture = Path(one["filepath"]).name, one.get("architecture") or "unknown"
        # The wheels' names: libscipy_openblas64_ is NumPy's, libscipy_openblas SciPy's.
        user = "NumPy" if "64_" in name else "SciPy, for compiled programs"
        speed = f", {gflops(products[user]):.0f} GFLOP/s" if user in products else ""
        lines.append(
            f"{name.split('-')[0].split('.')[0]} ({user}): {one['internal_api']} {one.get('version')}, "
            f"{architecture} kernels, {one['num_threads']} threads{speed}"
        )
        slow = slow or (one["internal_api"] == "openblas" and below(architecture))
    if slow:
        lines.append(
            "  kernels for narrower vectors than this processor's: that can cost half the speed. Set "
            f"{VARIABLE}=SkylakeX in the environment before Python starts, and compare."
        )
    return lines


SIZE = 768  # of the matrices that speed is told by


def gflops(product: Callable[[], Any]) -> float:
    """The best of a few products, in 10⁹ floating-point operations a second (float32)."""
    best = float("inf")
    time.sleep(0.05)  # threads of another BLAS fall asleep
    for _ in range(5):
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return 2e-9 * SIZE**3 / best


def _numpy_product() -> Callable[[], Any]:
    import numpy

    A = numpy.ones((SIZE, SIZE), dtype=numpy.float32)
    return lambda: A @ A


def _scipy_product() -> Callable[[], Any]:
    import numpy
    from scipy.linalg.blas import sgemm

    A = numpy.ones((SIZE, SIZE), dtype=numpy.float32, order="F")
    return lambda: sgemm(1.0, A, A)
