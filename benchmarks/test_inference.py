"""Examples a second in `predict`, and that all contenders predict the same."""

import numpy as np

from benchmarks.cases import inference_cases as cases  # noqa: F401
from benchmarks.contest import Contest, per_second


def test_inference(benchmark, suite, case):
    outputs = {}

    def prepare(name):
        outputs[name] = suite.team.ask(name, "infer", case)

    contest = Contest(
        suite.those(lambda about: about.predicts), lambda name: suite.team.ask(name, "call"), prepare
    )
    contest.run(benchmark, suite.settings.rounds)
    benchmark.extra_info.update(
        kind="inference",
        net=case.network.title,
        batch=case.batch,
        **contest.result(per_second),
    )
    for name, found in outputs.items():
        np.testing.assert_allclose(found, outputs["gpunet"], atol=1e-5, err_msg=name)
