"""Seconds from the first import to the end of the first epoch, in a new process; without reading the data."""

import shutil
from pathlib import Path

import pytest

from benchmarks import fresh_process
from benchmarks.interleaved import InterleavedRounds

MEASURED = ("gpunet", "textbook", "torch_eager", "torch_compiled", "jax_scan")
QUICK = ("gpunet", "torch_eager", "jax_scan")


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_first_epoch(benchmark, suite, case, cache):
    """With a cold cache everything is compiled; a warm one holds what an earlier process has compiled."""
    if suite.quick and cache == "cold":
        pytest.skip("not in quick mode")

    def take_sample(name):
        variables = compile_caches(cache_folder(name))
        return fresh_process.measure("first_epoch", name, suite.settings, case, **variables)

    def cache_folder(name):
        return Path(suite.settings.folder) / "caches" / case.name / name

    def prepare(name):
        if cache == "cold":
            shutil.rmtree(cache_folder(name), ignore_errors=True)
        elif not cache_folder(name).exists():
            take_sample(name)
        cache_folder(name).mkdir(parents=True, exist_ok=True)
        return {}

    measured = InterleavedRounds(suite.among(QUICK if suite.quick else MEASURED), take_sample, prepare)
    measured.run(benchmark, 1 if cache == "cold" or suite.quick else 2)
    for name, samples in measured.samples.items():
        kept = ("processor_seconds", "importing", "second_epoch", "program")
        measured.details[name] = {key: samples[-1][key] for key in kept}
    benchmark.extra_info.update(
        kind="first epoch",
        net=case.architecture.title,
        batch=case.batch,
        cache=cache,
        **measured.result(lambda sample: sample["seconds"], more_is_better=False),
    )


def compile_caches(folder):
    """Environment variables that put each library's compile cache into `folder`."""
    return {
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
