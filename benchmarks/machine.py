"""The machine: processor or GPU, versions, threads, the core type of OpenBLAS, and the peak of ``sgemm``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.settings import device_of

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "gpunet numpy scipy numba threadpoolctl cupy-cuda12x cupy-cuda13x torch jax jaxlib scikit-learn keras thinc "
    "onnx onnxruntime pytest-benchmark"
)


def threads():
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor():
    """The processor's name."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def slug(backend="numpy"):
    """The machine, for a file's name."""
    if device_of(backend) == "cuda":
        return "-".join(re.findall(r"[a-z0-9.]+", gpu()["name"].lower()))
    words = re.sub(r"\(.*?\)|\bcpu\b|@.*| \d+-core.*", " ", processor().lower())
    return "-".join([*re.findall(r"[a-z0-9.]+", words)[:4], f"{threads()}-cores"])


def versions():
    """Of whatever is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES.split():
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def environment():
    """Of every process that measures: the same core type of OpenBLAS for all, and where our modules lie.

    OpenBLAS builds that do not know a newer processor leave its AVX-512 unused; a type that is already set stays.
    """
    names = dict(os.environ)
    paths = [str(ROOT), str(ROOT / "backends"), names.get("PYTHONPATH", "")]
    names["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    if "OPENBLAS_CORETYPE" not in names and _leaves_avx512_unused():
        names["OPENBLAS_CORETYPE"] = "SkylakeX"
    return names


def _leaves_avx512_unused():
    try:
        import numpy  # noqa: F401  its BLAS must be loaded to be asked

        from gpunet_numpy.blas import below, libraries
    except ImportError:
        return False
    return any(
        below(one.get("architecture") or "") for one in libraries() if one.get("internal_api") == "openblas"
    )


def measure_peak(size=2048, repeats=7):
    """GFLOP/s of a float32 matrix product in SciPy's BLAS on all cores, NumPy's without SciPy: best and median."""
    import numpy as np

    rng = np.random.default_rng(0)
    A, B = (np.asfortranarray(rng.random((size, size), np.float32)) for _ in range(2))
    C = np.zeros((size, size), np.float32, order="F")
    try:
        from scipy.linalg.blas import sgemm
    except ImportError:
        blas, product = "NumPy", lambda: np.matmul(A, B, out=C)
    else:
        blas, product = "SciPy", lambda: sgemm(1.0, A, B, c=C, overwrite_c=True)
    product()
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        product()
        rates.append(2e-9 * size**3 / (time.perf_counter() - started))
    kernels = []
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        pass
    else:
        kernels = sorted({one["architecture"] for one in threadpool_info() if "architecture" in one})
    return {
        "blas": blas,
        "size": size,
        "best": max(rates),
        "median": statistics.median(rates),
        "kernels": kernels,
    }


def gpu():
    """Name, memory and driver of the first GPU, as its driver says."""
    asked = "name,memory.total,driver_version"
    ran = subprocess.run(
        ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(("name", "memory", "driver"), ran.stdout.splitlines()[0].split(", "), strict=True))


def measure_gpu(size=8192, repeats=10):
    """Of a GPU, through CuPy: GFLOP/s of a float32 matrix product, and TB/s of a copy, bytes read and written."""
    import cupy

    def seconds(work):
        work()
        found = []
        for _ in range(repeats):
            first, last = cupy.cuda.Event(), cupy.cuda.Event()
            first.record()
            work()
            last.record()
            last.synchronize()
            found.append(1e-3 * cupy.cuda.get_elapsed_time(first, last))
        return found

    A, B = (cupy.random.rand(size, size, dtype=cupy.float32) for _ in range(2))
    C, long = cupy.empty_like(A), cupy.zeros(2**30, dtype=cupy.float32)
    other = cupy.empty_like(long)
    rates = [2e-9 * size**3 / s for s in seconds(lambda: cupy.matmul(A, B, out=C))]
    copies = [2e-12 * long.nbytes / s for s in seconds(lambda: cupy.copyto(other, long))]
    return {
        "blas": "cuBLAS",
        "size": size,
        "best": max(rates),
        "median": statistics.median(rates),
        "kernels": [],
        "copy_terabytes": max(copies),
    }


def describe(backend, quick):
    """Everything about machine and run that the results need."""
    env, on_gpu = environment(), device_of(backend) == "cuda"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.machine", *(["gpu"] if on_gpu else [])],
        env=env | {"NVIDIA_TF32_OVERRIDE": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "backend": backend,
        "quick": quick,
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads(),
        "versions": versions(),
        "openblas_coretype": env.get("OPENBLAS_CORETYPE", "as OpenBLAS chose"),
        "sgemm_gflops": json.loads(ran.stdout),
        **({"gpu": gpu()} if on_gpu else {}),
    }


if __name__ == "__main__":
    print(json.dumps(measure_gpu() if "gpu" in sys.argv else measure_peak()))
