"""How large inputs are, and the warning where they are large."""

import warnings

import numpy as np
import pytest

import gpunet as gn
from gpunet.training.scale import mean_size, warn_of_unscaled


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
