"""Kernels take subnormal numbers for 0, which costs no time; the threads of others go on with them."""

import platform

import numpy as np
import pytest

from gpunet.core.program import TrainState
from gpunet_numpy.compiled.blocked.program import Blocked
from gpunet_numpy.compiled.columns.program import Columns
from gpunet_numpy.compiled.minibatch import program as minibatch
from gpunet_numpy.compiled.minibatch.program import MiniBatch
from gpunet_numpy.compiled.predict.program import Predictor
from gpunet_numpy.compiled.sparse_rows.program import SparseRows
from gpunet_numpy.compiled.tiny.program import Tiny
from random_plans import DESCENTS, OPTIMIZERS, draw, numbers, plan_of, sparse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only x86 is told to"),
]

SMALL = np.float32(1e-40)


def subnormal(values):
    return (values != 0) & (np.abs(values) < np.finfo("float32").tiny)


def here():
    """Whether this thread computes with subnormal numbers."""
    return bool((np.full(3, SMALL) * np.float32(2))[0] > SMALL)


def tiny_weights(state):
    """Half of the weights subnormal, and all slots."""
    layers = []
    for W, b in state.parameters:
        W = W.copy()
        W[::2] = SMALL
        layers.append((W, b))
    slots = [tuple(tuple(np.full_like(p, SMALL) for p in kind) for kind in pair) for pair in state.slots]
    return TrainState(layers, slots)


@pytest.mark.parametrize(
    ("program", "optimizer", "batch_size"),
    [
        (Tiny, DESCENTS["decay"], 1),
        (Columns, OPTIMIZERS["adamw"], 30),
        (Blocked, DESCENTS["momentum"], 1),
        (MiniBatch, DESCENTS["decay"], 75),
        (MiniBatch, OPTIMIZERS["adam"], 30),
        (SparseRows, OPTIMIZERS["adamw"], 30),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_none_are_left(program, optimizer, batch_size, alone, monkeypatch):
    if not alone:
        for name, value in {"SHORT": 0, "HERE": 0, "WORK": 1, "NEURONS": 1}.items():
            monkeypatch.setattr(minibatch, name, value)
        monkeypatch.setattr(minibatch, "threads", lambda: 2)
    plan = plan_of("linear", optimizer, batch_size, "float32", inputs=20)
    state, inputs = draw(plan, constant=0.8)
    state = tiny_weights(state)
    assert subnormal(numbers(state.parameters)).any()
    X = inputs.X * np.float32(0)  # only decay and slots move the weights
    inputs = inputs._replace(X=X)
    if program is SparseRows:
        plan, inputs = sparse(plan, inputs)
    new, _ = program(plan)(state, inputs)
    assert not subnormal(numbers(new.parameters[0][0])).any()
    assert not subnormal(numbers(new.slots)).any()
    assert here()


@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize("value", [0.5, np.nan])
def test_predictions(rows, value):
    """Activations far below 1e-38 are 0, and so is what is added up of them."""
    W = np.full((3, 2), -95, "float32"), np.full((2, 3), 1.0, "float32")
    weights = [(W[0], np.zeros((3, 1), "float32")), (W[1], np.zeros((2, 1), "float32"))]
    X = np.full((rows, 2), value, "float32")
    found = Predictor(("sigmoid", "identity"), weights)(X)
    if np.isnan(value):
        assert found is None
    else:
        assert (found == 0).all()
    assert here()


def test_subnormal_operands_count_as_0():
    weights = [(np.full((3, 2), SMALL), np.zeros((3, 1), "float32"))]
    assert (Predictor(("identity",), weights)(np.full((4, 2), 1e30, "float32")) == 0).all()
