"""J and the gradients of some examples, without an update: those of the reference."""

from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest

import gpunet as gn
from gpunet.core.plan import Layer, Plan
from gpunet.core.reference import Batch, batch_gradients
from gpunet_numpy.compiled.gradients import CompiledGradients
from gpunet_numpy.compiled.minibatch import program as minibatch
from random_plans import DESCENTS, OPTIMIZERS, draw, numbers, plan_of

pytestmark = pytest.mark.slow

NETWORKS = ("linear", "sigmoid-softmax", "relu-tanh-sigmoid", "three-hidden", "deep-absolute", "silu-mish")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_those_of_the_reference(network, dtype, monkeypatch):
    """For parts of any size, one after the other, sparse and dense; also in chunks, and by several threads."""
    for name, value in {"NEURONS": 1000, "WORK": 1, "EXAMPLES": 1, "SHORT": 0, "HERE": 0}.items():
        monkeypatch.setattr(minibatch, name, value)
    for optimizer, (count, chunk), constant in (
        ("adam", (1, 1024), 0.0),
        ("decay", (3, 16), 0.8),
        ("momentum", (2, 16), 0.0),
    ):
        monkeypatch.setattr(minibatch, "threads", lambda count=count: count)
        for setting in ("CHUNK", "SPARSE_CHUNK"):
            monkeypatch.setattr(minibatch, setting, chunk)
        monkeypatch.setattr(minibatch, "FEWEST", min(chunk, minibatch.FEWEST))
        plan = replace(
            plan_of(network, OPTIMIZERS[optimizer], 75, dtype, True), penalized=True, in_parts=True
        )
        assert CompiledGradients.unsupported_reason(plan) is None
        made = CompiledGradients(plan)
        state, inputs = draw(plan, constant=constant)
        before = numbers([*state, inputs.X, inputs.Y])
        tolerance = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-5}
        for first, last in ((0, 40), (40, 41), (41, 75), (0, 75), (3, 40)):
            X, Y = inputs.X[:, first:last], inputs.Y[:, first:last]
            for weights in (None, inputs.example_weights[:, first:last]):
                J, gradients = made(state.parameters, X, Y, weights)
                batch = Batch(X, Y, weights, None, None, (0, last - first, last - first))
                expected_J, expected = batch_gradients(xp, plan, state.parameters, batch)
                assert np.isclose(J, expected_J, **tolerance)
                for (dW, db), (other_W, other_b) in zip(gradients, expected, strict=True):
                    assert dW.dtype == db.dtype == dtype
                    assert np.allclose(dW, other_W, **tolerance)
                    assert np.allclose(db, other_b, **tolerance)
                for one in (one for pair in gradients for one in pair):
                    one[...] = np.nan  # the caller's own
        assert np.array_equal(numbers([*state, inputs.X, inputs.Y]), before)


def test_parts_that_came_before_change_nothing():
    plan = replace(plan_of("wide", DESCENTS["plain"], 75, "float32"), in_parts=True)
    state, inputs = draw(plan)
    fresh, used = CompiledGradients(plan), CompiledGradients(plan)
    for size in (75, 3, 20, 64, 65):
        used(state.parameters, inputs.X[:, :size], inputs.Y[:, :size], None)
    for size in (10, 33, 75):
        given = state.parameters, inputs.X[:, :size], inputs.Y[:, :size], None
        assert np.array_equal(numbers(fresh(*given)), numbers(used(*given)))
    assert len(used.made) <= 7


def test_which_plans():
    layers = (Layer(4, 3, "tanh", dropout=0.5), Layer(3, 1, "identity"))
    plan = Plan(layers, "squared_error", gn.Adam(), 100, 100)
    assert "dropout" in CompiledGradients.unsupported_reason(plan)
