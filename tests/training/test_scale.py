"""How large inputs are, and the warning where they are large."""

import warnings

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import TrainState
from gpunet.training.scale import input_size, mean_size, warn_of_unscaled, with_smaller_start


def warned(X):
    """What is said of the columns X, the empty string for nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unscaled(np, X)
    assert all(one.category is gn.UnscaledInputs and one.filename == __file__ for one in caught)
    return " ".join(str(one.message) for one in caught)


def test_the_mean_size():
    assert mean_size(np, np.array([[-3.0, 1.0], [0.0, 4.0]])) == 2.0
    assert mean_size(np, np.array([1e200, np.inf])) == np.inf


@pytest.mark.parametrize("examples", [2, 1000, 1998])
def test_every_example_of_a_small_set_counts(examples):
    X = np.zeros((2, examples))
    X[:, 1::2] = 42.0
    assert "mean |x| is 21," in warned(X)


@pytest.mark.parametrize("examples", [2000, 2500])
def test_of_a_larger_set_every_second_example_is_looked_at(examples):
    X = np.zeros((2, examples))
    X[:, 1::2] = 42.0
    assert warned(X) == ""
    X[:, ::2] = 20.0
    assert "mean |x| is 20," in warned(X)


def test_ten_is_the_bound():
    assert warned(np.full((3, 4), -10.0)) == ""
    assert "mean |x| is 10.1," in warned(np.full((3, 4), -10.1))


@pytest.mark.parametrize(
    ("x", "size"),
    [
        (0.0, 1),
        (0.5, 1),
        (1.0, 1),
        (1.3, 1),
        (1.5, 2),
        (-7.9, 8),
        (124.0, 128),
        (3e38, 2.0**128),
        (1e-30, 1),
        (np.inf, 1),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_size_of_inputs_is_a_power_of_two(x, size, dtype):
    assert input_size(np, np.full((2, 3), x, dtype)) == size


def test_the_size_is_the_root_mean_square():
    assert input_size(np, np.array([[0.0, 0.0, 0.0, 64.0]])) == 32
    assert input_size(np, np.array([[-16.0, 16.0]])) == 16
    X = np.zeros((1, 2500))
    X[:, 1::2] = 42.0
    assert input_size(np, X) == 1  # every second example is looked at


def test_weights_of_the_first_layer_alone_become_smaller():
    W, V, b = np.ones((2, 3)), np.ones((1, 2)), np.ones((2, 1))
    slots = [((), ()), ((), ())]
    state = with_smaller_start(TrainState([(W, b), (V, b)], slots), 4.0)
    (W, b), (V, c) = state.parameters
    assert (W == 0.25).all() and (b == 1).all() and (V == 1).all() and (c == 1).all()
    assert state.slots is slots
