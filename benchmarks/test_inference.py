"""Examples per second in `predict`, and that all implementations predict the same."""

import numpy as np

from benchmarks.interleaved import InterleavedRounds, throughput


def test_inference(benchmark, suite, case):
    outputs = {}

    def prepare(name):
        outputs[name] = suite.pool.call(name, "prepare_inference", case)
        return {}

    measured = InterleavedRounds(
        suite.predicting(), lambda name: suite.pool.call(name, "time_inference"), prepare
    )
    measured.run(benchmark, suite.settings.rounds)
    benchmark.extra_info.update(
        kind="inference",
        net=case.architecture.title,
        batch=case.batch,
        where="host" if case.from_host else "device",
        **measured.result(throughput),
    )
    for name, found in outputs.items():
        np.testing.assert_allclose(found, outputs["gpunet"], atol=1e-5, err_msg=name)
