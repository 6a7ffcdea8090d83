"""Environment variables of the processes that measure."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
# OpenBLAS's names of its kernels that use AVX-512
AVX512_KERNELS = {"skylakex", "cooperlake", "sapphirerapids", "zen4", "zen5"}


def base_environment():
    """This process's variables, with our packages importable and the same OpenBLAS core type for everybody.

    A build of OpenBLAS that does not know a newer processor leaves its AVX-512 unused: then the core type is set, for
    the peers' NumPy and SciPy too. A core type that is already set stays. gpunet's programs are compiled before they
    are first used, not while another one runs.
    """
    variables = {**os.environ, "GPUNET_COMPILE": "wait"}
    paths = [str(ROOT), str(ROOT / "backends"), variables.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    if "OPENBLAS_CORETYPE" not in variables and openblas_leaves_avx512_unused():
        variables["OPENBLAS_CORETYPE"] = "SkylakeX"
    return variables


def worker_environment(settings, name):
    """Variables for a process that measures the implementation `name`."""
    variables = base_environment()
    if settings.device == "cuda":
        # JAX must not reserve most of the GPU's memory. Where TF32 is allowed, each implementation says by itself.
        variables |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        variables.pop("NVIDIA_TF32_OVERRIDE", None)
    elif not name.startswith("gpunet"):  # gpunet's backend "jax" chooses its own device
        variables["JAX_PLATFORMS"] = "cpu"
    return variables


def openblas_leaves_avx512_unused():
    """Whether the processor has AVX-512 and NumPy's OpenBLAS chose kernels without it.

    Looked up here and not in gpunet, so that the suite does not depend on what it measures.
    """
    if not processor_flags() >= AVX512:
        return False
    import numpy  # noqa: F401  threadpoolctl lists loaded libraries only

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return False
    kernels = [
        one.get("architecture") or "" for one in threadpool_info() if one["internal_api"] == "openblas"
    ]
    return any(name.lower() not in AVX512_KERNELS for name in kernels)


def processor_flags():
    """Instruction sets of the processor, from Linux; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
