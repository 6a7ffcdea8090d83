"""Frozen layers: W and b stay as they are, the others learn as they would beside constants."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import core_checks as checks
import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.optimizers import clip, update_all
from gpunet.core.propagation import backward, cost_and_gradients, forward

ROOM = checks.room_of("gpunet")
ACTIVE = ("tanh", "sigmoid", "elu", "softmax")
PATTERNS = [
    (False, False, False, True),
    (False, True, False, True),
    (True, False, True, False),
    (True, True, True, True),
]


def problem():
    return checks.problem(ROOM, (3, 4, 5, 4, 2), ACTIVE, "cross_entropy", m=6, seed=2)


@pytest.mark.parametrize("trainable", PATTERNS)
def test_gradients_of_the_others(trainable):
    parameters, X, Y = problem()
    masks = [None, *(2.0 * np.random.default_rng(n).integers(2, size=(n, 6)) for n in (4, 5, 4))]
    args = np, ACTIVE, "cross_entropy", parameters, X, Y, None, masks
    J, every = cost_and_gradients(*args)
    found_J, found = cost_and_gradients(*args, trainable)
    assert found_J == J
    for pair, wanted, learns in zip(found, every, trainable, strict=True):
        if learns:
            assert_array_equal(pair[0], wanted[0])
            assert_array_equal(pair[1], wanted[1])
        else:
            assert pair is None


def test_nothing_is_computed_below_the_lowest_trainable_layer(monkeypatch):
    parameters, X, Y = problem()
    A, caches = forward(np, ACTIVE, parameters, X)
    visited = []

    def recording(name):
        g = ACTIVATIONS[name]

        def slope(xp, dA, Z, A):
            visited.append(name)
            return g.backward(xp, dA, Z, A)

        return gn.Activation(f"recorded {name}", g.forward, slope)

    activations = [recording(name) for name in ACTIVE[:3]] + ["softmax"]
    for trainable, wanted in zip(PATTERNS, ([], ["elu", "sigmoid"], [*"est"], [*"est"]), strict=True):
        visited.clear()
        backward(np, activations, parameters, caches, A - Y, trainable=trainable)
        assert [name[0] for name in visited] == [name[0] for name in wanted]


def test_skipped_layers_get_their_delta():
    """With `skip` the caller takes δ of the last layer skipped, whatever is frozen above it."""
    parameters, X, Y = problem()
    A, caches = forward(np, ACTIVE, parameters, X)
    every, delta = backward(np, ACTIVE, parameters, caches, A - Y, skip=1)
    trainable = (True, False, True, False)
    found, found_delta = backward(np, ACTIVE, parameters, caches, A - Y, skip=1, trainable=trainable)
    assert_array_equal(found_delta, delta)
    assert [pair is not None for pair in found] == [False, True, False]
    assert_array_equal(found[1][0], every[1][0])


def test_the_norm_is_that_of_the_trainable_gradients(backend):
    def to_device(values):
        return backend.from_host(np.array(values), backend.devices()[0])

    gradients = [None, (to_device([[3.0]]), to_device([[0.0]])), (to_device([[0.0]]), to_device([[4.0]]))]
    clipped = clip(backend.namespace(), gradients, 2.5)
    assert clipped[0] is None
    assert float(clipped[1][0][0, 0]) == pytest.approx(1.5)
    assert float(clipped[2][1][0, 0]) == pytest.approx(2.0)


def test_a_frozen_layer_is_handed_on_with_its_slots():
    W, b, slots = np.ones((2, 2)), np.ones((2, 1)), ((np.ones((2, 2)),), (np.ones((2, 1)),))
    optimizer = gn.GradientDescent(0.5, momentum=0.5, weight_decay=0.5, clip_norm=1.0)
    new, kept = update_all(np, optimizer, [(W, b), (W, b)], [None, (W, b)], [slots, slots], np.array([0.5]))
    assert new[0][0] is W
    assert new[0][1] is b
    assert kept[0][0] is slots[0] and kept[0][1] is slots[1]
    assert not np.array_equal(new[1][0], W)
