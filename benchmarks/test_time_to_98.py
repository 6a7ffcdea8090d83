"""Seconds of training until 98% of MNIST's test images are classified correctly."""

import pytest

from benchmarks.datasets import mnist_folder
from benchmarks.interleaved import InterleavedRounds

MEASURED = ("gpunet", "jax_scan")
GOAL = 0.98
MAX_EPOCHS, MAX_FULL_BATCH_EPOCHS = 20, 100


@pytest.mark.skipif(mnist_folder() is None, reason="full MNIST is not here: GPUNET_DATA names its folder")
def test_time_to_98(benchmark, suite, case):
    full_batch = case.batch is None
    max_epochs = MAX_FULL_BATCH_EPOCHS if full_batch else MAX_EPOCHS
    measured = InterleavedRounds(
        suite.among(MEASURED),
        lambda name: suite.pool.call(name, "train_to_accuracy", case, GOAL, max_epochs),
    )
    measured.run(benchmark, 1 if full_batch or suite.quick or suite.settings.device == "cuda" else 2)
    for name, samples in measured.samples.items():
        measured.details[name] = {
            key: samples[-1][key] for key in ("epochs", "accuracy", "reached", "compiling", "program")
        }
    benchmark.extra_info.update(
        kind="time to 98%",
        net=case.architecture.title,
        method=case.method,
        setting=f"batch {case.batch or 'full'}, {case.optimizer}, rate {case.learning_rate:g}",
        **measured.result(lambda sample: sample["seconds"], more_is_better=False),
    )
