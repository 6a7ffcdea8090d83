"""What the compiled programs need, and processes that compile them."""

import importlib.util

import pytest

from compile_children import Child
from gpunet_numpy import compiling
from gpunet_numpy.kept import KEPT


@pytest.fixture
def with_numba():
    """Skips where the compiled programs' libraries are not installed."""
    for name in ("numba", "scipy", "threadpoolctl"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What was started, in the background; each child is a `Child` until the test replaces `started.make`."""

    class Started(list):
        make = Child

    found = Started()
    monkeypatch.setenv("GPUNET_COMPILE", "background")
    monkeypatch.setattr(compiling, "_children", {})
    monkeypatch.setattr(
        compiling, "start", lambda name, dtype, lock: found.append((name, dtype)) or found.make()
    )
    monkeypatch.setattr("gpunet_numpy.compiled.cache.shared_folder", lambda: str(tmp_path))
    monkeypatch.setattr("gpunet_numpy.compiled.cache.is_on_disk", lambda kernel, dtype: False)
    monkeypatch.setattr("gpunet_numpy.compiled.kernels.Kernel.is_ready", lambda kernel, dtype: False)
    return found


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """No test gets the program of another one, which may have had other settings."""
    monkeypatch.setattr(KEPT, "program", None)
