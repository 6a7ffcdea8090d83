"""Seconds of training until 98% of the test images are right, for each way of descent."""

import pytest

from benchmarks.cases import to_98_cases
from benchmarks.contest import Contest
from benchmarks.data import mnist_folder
from benchmarks.settings import chosen

WHO = ("gpunet", "jax_scan")
GOAL, MOST_EPOCHS = 0.98, {False: 20, True: 100}  # of mini-batches, of full batches


def pytest_generate_tests(metafunc):
    option = metafunc.config.option
    found = [
        (way, case)
        for way, some in to_98_cases(option.quick).items()
        for case in chosen("test_time_to_98", some, option.backend)
    ]
    metafunc.parametrize(("way", "setting"), found, ids=[f"{case.name}-{case.rate}" for _, case in found])


@pytest.mark.skipif(mnist_folder() is None, reason="full MNIST is not here: GPUNET_DATA names its folder")
def test_time_to_98(benchmark, suite, way, setting):
    def ask(name):
        return suite.team.ask(name, "until", setting, GOAL, MOST_EPOCHS[setting.batch is None])

    contest = Contest(suite.those(among=WHO), ask)
    once = setting.batch is None or suite.quick or suite.settings.device == "cuda"
    contest.run(benchmark, 1 if once else 2)
    for name, turns in contest.turns.items():
        contest.about[name] = {
            key: turns[-1][key] for key in ("epochs", "accuracy", "reached", "compiling", "program")
        }
    benchmark.extra_info.update(
        kind="time to 98%",
        net=setting.network.title,
        way=way,
        setting=f"batch {setting.batch or 'full'}, {setting.optimizer}, rate {setting.learning_rate:g}",
        **contest.result(lambda turn: turn["seconds"], more_is_better=False),
    )
