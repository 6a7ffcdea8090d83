"""Seconds from the first import to the end of the first epoch, in a fresh process; reading the data left out."""

import shutil
from pathlib import Path

import pytest

from benchmarks.cases import first_epoch_cases as cases  # noqa: F401
from benchmarks.contest import Contest
from benchmarks.team import once

WHO = ("gpunet", "textbook", "torch_eager", "torch_compiled", "jax_scan")
QUICK = ("gpunet", "torch_eager", "jax_scan")


@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_first_epoch(benchmark, suite, case, cache):
    """`cold` compiles everything; `warm` finds what the cold process has compiled."""
    if suite.quick and cache == "cold":
        pytest.skip("not in quick mode")

    def ask(name):
        return once("first_epoch", name, suite.settings, case, **compile_caches(folder(name)))

    def folder(name):
        return Path(suite.settings.folder) / "caches" / case.name / name

    def prepare(name):
        if cache == "cold":
            shutil.rmtree(folder(name), ignore_errors=True)
        elif not folder(name).exists():
            ask(name)
        folder(name).mkdir(parents=True, exist_ok=True)

    contest = Contest(suite.those(among=QUICK if suite.quick else WHO), ask, prepare)
    contest.run(benchmark, 1 if cache == "cold" or suite.quick else 2)
    for name, turns in contest.turns.items():
        contest.about[name] = {key: turns[-1][key] for key in ("importing", "second_epoch", "program")}
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
