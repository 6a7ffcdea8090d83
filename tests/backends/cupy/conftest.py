"""The CUDA kernels and the programs around them, tested without a GPU: see `support`."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).with_name("support")))

import cuda_on_cpu
import fake_cupy


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)


@pytest.fixture
def cpu():
    """The emulator of thread blocks; a skip where it can't be compiled."""
    if cuda_on_cpu.COMPILER is None:
        pytest.skip("no C++ compiler")
    return cuda_on_cpu


@pytest.fixture(params=["ascending", "descending"])
def thread_order(request, cpu, monkeypatch):
    """Threads run in either order between barriers: results that depend on it lack a barrier."""
    monkeypatch.setitem(cpu.ORDER, "descending", request.param == "descending")
    return request.param


@pytest.fixture
def fake(cpu, monkeypatch):
    """CuPy on NumPy."""
    fake_cupy.install(monkeypatch)
    return fake_cupy
