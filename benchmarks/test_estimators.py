"""Seconds of a whole `fit` of gpunet's estimators and of scikit-learn's, with the same parameters."""

import pytest

from benchmarks.estimator_cases import estimator_cases
from benchmarks.interleaved import InterleavedRounds
from benchmarks.worker_pool import WorkerPool

MEASURED = ("gpunet", "sklearn_mlp")
EPOCHS_APART = 1  # by which the two may differ: rounding decides when the loss no longer falls


def pytest_generate_tests(metafunc):
    cases = estimator_cases(metafunc.config.option.quick)
    metafunc.parametrize("one", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="module")
def pool(suite):
    pool = WorkerPool(suite.settings, "benchmarks.estimator_worker")
    yield pool
    pool.close()


def test_estimators(benchmark, suite, pool, one):
    measured = InterleavedRounds(
        MEASURED, lambda name: pool.call(name, "time_fit"), lambda name: pool.call(name, "prepare", one)
    )
    measured.run(benchmark, 3 if suite.quick or one.mnist else 5)
    epochs = {name: samples[-1]["epochs"] for name, samples in measured.samples.items()}
    if "lbfgs" not in one.parameters.values() and not one.search:
        assert abs(epochs["gpunet"] - epochs["sklearn_mlp"]) <= EPOCHS_APART
    for name, count in epochs.items():
        measured.details[name]["epochs"] = count
    benchmark.extra_info.update(
        kind="estimators",
        case=one.name,
        rows=one.rows,
        features=one.features,
        dtype=one.dtype,
        **measured.result(lambda sample: sample["seconds"], more_is_better=False),
    )
