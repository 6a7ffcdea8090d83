"""The command line, called in this process and in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpunet.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpunet(capsys):
    """Run a command; its exit code, standard output and standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def good(gpunet):
    """Run a command that must go well; its standard output."""

    def run(*arguments):
        code, out, err = gpunet(*arguments)
        assert code == 0, err
        return out

    return run


@pytest.fixture
def bad(gpunet):
    """Run a command that must be refused; what it says."""

    def run(*arguments):
        code, _, err = gpunet(*arguments)
        assert code == 2
        assert err.startswith("gpunet: error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def alone():
    """Start a command of Python in a process of its own, with this checkout's gpunet."""

    def start(*arguments, **settings):
        path = os.pathsep.join([str(ROOT), str(ROOT / "backends"), *settings.pop("path", [])])
        environment = os.environ | {"PYTHONPATH": path} | settings.pop("env", {})
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            **settings,
        )

    return start


@pytest.fixture
def blobs(tmp_path):
    """A table of three kinds of flowers, far apart, and what it is made of."""
    rng = np.random.default_rng(0)
    names = np.array(["aster", "daisy", "poppy"])
    y = rng.integers(3, size=150)
    X = rng.normal(size=(150, 2)) + 6.0 * np.eye(3)[y][:, :2]
    path = tmp_path / "flowers.csv"
    lines = [f"{a:.6f},{b:.6f},{names[k]}" for (a, b), k in zip(X, y, strict=True)]
    path.write_text("\n".join(["height,width,flower", *lines]) + "\n")
    return path, X, names[y]
