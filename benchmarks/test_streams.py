"""Images of uint8 in a file, read while the network trains, against the same in memory: seconds of an epoch."""

import pytest

from benchmarks import process_memory
from benchmarks.interleaved import spread
from benchmarks.worker_pool import WorkerPool


@pytest.fixture(scope="module")
def pool(suite):
    pool = WorkerPool(suite.settings, "benchmarks.stream_worker")
    yield pool
    pool.close()


@pytest.mark.skipif(not process_memory.available(), reason="only Linux tells a process's peak memory")
def test_streams(benchmark, suite, pool, case):
    prepared = pool.call("gpunet", "prepare", case)
    memory, stream = [], []
    benchmark.pedantic(
        lambda: stream.append(pool.call("gpunet", "time_fit", "stream")),
        setup=lambda: memory.append(pool.call("gpunet", "time_fit", "memory")),
        rounds=2 if suite.quick else 4,
        iterations=1,
    )
    benchmark.extra_info.update(
        kind="streams",
        net=case.architecture.title,
        batch=case.batch or "full",
        optimizer=case.optimizer,
        examples=case.examples,
        memory=spread([one["seconds"] for one in memory]),
        stream=spread([one["seconds"] for one in stream]),
        ratio=spread([a["seconds"] / b["seconds"] for a, b in zip(stream, memory, strict=True)]),
        peak=max(one["memory"] for one in stream),
        program=stream[-1]["program"],
        **prepared,
    )
