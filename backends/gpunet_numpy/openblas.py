"""OpenBLAS's core type: whether it uses what the processor has.

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


def leaves_avx512_unused(architecture: str, flags: frozenset[str] | None = None) -> bool:
    """Whether OpenBLAS kernels named `architecture` leave AVX-512 unused on this processor."""
    offered = processor_flags() if flags is None else flags
    return offered >= SKYLAKEX and architecture.lower() not in WIDE


def choose_core_type() -> bool:
    """Load SciPy's BLAS with the right kernels; True if the choice had to be overridden.

    The variable is set while the library loads and removed again: child processes are not touched.
    """
    if VARIABLE in os.environ or "scipy.linalg" in sys.modules:
        return False
    in_use = [one.get("architecture") or "" for one in libraries() if one.get("internal_api") == "openblas"]
    if not in_use or not all(leaves_avx512_unused(one) for one in in_use):
        return False
    os.environ[VARIABLE] = "SkylakeX"
    try:
        import scipy.linalg.cython_blas  # noqa: F401
    finally:
        del os.environ[VARIABLE]
    return True
