"""Seconds from the first import to the end of the first epoch, in a fresh process; reading the data left out."""

import tempfile

import pytest

from benchmarks.cases import first_epoch_cases as cases  # noqa: F401
from benchmarks.contest import Contest
from benchmarks.team import once

WHO = ("gpunet", "textbook", "torch_eager", "torch_compiled", "jax_jit", "jax_scan")


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_first_epoch(benchmark, suite, case, cache):
    """`cold` compiles everything; `warm` finds what an earlier process has compiled."""
    with tempfile.TemporaryDirectory() as folder:

        def ask(name):
            return once("first_epoch", name, suite.settings, case, **compile_caches(f"{folder}/{name}"))

        contest = Contest(suite.those(among=WHO), ask, prepare=ask if cache == "warm" else lambda name: {})
        contest.about = {}
        contest.run(benchmark, 1 if cache == "cold" else 3)
    benchmark.extra_info.update(
        kind="first epoch",
        net=case.network.title,
        batch=case.batch,
        cache=cache,
        **contest.result(lambda turn: turn["seconds"], more_is_better=False),
    )


def compile_caches(folder):
    """Where each library keeps what it has compiled."""
    return {
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
