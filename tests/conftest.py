"""Fixtures that every room's tests share."""

import gc
import math
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

# Before NumPy is imported. Threads of BLAS that have nothing to do would keep a core busy, which other tests could use.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # before JAX is imported: float64 is tested too
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("GPUNET_BACKEND", None)
os.environ["GPUNET_COMPILE"] = "wait"  # in the background, how much has been compiled would change results
os.environ.pop("PYTEST_ADDOPTS", None)  # meant for this run, not for a pytest that a test starts

import numpy as np
from hypothesis import given, settings
from hypothesis.strategies import none

import cuda_on_cpu
import gpunet as gn

# JAX compiles each new shape, which takes most of the time of a room's tests.
BACKENDS = ["numpy", "readonly", "strict", "torch", pytest.param("jax", marks=pytest.mark.slow), "cupy"]
# Those of other packages, for who adds one: see docs/how-to/backend.md.
OTHERS = os.environ.get("GPUNET_TEST_BACKENDS", "").split()
NO_GPU = "no GPU: "
# Ray is 79 MB, and MPICH is there in the place of Open MPI: neither is in the extra ``test``.
MAY_SKIP = (
    *(NO_GPU, "no Ray: ", "no Open MPI: "),
    "compiling takes most of the time",  # left out by choice
    # Of scikit-learn's own checks, those that do not apply.
    *("SCIPY_ARRAY_API is not set", "MLPClassifier does not have a decision_function method"),
)


def usable(name):
    """The backend called `name`, or a skip that says why there is none."""
    try:
        return gn.get_backend(name)
    except gn.BackendUnavailable as error:
        if name in OTHERS:
            raise
        pytest.skip(f"{NO_GPU if name == 'cupy' else ''}{error}")


@pytest.fixture(params=[*BACKENDS, *OTHERS])
def backend(request):
    """Every backend in turn; those that can't be used here are skipped with their reason."""
    return usable(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def mnist_folder():
    """Where full MNIST lies, or None."""
    for place in (
        os.environ.get("GPUNET_DATA"),
        Path(__file__).parents[1].parent / "shared" / "data" / "mnist",
    ):
        if place and any(Path(place).glob("**/train-images-idx3-ubyte*")):
            return Path(place)
    return None


@pytest.fixture(scope="session")
def mnist():
    """Full MNIST."""
    folder = mnist_folder()
    if folder is None:
        pytest.skip("full MNIST is not here: GPUNET_DATA names its folder")
    return gn.datasets.mnist(folder)


def pytest_configure(config):
    """What is compiled of CUDA kernels is shared by the processes of a run, those of pytest-xdist and of tests."""
    if not hasattr(config, "workerinput"):
        folder = os.environ[cuda_on_cpu.FOLDER] = tempfile.mkdtemp(prefix="kernels")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


def pytest_collection_finish():
    """What is there before the tests is not garbage: it would be looked through again and again."""
    # hypothesis makes a generator of random numbers in the first test, and asks the garbage collector who refers to it:
    # what is frozen no longer counts.
    settings(max_examples=1, database=None)(given(none())(lambda _: None))()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # of those that -m leaves
def pytest_collection_modifyitems(config, items):
    """Where processes share the tests out, slow ones first: none is left with a long one at the end.

    Each process begins with a share of them, in their order; the last ones go to those that have finished. So a test
    that takes longer than the rest, `slow(seconds=…)`, is the first of its share.
    """
    count = getattr(config, "workerinput", {}).get("workercount")
    if count:
        share = math.ceil(len(items) / count)
        shares = [items[first : first + share] for first in range(0, len(items), share)]
        items[:] = [one for some in shares for one in sorted(some, key=seconds, reverse=True)]


def seconds(item):
    """What a test takes: 0 for one that is not slow, and 1 for one whose mark says no more."""
    slow = item.get_closest_marker("slow")
    return 0 if slow is None else slow.kwargs.get("seconds", 1)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """With GPUNET_NO_SKIPS set, tests may skip for the reasons of `MAY_SKIP` alone."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("GPUNET_NO_SKIPS"):  # pytest-xdist's workers have no reporter
        return
    others = []
    for report in reporter.stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(reason in why for reason in MAY_SKIP):
            others.append(f"{report.nodeid}: {why}")
    if others:
        reporter.write_line("these may not skip here:\n" + "\n".join(others), red=True)
        session.exitstatus = 1


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs: tests send it
    signal.signal(signal.SIGINT, signal.default_int_handler)
