"""What checkpoints cost, and the checks that losses and weights are finite: seconds beside those of the updates."""

import pytest

from benchmarks.interleaved import spread
from benchmarks.worker_pool import WorkerPool

SECONDS, EVERY = 8.0, 1.0  # of a run, and from one checkpoint to the next
MINUTE = 60.0  # what a Checkpoint does without further arguments


@pytest.fixture(scope="module")
def pool(suite):
    pool = WorkerPool(suite.settings, "benchmarks.safeguard_worker")
    yield pool
    pool.close()


def test_safeguards(benchmark, suite, pool, case):
    seconds, every = (SECONDS / 4, EVERY / 4) if suite.quick else (SECONDS, EVERY)
    prepared = pool.call("gpunet", "prepare", case, seconds)
    without, with_checkpoints = [], []
    benchmark.pedantic(
        lambda: with_checkpoints.append(pool.call("gpunet", "time_fit", every)),
        setup=lambda: without.append(pool.call("gpunet", "time_fit", None)),
        rounds=2 if suite.quick else 5,
        iterations=1,
    )
    costs = [
        (b["seconds"] - a["seconds"]) / b["checkpoints"]
        for a, b in zip(without, with_checkpoints, strict=True)
    ]
    benchmark.extra_info.update(
        kind="safeguards",
        net=case.architecture.title,
        batch=case.batch or "full",
        optimizer=case.optimizer,
        checkpoint=spread(costs),
        at_one_a_minute=spread([cost / MINUTE for cost in costs]),
        outside_updates=spread([1 - one["updates"] / one["seconds"] for one in without]),
        **prepared,
    )
