"""What a divergence says: its cause, and whether the weights that are kept are of any use."""

import pytest

import gpunet as gn

pytestmark = pytest.mark.filterwarnings("ignore::gpunet.UnscaledInputs")


def diverge(X, y, rate, epochs=50, activation="relu"):
    net = gn.Network([gn.Dense(4, activation), gn.Dense(1)], seed=0, backend="numpy")
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=gn.GradientDescent(rate), epochs=epochs, batch_size=5)
    return str(caught.value)


@pytest.fixture
def data(rng):
    X = rng.standard_normal((20, 3))
    return X, X @ [1.0, -2.0, 0.5]


def test_the_rate_is_named(data):
    said = diverge(*data, 1e6)
    assert "Try a smaller learning_rate" in said
    assert "inputs are large" not in said and "targets are large" not in said


def test_unscaled_inputs_are_named(data):
    X, y = data
    said = diverge(1e4 * X + 3e4, y, 0.1, activation="identity")
    assert "inputs are large" in said and "Standardizer" in said and "targets" not in said


def test_huge_targets_are_named(data):
    X, y = data
    said = diverge(X, 1e30 * y, 0.1)
    assert "targets are large" in said and "inputs" not in said


def test_weights_of_no_use_are_called_so(data):
    """The loss may grow for a long time before it overflows."""
    assert "train a fresh network" in diverge(*data, 1.5, epochs=2000)
    X, y = data
    X = X.copy()
    X[-1] *= 1e25  # a single step from a good loss to an infinite one
    net = gn.Network([gn.Dense(1)], seed=0, backend="numpy")
    with pytest.raises(gn.Diverged) as caught:
        net.fit(X, y, optimizer=gn.GradientDescent(0.05), epochs=1, batch_size=1, shuffle=False)
    assert "fresh network" not in str(caught.value)
