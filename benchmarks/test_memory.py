"""Peak memory of full-batch training above data and weights, in MB."""

import pytest

from benchmarks import fresh_process, process_memory
from benchmarks.interleaved import InterleavedRounds

MEASURED = ("gpunet", "textbook", "torch_eager", "jax_scan", "sklearn_mlp")


@pytest.mark.skipif(not process_memory.available(), reason="only Linux tells a process's peak memory")
def test_memory(benchmark, suite, case):
    measured = InterleavedRounds(
        suite.among(MEASURED), lambda name: fresh_process.measure("memory", name, suite.settings, case)
    )
    measured.run(benchmark, 1)
    for name, samples in measured.samples.items():
        measured.details[name] = {key: samples[-1][key] for key in ("with_libraries", "program")}
    benchmark.extra_info.update(
        kind="memory",
        net=case.architecture.title,
        examples=case.examples,
        **measured.result(lambda sample: max(sample["workspace"], 0.1), more_is_better=False),
    )
