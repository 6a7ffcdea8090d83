"""What the results say about the machine: processor or GPU, threads, versions, and the peak of ``sgemm``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.environment import ROOT, base_environment
from benchmarks.settings import device_of

PACKAGES = (
    "gpunet numpy scipy numba threadpoolctl cupy-cuda12x cupy-cuda13x torch jax jaxlib scikit-learn keras thinc "
    "onnx onnxruntime pytest-benchmark"
)


def available_cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_of_process():
    """Their numbers, those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(available_cores()))


def processor_name():
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def slug(backend="numpy"):
    """A name of the machine for file names."""
    if device_of(backend) == "cuda":
        return "-".join(re.findall(r"[a-z0-9.]+", gpu()["name"].lower()))
    words = re.sub(r"\(.*?\)|\bcpu\b|@.*| \d+-core.*", " ", processor_name().lower())
    return "-".join([*re.findall(r"[a-z0-9.]+", words)[:4], f"{available_cores()}-cores"])


def versions():
    """Versions of Python and of those `PACKAGES` that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES.split():
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def gpu():
    """Name, memory and driver of the first GPU, from ``nvidia-smi``."""
    ran = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(("name", "memory", "driver"), ran.stdout.splitlines()[0].split(", "), strict=True))


def measured_peak(environment, on_gpu):
    """See :mod:`benchmarks.peak`; in a process of its own, so that this one never loads a BLAS pool."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.peak", *(["gpu"] if on_gpu else [])],
        env=environment | {"NVIDIA_TF32_OVERRIDE": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def describe(backend, quick):
    """Everything about machine and run that the results store."""
    environment, on_gpu = base_environment(), device_of(backend) == "cuda"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "backend": backend,
        "quick": quick,
        "processor": processor_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": available_cores(),
        "versions": versions(),
        "openblas_coretype": environment.get("OPENBLAS_CORETYPE", "as OpenBLAS chose"),
        "sgemm_gflops": measured_peak(environment, on_gpu),
        **({"gpu": gpu()} if on_gpu else {}),
    }
