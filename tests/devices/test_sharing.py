"""Arrays of one library on a GPU are another one's without a copy, or by way of the host where that can't be."""

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import gpunet as gn
from gpunet.devices import registry
from gpunet.devices.backend import Backend
from gpunet.devices.placement import Placement
from gpunet.devices.sharing import shared, writable
from gpunet.inputs.arrays import to_device_array


class Array(np.ndarray):
    """An array of the library that data come in; its memory can be lent to another one."""

    lent = True

    def __dlpack__(self, **options):
        if not type(self).lent:
            raise BufferError("not this memory")
        return np.asarray(self).__dlpack__(**options)


class Library(Backend):
    """A library on NumPy whose devices are called as GPUs are."""

    name, install = "library", "pip install library"
    to_host_calls = 0

    def __init__(self, kind=np.ndarray, device="cuda:0"):
        self.kind, self.device = kind, device

    def unavailable_reason(self):
        return None

    def devices(self):
        return ["cuda:0", "cuda:1", "cpu"]

    def namespace(self):
        return xp

    def owns(self, array):
        return type(array) is self.kind

    def device_of(self, array):
        return self.device

    def from_host(self, array, device):
        return np.array(array).view(self.kind)

    def to_host(self, array):
        self.to_host_calls += 1
        return np.asarray(array)

    def move(self, array, device):
        return array


@pytest.fixture
def library(monkeypatch):
    """The library of :class:`Array`, known to gpunet."""
    one = Library(Array)
    monkeypatch.setitem(registry._backend_of_type, Array, one)
    monkeypatch.setattr(Array, "lent", True)
    return one


def rows(dtype="float32"):
    return np.arange(12).reshape(4, 3).astype(dtype)


def test_the_same_memory(library):
    X = rows().view(Array)
    there = shared(X, library, Placement(Library(), "cuda:0"))
    assert type(there) is np.ndarray
    assert np.shares_memory(there, X)
    assert_array_equal(there, rows())


@pytest.mark.parametrize(("source", "target"), [("cuda:1", "cuda:0"), ("cpu", "cuda:0"), ("cpu", "cpu")])
def test_other_devices_share_nothing(library, source, target):
    library.device = source
    assert shared(rows().view(Array), library, Placement(Library(), target)) is None


def test_memory_that_is_not_lent_goes_by_way_of_the_host(library, monkeypatch):
    monkeypatch.setattr(Array, "lent", False)
    X, placement = rows().view(Array), Placement(Library(), "cuda:0")
    assert shared(X, library, placement) is None
    there = to_device_array("X", X, placement, "float32")
    assert library.to_host_calls == 1
    assert_array_equal(there, rows())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool"])
def test_rows_on_the_device_do_not_leave_it(library, dtype):
    X = rows(dtype).view(Array)
    there = to_device_array("X", X, Placement(Library(), "cuda:0"), "float32")
    assert library.to_host_calls == 0
    assert there.dtype == np.float32
    assert np.shares_memory(there, X) == (dtype == "float32")
    assert_array_equal(there, rows(dtype).astype("float32"))


def test_what_is_no_real_number_is_refused_on_the_device_too(library):
    with pytest.raises(TypeError, match="X must hold real numbers, it holds complex numbers"):
        to_device_array("X", rows("complex64").view(Array), Placement(Library(), "cuda:0"), "float32")


def test_predictions_are_given_back_in_the_same_memory(library, monkeypatch):
    network = gn.Network([gn.Dense(4, "tanh"), gn.Dense(2, "softmax")], inputs=3, seed=0, backend="numpy")
    expected = network.predict(rows())
    computes = Library()
    monkeypatch.setattr(registry, "_backend_of_type", {np.ndarray: computes, Array: library})
    network._placement = Placement(computes, "cuda:0")
    monkeypatch.setattr(library, "namespace", lambda: Lending)
    A = network.predict(rows().view(Array))
    assert type(A) is Array
    assert_array_equal(A, expected)
    assert library.to_host_calls == computes.to_host_calls == 0


class Lending:
    """The namespace of a library that makes arrays of its own of what is lent to it."""

    @staticmethod
    def from_dlpack(array):
        return np.from_dlpack(array).view(Array)


def test_what_can_be_written_into_is_not_copied():
    given, foreign = rows(), rows()
    foreign.flags.writeable = False
    assert writable(given) is given
    assert writable(foreign).flags.writeable
    assert_array_equal(writable(foreign), foreign)
