"""Peak memory of full-batch training above data and weights, in MB."""

import pytest

from benchmarks.cases import memory_cases
from benchmarks.contest import Contest
from benchmarks.once import REFERENCES
from benchmarks.team import once

WHO = ("gpunet", "textbook", "torch_eager", "jax_scan", "sklearn_mlp")


def cases(quick):
    return memory_cases(quick)


@pytest.mark.skipif(not REFERENCES.exists(), reason="only Linux says what a process's peak was")
def test_memory(benchmark, suite, case):
    contest = Contest(suite.those(among=WHO), lambda name: once("memory", name, suite.settings, case))
    contest.run(benchmark, 1)
    for name, turns in contest.turns.items():
        contest.about[name] = {"with_libraries": turns[-1]["with_libraries"], "program": turns[-1]["program"]}
    benchmark.extra_info.update(
        kind="memory",
        net=case.network.title,
        examples=case.examples,
        **contest.result(lambda turn: max(turn["workspace"], 0.1), more_is_better=False),
    )
