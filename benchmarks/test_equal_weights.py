"""Every implementation trains the same weights as gpunet's reference program, within rounding."""

import numpy as np
import pytest

from benchmarks.errors import MeasurementFailed, Unsupported
from benchmarks.peers import IMPLEMENTATIONS

# Largest distance from the reference's weights, relative to how far training moved those. Adam's quotient magnifies
# rounding, and PyTorch adds its ε elsewhere.
TOLERANCE = {"plain": 1e-3, "momentum": 1e-3, "adam": 2e-2}


def vector(parameters):
    return np.concatenate([p.ravel() for pair in parameters for p in pair]).astype(np.float64)


def test_equal_weights(benchmark, suite, case):
    start = vector(case.architecture.initial_parameters())
    expected = vector(suite.pool.call("gpunet_reference", "trained_parameters", case, 1)[0])
    moved = np.linalg.norm(expected - start)
    distances, programs, wrong = {}, {}, {}

    def compare(name):
        parameters, programs[name] = suite.pool.call(name, "trained_parameters", case, 1)
        distances[name] = float(np.linalg.norm(vector(parameters) - expected) / moved)
        if not distances[name] < TOLERANCE[case.optimizer]:
            wrong[name] = distances[name]

    benchmark.pedantic(compare, ("gpunet",), rounds=1, iterations=1)
    for name in suite.training(case):
        if name == "gpunet":
            continue
        try:
            compare(name)
        except Unsupported:
            continue
        except MeasurementFailed as error:
            wrong[name] = str(error)
    benchmark.extra_info.update(
        kind="equal",
        case=f"{case.architecture.title}, batch {case.batch or 'full'}, {case.optimizer}",
        distances={IMPLEMENTATIONS[name].label: distance for name, distance in distances.items()},
        program=programs["gpunet"],
    )
    if wrong:
        pytest.fail(
            f"weights differ from the reference's (distance relative to the distance trained): {wrong}"
        )
