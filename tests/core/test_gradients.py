"""Every activation × loss against central differences in float64, on every backend (C22)."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
import gpunet
import gpunet as gn
from gpunet.core.propagation import backward, forward

ROOM = checks.room_of("gpunet")
HIDDEN = sorted(ROOM.activations.ACTIVATIONS)
PAIRS = [(output, loss) for loss in ROOM.losses.LOSSES for output in checks.outputs_of(ROOM, loss)]
SIZES = (3, 4, 3)


@functools.cache  # the numbers are the same for every backend
def differences(hidden, output, loss):
    """A small problem with its cost and its gradients by differences of the cost."""
    parameters, X, Y = checks.problem(ROOM, SIZES, (hidden, output), loss, seed=1)
    J, gradients = checks.numerical_gradients(ROOM, (hidden, output), loss, parameters, X, Y)
    return parameters, X, Y, J, gradients


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_every_layer_activation_and_loss(backend, output, loss):
    for hidden in HIDDEN:
        parameters, X, Y, J, true = differences(hidden, output, loss)
        net = gn.Network(
            [gn.Dense(4, hidden), gn.Dense(3, output)],
            loss=loss,
            inputs=3,
            seed=0,
            backend=backend.name,
            dtype="float64",
        )
        net.set_parameters(parameters)
        found_J, found = net.gradients(X.T, Y.T)
        found = [tuple(backend.to_host(g) for g in pair) for pair in found]
        assert found_J == pytest.approx(J, rel=1e-12)
        for pair, layer in zip(found, parameters, strict=True):
            assert [g.shape for g in pair] == [p.shape for p in layer]
            assert all(g.dtype == np.float64 for g in pair)
        assert checks.relative_error(found, true) <= 1e-7, hidden


@pytest.mark.parametrize(
    ("activations", "loss"),
    [
        (("relu", "tanh", "softmax"), "cross_entropy"),
        (("sigmoid", "gelu", "sigmoid"), "logistic"),
        (("leaky_relu", "silu", "softmax"), "squared_error"),
        (("tanh", "softmax", "identity"), "absolute_error"),
    ],
)
def test_with_example_weights_and_dropout(backend, activations, loss):
    parameters, X, Y = checks.problem(ROOM, (3, 4, 5, 3), activations, loss, m=6, seed=2)
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.0, 3.0, (1, 6))
    masks = [1.25 * (rng.random(shape) > 0.2) for shape in ((3, 6), (4, 6), (5, 6))]
    args = (activations, loss)
    J, true = checks.numerical_gradients(ROOM, *args, parameters, X, Y, weights, masks)

    def to_device(array):
        return backend.from_host(array, backend.devices()[0])

    found_J, found = gpunet.core.propagation.cost_and_gradients(
        backend.namespace(),
        *args,
        [(to_device(W), to_device(b)) for W, b in parameters],
        *(to_device(a) for a in (X, Y, weights)),
        [to_device(mask) for mask in masks],
    )
    found = [tuple(backend.to_host(g) for g in pair) for pair in found]
    assert float(found_J) == pytest.approx(J, rel=1e-12)
    assert checks.relative_error(found, true) <= 1e-7


def test_sample_weights_through_the_front(backend):
    parameters, X, Y, _, _ = differences("tanh", "sigmoid", "logistic")
    weights = np.array([[0.5, 2.0, 0.0, 1.5]])
    net = gn.Network(
        [gn.Dense(4, "tanh"), gn.Dense(3, "sigmoid")], inputs=3, backend=backend.name, dtype="float64", seed=0
    )
    net.set_parameters(parameters)
    J, true = checks.numerical_gradients(ROOM, ("tanh", "sigmoid"), "logistic", parameters, X, Y, weights)
    found_J, found = net.gradients(X.T, Y.T, sample_weight=weights[0])
    found = [tuple(backend.to_host(g) for g in pair) for pair in found]
    assert found_J == pytest.approx(J, rel=1e-12)
    assert checks.relative_error(found, true) <= 1e-7


def test_a_deep_network():
    """Six layers, each with another activation, and a batch larger than any of them."""
    activations = ("tanh", "softplus", "elu", "selu", "mish", "softmax")
    parameters, X, Y = checks.problem(ROOM, (2, 3, 4, 3, 2, 4, 3), activations, "cross_entropy", m=9)
    args = (activations, "cross_entropy", parameters, X, Y)
    J, true = checks.numerical_gradients(ROOM, *args)
    found_J, found = ROOM.propagation.cost_and_gradients(np, *args)
    assert float(found_J) == pytest.approx(J, rel=1e-13)
    assert checks.relative_error(found, true) <= 1e-7


def test_differences_are_exact_enough():
    """The yardstick itself: on a known function its relative error is far below 1e-7."""
    theta = [(np.array([[0.3, -1.2]]), np.array([[0.8]]))]

    def J(parameters):
        (W, b) = parameters[0]
        return float(np.sum(np.exp(W)) * np.sin(b[0, 0]))

    W, b = theta[0]
    true = [(np.exp(W) * np.sin(b), np.sum(np.exp(W)) * np.cos(b))]
    assert checks.relative_error(checks.central_differences(J, theta), true) < 1e-10


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_layers_that_are_skipped_on_the_way_back(skip):
    """The other gradients are as they were, and δ is that of the last layer that is skipped (C9)."""
    activations, loss = ("tanh", "sigmoid", "softmax"), "cross_entropy"
    parameters, X, Y = checks.problem(ROOM, (3, 4, 5, 2), activations, loss)
    rng = np.random.default_rng(2)
    masks = [None, 2.0 * rng.integers(2, size=(4, X.shape[1])), 2.0 * rng.integers(2, size=(5, X.shape[1]))]
    A, caches = forward(np, activations, parameters, X, masks)
    start = (A - Y) / X.shape[1]
    # By hand, layer by layer
    deltas = [None, None, start]
    for l in (1, 0):
        Z = caches[l].Z
        g = np.tanh(Z) if activations[l] == "tanh" else 1 / (1 + np.exp(-Z))
        slope = 1 - g * g if activations[l] == "tanh" else g * (1 - g)
        deltas[l] = (parameters[l + 1][0].T @ deltas[l + 1]) * masks[l + 1] * slope
    gradients, delta = backward(np, activations, parameters, caches, start, masks, skip=skip)
    assert len(gradients) == 3 - skip
    for (dW, db), l in zip(gradients, range(skip, 3), strict=True):
        assert_allclose(dW, deltas[l] @ caches[l].inputs.T, rtol=1e-12)
        assert_allclose(db, deltas[l].sum(axis=1, keepdims=True), rtol=1e-12)
    assert_allclose(delta, deltas[max(skip - 1, 0)], rtol=1e-12)
