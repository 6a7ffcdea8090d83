"""The CUDA kernels and the programs around them, tested without a GPU.

`cuda_on_cpu` compiles the kernels' own source with a C++ compiler, and `fake_cupy` runs the programs' own host code.
"""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import cuda_on_cpu
import fake_cupy
from gpunet.core.reference import Reference
from gpunet_cupy.sources import source
from kernel_arrays import Guarded
from random_plans import differences, draw, map_arrays, numbers, with_penalty


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


@pytest.fixture
def usable(fake, monkeypatch):
    """The backend on the fake, as networks use it: the host may wait for the device. No program is kept yet."""
    return fake.make_usable(monkeypatch)


@pytest.fixture
def make(fake):
    """``make(Program, plan)``: the program, which must support the plan."""

    def make(program, plan, device="cuda:0"):
        assert program.unsupported_reason(plan, device) is None
        return program(plan, device)

    return make


@pytest.fixture
def check(fake):
    """``check(program, plan, …)``: an epoch on the "device" gives what the reference gives; returns its result."""

    def check(program, plan, dropout_keys=None, **drawn):
        state, inputs = draw(plan, **drawn)
        if plan.penalized:
            _, inputs = with_penalty(plan, inputs)
        given = state, inputs._replace(dropout_keys=dropout_keys)
        with fake.Device(int(program.device.partition(":")[2])):
            on_device = map_arrays(fake.to_device, given)
        state, losses = program(*on_device)
        expected_state, expected_losses = Reference(xp, plan)(*given)
        same = [np.array_equal(numbers(a), numbers(b)) for a, b in zip(on_device[0], given[0], strict=True)]
        assert all(same), "a program changed the state that it was given"
        assert differences(plan, (state, losses), (expected_state, expected_losses)) == {}
        shapes = [map_arrays(lambda a: [a.shape, str(a.dtype)], list(s)) for s in (state, expected_state)]
        assert shapes[0] == shapes[1]
        assert losses.dtype == plan.dtype
        return state, losses

    return check


@pytest.fixture
def array():
    """``array(values, dtype)`` or ``array.empty(shape, dtype)``: between guards, which are checked at the end."""
    guarded = Guarded()
    yield guarded
    guarded.check()


@pytest.fixture
def kernel(cpu, thread_order):
    """``kernel(dtype, file, name, **macros)``: compiled for the CPU."""

    def get(dtype, file, name, **macros):
        return cpu.RawModule(code=source(dtype, file, **macros)).get_function(name)

    return get
