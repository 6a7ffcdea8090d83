"""Whole processes whose first run is compiled by a child."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from gpunet_numpy import compiling

PATHS = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


SCRIPT = """
import numpy as np
import gpunet as gn
from gpunet_numpy import compiling

rng = np.random.default_rng(0)
X, y = rng.random((2000, 20), dtype="float32"), rng.integers(0, 2, 2000)

def fit(backend, callbacks=()):
    net = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], seed=0, backend=backend)
    optimizer = gn.GradientDescent(0.1, 0.5)
    return net.fit(X, y, optimizer=optimizer, batch_size=50, epochs=400, callbacks=callbacks), net.parameters

def wait(net, history):
    if net.epochs_trained == 300:
        assert history.program == "reference", history.program
        assert history.reason == compiling.COMPILING, history.reason
        (child,) = compiling._children.values()
        assert child.wait() == STATUS

found, parameters = fit("numpy", wait)
print(found.program)
print(found.reason)
if STATUS == 0:
    expected, others = fit("readonly")
    assert expected.program == "reference"
    assert np.allclose(found.loss, expected.loss, rtol=1e-4)
    for (W, b), (V, c) in zip(parameters, others):
        assert np.allclose(W, V, atol=1e-3) and np.allclose(b, c, atol=1e-3)
    again, _ = fit("numpy")
    assert again.program == "compiled columns"
    assert len(compiling._children) == 1

    from gpunet_numpy.compiled.cache import is_on_disk
    from gpunet_numpy.compiled.columns.program import Columns

    assert [is_on_disk(Columns.kernel, dtype) for dtype in ("float32", "float64")] == [True, False]
"""


def run(script, folder, status=0):
    """Lines that a script prints. It and the folder where it starts have nothing to do with the sources."""
    (folder / "here").mkdir(exist_ok=True)
    (folder / "here" / "numpy.py").write_text("raise ImportError('a file of the user')")
    (folder / "main.py").write_text(script.replace("STATUS", str(status)))
    settings = PATHS | {"GPUNET_COMPILE": "background", "NUMBA_CACHE_DIR": str(folder / "cache")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(folder / "main.py")],
        env=os.environ | settings,
        cwd=folder / "here",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.splitlines()


@pytest.mark.slow
def test_a_first_run_changes_to_the_program_that_a_child_compiled(with_numba, tmp_path):
    assert run(SCRIPT, tmp_path) == [
        "reference, then compiled columns",
        compiling.COMPILING,
    ]
    # In the next process it is on disk: as with "wait".
    program, reason = run(SCRIPT.replace("callbacks=callbacks", "callbacks=()"), tmp_path, status=None)
    assert (program, reason) == ("compiled columns", "it supports this plan")


@pytest.mark.slow
def test_a_first_run_goes_on_if_the_child_dies(with_numba, tmp_path):
    script = SCRIPT.replace("assert child.wait() == STATUS", "child.kill(); child.wait()")
    program, reason = run(script, tmp_path, status=None)
    assert program == "reference"
    assert "compiling in another process failed" in reason


@pytest.mark.slow
def test_a_child_that_cannot_write_the_cache_says_so(with_numba, tmp_path):
    full = """
import errno, os, sys
from gpunet_numpy.compiled import ahead

def replace(source, target):
    raise OSError(errno.ENOSPC, "No space left on device")

os.replace = replace
sys.argv = ["ahead", "gpunet_numpy.compiled.tiny.program:Tiny", "float32"]
try:
    ahead.main()
except SystemExit as error:
    print("exit:", error)
"""
    assert run(full, tmp_path) == ["exit: the compiled code could not be written"]


SHORT = """
import os
from gpunet_numpy import compiling
from gpunet_numpy.compiled.tiny.program import Tiny

print(compiling.unready_reason(Tiny, "float64") == compiling.COMPILING, *(c.pid for c in compiling._children.values()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_short_runs_share_one_compilation(with_numba, tmp_path):
    """The first one's child goes on; it holds neither its pipes nor its terminal."""
    first, *more = run(SHORT, tmp_path)  # `run` reads to the end of its output
    assert not more
    compiling_now, pid = first.split()
    try:
        os.kill(int(pid), signal.SIGSTOP)
        assert compiling_now == "True"
        assert os.getsid(int(pid)) == int(pid)
        assert [run(SHORT, tmp_path) for _ in range(3)] == [["True"]] * 3
        assert run(SHORT.replace("float64", "float32"), tmp_path) == ["True"]
        os.kill(int(pid), signal.SIGCONT)
        deadline = time.monotonic() + 250
        while run(SHORT, tmp_path) == ["True"]:
            assert time.monotonic() < deadline
        assert run(SHORT, tmp_path) == ["False"]
        assert list(tmp_path.rglob("*.code"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
