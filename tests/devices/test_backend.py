"""What a backend is without a method of its own, and how backends are copied."""

import copy
import pickle
import re
from contextlib import nullcontext

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.devices.backend import NO_PROGRAM, Backend


class Bare(Backend):
    name, install = "bare", "pip install bare"

    def unavailable_reason(self):
        return None

    def devices(self):
        return ["cpu"]

    def namespace(self):
        return np

    def owns(self, array):
        return False

    def from_host(self, array, device):
        return array

    def to_host(self, array):
        return array


def test_defaults():
    bare, array = Bare(), np.zeros(2)
    plan = Plan((Layer(2, 1, "identity"),), "squared_error", gn.Adam(), 4, 2)
    assert bare.device_of(array) == "cpu"
    assert bare.move(array, "cpu") is array
    assert isinstance(bare.on("cpu"), nullcontext)
    assert bare.synchronize("cpu") is None
    assert bare.memory("cpu") == {}
    assert bare.asynchronous is False
    assert bare.details() == []
    assert bare.program_for(plan, "cpu") == (None, NO_PROGRAM)
    assert bare.precisions("cpu") == ("float32",)
    assert isinstance(bare.product_precision("float32", "cpu"), nullcontext)
    assert bare.predictor(("identity",), [(array, array)]) is None
    assert bare.out_of_memory(MemoryError())
    assert not bare.out_of_memory(ValueError())


@pytest.mark.parametrize(("device", "faster"), [("cpu", "numpy"), ("cuda:1", "cupy"), ("mps:0", None)])
def test_torch_names_the_backend_with_programs(device, faster):
    torch = gn.devices.registry.load_backend("torch")
    plan = Plan((Layer(2, 1, "identity"),), "squared_error", gn.Adam(), 4, 2)
    program, reason = torch.program_for(plan, device)
    assert program is None
    assert re.findall(r"backend='(\w+)' trains on the memory of the same tensors", reason) == [faster] * bool(
        faster
    )


class Device(np.ndarray):
    """An array of a device: a number of it on the host is a wait."""

    waits = 0

    def __bool__(self):
        type(self).waits += 1
        return bool(np.asarray(self))


class Namespace:
    """NumPy, whose results stay on the device."""

    isfinite = staticmethod(np.isfinite)

    @staticmethod
    def all(array):
        return np.asarray(np.all(array)).view(Device)


@pytest.mark.parametrize("name", ["bare", "numpy"])
def test_finite_arrays(name, monkeypatch):
    """Each number of each array counts, and the host waits once for all of them."""
    backend = Bare() if name == "bare" else gn.get_backend(name)
    monkeypatch.setattr(Bare, "namespace", lambda self: Namespace)
    arrays = [np.ones((3, 2), "float32"), np.zeros((3, 1), "float32"), np.ones((1, 3), "float32")]
    assert backend.all_finite(arrays) is True
    for array in arrays:
        for value in (np.nan, np.inf, -np.inf):
            array[-1, -1] = value
            assert backend.all_finite(arrays) is False
        array[-1, -1] = 1.0
    monkeypatch.setattr(Device, "waits", 0)
    assert backend.all_finite(arrays) is True and Device.waits == (name == "bare")


def test_a_backend_must_say_what_it_is():
    with pytest.raises(TypeError, match="abstract"):
        Backend()


def test_a_backend_must_say_how_to_install_its_library():
    class Unfinished(Bare):
        install = Backend.install

    with pytest.raises(NotImplementedError, match="Unfinished needs an attribute install"):
        _ = Unfinished().install


def test_the_device_of_arrays_where_there_is_one():
    """A library with one device need not say which it is."""

    class Accelerator(Bare):
        def devices(self):
            return ["acc:0"]

    assert Accelerator().device_of(np.zeros(2)) == "acc:0"


def test_copies_are_the_same_object(backend):
    assert copy.deepcopy(backend) is backend
    assert copy.copy(backend) is backend
    pickled = pickle.dumps(backend)
    assert pickle.loads(pickled) is backend
    backend.entry_point = None  # as in a process that has only just started
    assert pickle.loads(pickled) is backend
    assert pickle.loads(pickle.dumps(backend)) is backend


def test_a_backend_that_no_entry_point_names_is_not_copied():
    with pytest.raises(TypeError, match=r"by its entry point, .* take it from gpunet.get_backend\('bare'\)"):
        copy.copy(Bare())
