"""Every contender computes what gpunet's reference computes: the weights after an epoch are the same."""

import numpy as np
import pytest

from benchmarks.cases import equal_cases as cases  # noqa: F401
from benchmarks.peers import CONTENDERS
from benchmarks.team import Failed, LeftOut

# Distance of the weights, as a share of the way that they have come. Adam's ε stands in different places.
CLOSE = {"plain": 1e-3, "momentum": 1e-3, "adam": 2e-2}


def flat(weights):
    return np.concatenate([p.ravel() for pair in weights for p in pair]).astype(np.float64)


def test_equal(benchmark, suite, case):
    start = flat(case.network.start())
    oracle = flat(suite.team.ask("gpunet_reference", "learn", case, 1)[0])
    way = np.linalg.norm(oracle - start)
    found, programs, wrong = {}, {}, {}

    def learn(name):
        weights, programs[name] = suite.team.ask(name, "learn", case, 1)
        found[name] = float(np.linalg.norm(flat(weights) - oracle) / way)
        if not found[name] < CLOSE[case.optimizer]:
            wrong[name] = found[name]

    benchmark.pedantic(learn, ("gpunet",), rounds=1, iterations=1)
    for name in suite.those(lambda about: about.trains and (case.for_all or not about.slow))[1:]:
        try:
            learn(name)
        except LeftOut:
            continue
        except Failed as error:
            wrong[name] = str(error)
    benchmark.extra_info.update(
        kind="equal",
        case=f"{case.network.title}, batch {case.batch or 'full'}, {case.optimizer}",
        distances={CONTENDERS[name].label: distance for name, distance in found.items()},
        program=programs["gpunet"],
    )
    if wrong:
        pytest.fail(f"not the reference's weights (distance as a share of the way from the start): {wrong}")
