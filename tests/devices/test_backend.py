"""What a backend is without a method of its own, and how backends are copied."""

import copy
import pickle
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


def test_a_backend_must_say_what_it_is():
    with pytest.raises(TypeError, match="abstract"):
        Backend()


def test_a_backend_must_say_how_to_install_its_library():
    class Unfinished(Bare):
        install = Backend.install

    with pytest.raises(NotImplementedError):
        _ = Unfinished().install


def test_copies_are_the_same_object(backend):
    assert copy.deepcopy(backend) is backend
    assert copy.copy(backend) is backend
    assert pickle.loads(pickle.dumps(backend)) is backend
