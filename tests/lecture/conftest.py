"""Experiments run once per session, each from a copy of its script, and the page of a few of them."""

import runpy
import shutil

import pytest

from gpunet.cli import main
from gpunet.lecture import EXPERIMENTS

PAGE = ("regression", "shapes", "normalise", "momentum")
BY_NAME = {one.name: one for one in EXPERIMENTS}


@pytest.fixture(scope="session")
def copied(tmp_path_factory):
    """The names of a script that was copied into an empty folder and run there; each is run once."""
    scripts = {}

    def script(name):
        if name not in scripts:
            copy = tmp_path_factory.mktemp("copied") / f"{name}.py"
            shutil.copy(BY_NAME[name].path, copy)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(copy.parent)
                scripts[name] = runpy.run_path(str(copy))
        return scripts[name]

    return script


@pytest.fixture(scope="session")
def run(copied, tmp_path_factory):
    """The result of an experiment by name, with seed 0 on NumPy, by the copy of its script; each is run once."""
    results = {}

    def run_once(name):
        if name not in results:
            with pytest.MonkeyPatch.context() as patch:
                # No MNIST: the digits of scikit-learn are enough here, and nothing is downloaded.
                patch.setenv("GPUNET_DATA", str(tmp_path_factory.mktemp("empty")))
                results[name] = copied(name)["run"](backend="numpy", seed=0)
        return results[name]

    return run_once


@pytest.fixture(scope="session")
def figure(run):
    """The figure of an experiment by name; each is drawn once."""
    figures = {}

    def drawn(name):
        if name not in figures:
            figures[name] = BY_NAME[name].draw(run(name))
        return figures[name]

    return drawn


@pytest.fixture(scope="session")
def lecture_all(run, tmp_path_factory):
    """``gpunet lecture all`` with a few experiments: its folder. They are not run again, only drawn."""
    folder = tmp_path_factory.mktemp("lecture")
    some = [BY_NAME[name] for name in BY_NAME if name in PAGE]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpunet.lecture.command.find", lambda what: some)
        patch.setattr("gpunet.lecture.Experiment.run", lambda self, backend, seed: run(self.name))
        assert main(["lecture", "all", "--out", str(folder), "--backend", "numpy"]) == 0
    return folder


@pytest.fixture(scope="session")
def page(lecture_all):
    """The HTML text of that page."""
    return (lecture_all / "lecture.html").read_text(encoding="utf-8")
