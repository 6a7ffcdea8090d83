"""The machine's peak of ``sgemm`` (float32 matrix product), which throughput is compared with.

``python -m benchmarks.peak [gpu]`` prints it as JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time


def cpu_peak(size=2048, repeats=7):
    """GFLOP/s on all cores, best and median, in SciPy's BLAS, or NumPy's without SciPy."""
    import numpy as np

    rng = np.random.default_rng(0)
    A, B = (np.asfortranarray(rng.random((size, size), np.float32)) for _ in range(2))
    C = np.zeros((size, size), np.float32, order="F")
    try:
        from scipy.linalg.blas import sgemm
    except ImportError:
        blas, multiply = "NumPy", lambda: np.matmul(A, B, out=C)
    else:
        blas, multiply = "SciPy", lambda: sgemm(1.0, A, B, c=C, overwrite_c=True)
    multiply()
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        multiply()
        rates.append(2e-9 * size**3 / (time.perf_counter() - started))
    return figures(blas, size, rates, openblas_kernels())


def openblas_kernels():
    """The kernels that the loaded BLAS libraries have chosen; empty without threadpoolctl."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    return sorted({one["architecture"] for one in threadpool_info() if "architecture" in one})


def gpu_peak(size=8192, repeats=10):
    """GFLOP/s through CuPy, and TB/s of a copy in device memory, bytes read plus bytes written."""
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
    C, source = cupy.empty_like(A), cupy.zeros(2**30, dtype=cupy.float32)
    target = cupy.empty_like(source)
    rates = [2e-9 * size**3 / s for s in seconds(lambda: cupy.matmul(A, B, out=C))]
    copies = [2e-12 * source.nbytes / s for s in seconds(lambda: cupy.copyto(target, source))]
    return {**figures("cuBLAS", size, rates, []), "copy_terabytes": max(copies)}


def figures(blas, size, rates, kernels):
    return {
        "blas": blas,
        "size": size,
        "best": max(rates),
        "median": statistics.median(rates),
        "kernels": kernels,
    }


if __name__ == "__main__":
    print(json.dumps(gpu_peak() if "gpu" in sys.argv else cpu_peak()))
