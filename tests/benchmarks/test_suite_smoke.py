"""The benchmark suite runs: two implementations, few examples, no figures asserted."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import datasets, fresh_process, machine, process_memory, worker_pool
from benchmarks.cases import Case
from benchmarks.environment import ROOT
from benchmarks.errors import MeasurementFailed, Unsupported
from benchmarks.estimator_cases import EstimatorCase, estimator_cases
from benchmarks.interleaved import InterleavedRounds, throughput
from benchmarks.settings import Settings
from benchmarks.worker_pool import WorkerPool
from benchmarks.worker_process import WorkerProcess

pytestmark = pytest.mark.slow

CASE = Case("shallow", 32, examples=200)
DEEP_MOMENTUM = Case("deep", None, "momentum", examples=200)
MEASURED = ("gpunet", "textbook")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    datasets.write(folder, "mnist", datasets.synthetic(200, 50))
    return Settings("numpy", str(folder), threads=1, sample_seconds=0.01, rounds=2)


@pytest.fixture(scope="module")
def pool(settings):
    pool = WorkerPool(settings)
    yield pool
    pool.close()


def test_interleaved_rounds_of_training(pool):
    calls = []

    def take_sample(name):
        calls.append(name)
        return pool.call(name, "time_training")

    measured = InterleavedRounds(
        MEASURED, take_sample, lambda name: {"program": pool.call(name, "prepare_training", CASE)}
    )
    for _ in range(2):
        measured.sample_others()
        measured.sample_gpunet()
    assert calls == ["textbook", "gpunet"] * 2
    result = measured.result(throughput, flops=CASE.architecture.flops_per_example, peak=100.0)
    assert set(result["implementations"]) == set(MEASURED)
    assert result["best_peer"] == "textbook"
    assert result["implementations"]["gpunet"]["program"]
    assert result["implementations"]["gpunet"]["fraction_of_peak"] > 0


def test_safeguards(settings):
    pool = WorkerPool(settings, "benchmarks.safeguard_worker")
    try:
        prepared = pool.call("gpunet", "prepare", CASE, 0.1)
        assert prepared["program"] and prepared["epochs"] >= 2
        for every, checkpoints in ((None, 0), (0.0, 1)):
            sample = pool.call("gpunet", "time_fit", every)
            assert sample["seconds"] > sample["updates"] > 0
            assert sample["checkpoints"] >= checkpoints and bool(sample["checkpoints"]) == bool(checkpoints)
    finally:
        pool.close()


@pytest.mark.skipif(not process_memory.available(), reason="only Linux tells a process's peak memory")
def test_streams(settings, monkeypatch):
    pool = WorkerPool(settings, "benchmarks.stream_worker")
    try:
        assert pool.call("gpunet", "prepare", CASE)["file"] == pytest.approx(CASE.examples * 784 / 1e6)
        samples = [pool.call("gpunet", "time_fit", name) for name in ("memory", "stream")]
        assert all(one["seconds"] > 0 and one["memory"] >= 0 and one["program"] for one in samples)
        assert samples[0]["loss"] == samples[1]["loss"]  # a file as small as this one is read as a whole
    finally:
        pool.close()


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to cores"
)
def test_a_process_on_some_cores(monkeypatch, tmp_path):
    """From its start, as libraries see when they load; the others have all of the suite's."""
    code = (
        "import os, sys; from multiprocessing.connection import Connection; c = Connection(int(sys.argv[-1])); "
        "c.recv(); c.send(('answer', sorted(os.sched_getaffinity(0))))"
    )
    cores = machine.cores_of_process()
    for some in (None, cores[:1]):
        process = WorkerProcess([sys.executable, "-c", code], None, ROOT, None, some)
        assert process.ask("which") == (some or cores)
        process.close()
    assert machine.cores_of_process() == cores
    started = []
    monkeypatch.setattr(
        worker_pool,
        "WorkerProcess",
        lambda *given: started.append(given) or SimpleNamespace(ask=lambda s: None),
    )
    monkeypatch.setattr(machine, "cores_of_process", lambda: [3, 5, 6])
    for threads in (2, 3):
        pool = WorkerPool(Settings("numpy", str(tmp_path), threads))
        pool._start("textbook")
        pool.log.close()
    assert [(one[1].get("OMP_NUM_THREADS"), one[4]) for one in started] == [
        ("2", [3, 5]),
        (os.environ.get("OMP_NUM_THREADS"), None),
    ]


