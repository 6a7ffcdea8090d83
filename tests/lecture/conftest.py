"""Experiments run once per session, and the page of a few of them."""

import pytest

from gpunet.cli import main
from gpunet.lecture import EXPERIMENTS, Experiment

RUN = Experiment.run  # some tests replace it
PAGE = ("softmax", "saturation", "momentum", "depth")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """The result of an experiment by name, with seed 0 on NumPy; each is run once."""
    experiments, results = {one.name: one for one in EXPERIMENTS}, {}

    def run_once(name):
        if name not in results:
            with pytest.MonkeyPatch.context() as patch:
                # No MNIST: the digits of scikit-learn are enough here, and nothing is downloaded.
                patch.setenv("GPUNET_DATA", str(tmp_path_factory.mktemp("empty")))
                results[name] = RUN(experiments[name], backend="numpy", seed=0)
        return results[name]

    return run_once


@pytest.fixture(scope="session")
def lecture_all(run, tmp_path_factory):
    """``gpunet lecture all`` with a few experiments: its folder. They are not run again, only drawn."""
    folder = tmp_path_factory.mktemp("lecture")
    some = [one for one in EXPERIMENTS if one.name in PAGE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpunet.lecture.command.find", lambda what: some)
        patch.setattr("gpunet.lecture.Experiment.run", lambda self, backend, seed: run(self.name))
        assert main(["lecture", "all", "--out", str(folder), "--backend", "numpy"]) == 0
    return folder


@pytest.fixture(scope="session")
def page(lecture_all):
    """The HTML text of that page."""
    return (lecture_all / "lecture.html").read_text(encoding="utf-8")
