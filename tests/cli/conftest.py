"""Commands run in this process, or in a process of their own; networks trained once per session."""

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpunet.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package", autouse=True)
def one_blas_thread():
    """For matrices this small, more threads only wait for each other, above all on a busy machine."""
    if importlib.util.find_spec("threadpoolctl") is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


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
    """Run a command that must succeed; its standard output."""

    def run(*arguments):
        code, out, err = gpunet(*arguments)
        assert code == 0, err
        return out

    return run


@pytest.fixture
def bad(gpunet):
    """Run a command that must be refused as bad input; its error message."""

    def run(*arguments):
        code, _, err = gpunet(*arguments)
        assert code == 2
        assert err.startswith("gpunet: error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Run ``gpunet train`` once for the same arguments; the saved network's path and the output."""
    runs = {}

    def train(*arguments):
        key = tuple(map(str, arguments))
        if key not in runs:
            net = tmp_path_factory.mktemp("trained") / "net"
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(["train", *key, "--save", str(net)])
            assert code == 0, err.getvalue()
            runs[key] = net, out.getvalue()
        return runs[key]

    return train


@pytest.fixture
def process():
    """Start Python in a process of its own, with this checkout's gpunet; killed if it outlives the test."""
    with contextlib.ExitStack() as started:

        def start(*arguments, path=(), env=None, **settings):
            paths = os.pathsep.join([str(ROOT), str(ROOT / "backends"), *map(str, path)])
            child = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # Buffered, as in a shell: output is then written, and may fail, at the end.
                env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": ""} | (env or {}),
                **settings,
            )
            started.callback(stop, child)
            return child

        yield start


def stop(child):
    """Kill a process that still runs, and close its pipes."""
    child.kill()
    child.wait(timeout=60)
    for pipe in (child.stdout, child.stderr):
        pipe.close()


@pytest.fixture(scope="session")
def flowers(tmp_path_factory):
    """A table of three well separated classes: its path, its features and its class names."""
    rng = np.random.default_rng(0)
    names = np.array(["aster", "daisy", "poppy"])
    y = rng.integers(3, size=150)
    X = rng.normal(size=(150, 2)) + 6.0 * np.eye(3)[y][:, :2]
    path = tmp_path_factory.mktemp("flowers") / "flowers.csv"
    lines = [f"{a:.6f},{b:.6f},{names[k]}" for (a, b), k in zip(X, y, strict=True)]
    path.write_text("\n".join(["height,width,flower", *lines]) + "\n")
    return path, X, names[y]