@pytest.mark.parametrize("search", [False, True])
def test_estimators(settings, search):
    case = EstimatorCase("small", 100, 4, 3, parameters={"max_iter": 3}, search=search)
    pool = WorkerPool(settings, "benchmarks.estimator_worker")
    try:
        for name in ("gpunet", "sklearn_mlp"):
            prepared = pool.call(name, "prepare", case)
            assert prepared["importing"] > 0 and prepared["first_fit"] > 0
            sample = pool.call(name, "time_fit")
            assert sample["seconds"] > 0 and sample["epochs"] == (None if search else 3)
    finally:
        pool.close()


@pytest.mark.parametrize("mnist", [False, True])
def test_data_of_estimators(settings, mnist):
    for case in (case for quick in (False, True) for case in estimator_cases(quick)):
        if case.mnist == mnist and (mnist or case.rows < 2000):
            case = replace(case, rows=min(case.rows, 200))
            X, y = case.data(settings.folder)
            assert X.shape == (case.rows, case.features) and X.dtype == case.dtype
            assert len(np.unique(y)) == case.classes or not case.classes


@pytest.mark.parametrize("case", [CASE, DEEP_MOMENTUM], ids=lambda case: case.name)
def test_implementations_train_the_same_weights(pool, case):
    found = [pool.call(name, "trained_parameters", case, 2)[0] for name in MEASURED]
    for ours, theirs in zip(*found, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_reference_is_the_reference(pool):
    """A program of the backend's own in its place would make the comparison of weights say nothing."""
    case = Case("shallow", 1, examples=200)
    assert pool.call("gpunet", "trained_parameters", case, 1)[1] != "reference"
    assert pool.call("gpunet_reference", "trained_parameters", case, 1)[1] == "reference"


def test_inference_and_time_to_an_accuracy(pool):
    outputs = [pool.call(name, "prepare_inference", CASE) for name in MEASURED]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    assert pool.call("gpunet", "time_inference")["examples"] >= 32
    case = Case("shallow", 32, examples=200, from_host=True)
    assert np.array_equal(pool.call("textbook", "prepare_inference", case), outputs[1])
    np.testing.assert_allclose(pool.call("gpunet", "prepare_inference", case), outputs[1], atol=1e-5)
    unreachable = 2.0
    found = pool.call("gpunet", "train_to_accuracy", CASE, unreachable, 1)
    assert found["epochs"] == 1 and not found["reached"] and found["seconds"] > 0


def test_a_worker_reports_errors_and_lives_on(pool):
    with pytest.raises(MeasurementFailed, match="AttributeError"):
        pool.call("textbook", "no_such_method")
    too_many_steps = Case("shallow", 1)
    with pytest.raises(Unsupported, match="takes too long"):
        pool.call("gpunet_reference", "prepare_training", too_many_steps)
    assert pool.call("textbook", "trained_parameters", CASE, 1)


def test_a_new_process_per_measurement(settings):
    assert fresh_process.measure("first_epoch", "textbook", settings, CASE)["seconds"] > 0
    with pytest.raises(MeasurementFailed, match="no_such_peer"):
        fresh_process.measure("first_epoch", "no_such_peer", settings, CASE)


@pytest.mark.skipif(not process_memory.available(), reason="only Linux tells a process's peak memory")
def test_memory(settings):
    case = Case("shallow", None, examples=200)
    assert fresh_process.measure("memory", "textbook", settings, case)["with_libraries"] > 0


def test_the_suite_is_collected():
    command = [*["-m", "pytest", "benchmarks", "--backend", "numpy", "--quick", "--collect-only", "-q"]]
    alone = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST")
    }  # -n 2 is no benchmark's
    ran = subprocess.run([sys.executable, *command], cwd=ROOT, env=alone, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for module in Path(ROOT, "benchmarks").glob("test_*.py"):
        assert f"{module.name}::" in ran.stdout
