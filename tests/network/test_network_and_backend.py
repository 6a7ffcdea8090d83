"""The parts of a network that its backend sees: the plan, the predictor, and the name that is printed."""

import numpy as np
import pytest

import gpunet as gn

X, Y = np.ones((4, 3), "float32"), np.arange(4) % 2


@pytest.mark.parametrize(
    ("arguments", "weighted"),
    [({}, False), ({"sample_weight": np.ones(4)}, True), ({"class_weight": [1, 2]}, True)],
)
def test_the_plan_tells_whether_examples_have_weights(monkeypatch, arguments, weighted):
    backend, plans = gn.get_backend("numpy"), []
    monkeypatch.setattr(backend, "program_for", lambda plan, device: plans.append(plan) or (None, "a test"))
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    net.fit(X, Y, epochs=1, **arguments)
    (plan,) = plans
    assert plan.weighted is weighted


def test_a_predictor_is_made_once_for_each_state(monkeypatch):
    backend, made = gn.get_backend("numpy"), []
    monkeypatch.setattr(type(backend), "predictor", lambda self, *arguments: made.append(arguments))
    net = gn.Network([gn.Dense(2, "softmax")], inputs=3, seed=0, backend="numpy")
    for _ in range(3):
        net.predict(X)
    assert len(made) == 1
    net.fit(X, Y, epochs=1)
    for _ in range(3):
        net.predict(X)
    assert len(made) == 2


def test_the_backend_that_is_printed():
    net = gn.Network([gn.Dense(2, "softmax")], inputs=3, seed=0)
    assert repr(net) == "<Network 3-2, cross_entropy, auto, float32>"
    net.evaluate(*(gn.get_backend("readonly").from_host(a, "cpu") for a in (X, Y)))
    assert repr(net) == "<Network 3-2, cross_entropy, readonly, float32>"
