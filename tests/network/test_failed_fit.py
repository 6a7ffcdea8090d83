"""A fit that fails before its first update leaves the network as it was."""

import numpy as np
import pytest

import gpunet as gn

RNG = np.random.default_rng(0)
X, Y = RNG.random((30, 3)) * 5 + 2, np.arange(30) % 2


def failing(*arguments):
    raise ZeroDivisionError


def network(**given):
    layers = [gn.Dense(4, "tanh"), gn.Dense(2, "softmax")]
    return gn.Network(layers, seed=0, backend="numpy", dtype="float64", **given)


def test_a_standardizer_is_not_fitted_by_it():
    net, other = (network(standardizer=gn.Standardizer()) for _ in range(2))
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, optimizer=gn.GradientDescent(failing), epochs=1)
    assert not net.standardizer.fitted
    for one in (net, other):
        one.fit(10 * X, Y, optimizer=gn.Adam(), epochs=2)
    assert np.array_equal(net.standardizer.mean, other.standardizer.mean)
    assert np.array_equal(net.predict(X), other.predict(X))


def test_the_number_of_inputs_is_not_set_by_it():
    net = network()
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, optimizer=gn.GradientDescent(failing), epochs=1)
    assert net.inputs is None
    net.fit(X[:, :2], Y, epochs=1)
    assert net.inputs == 2


def test_the_optimizer_is_not_reset_by_a_schedule_that_fails():
    net, other = network(), network()
    for one in (net, other):
        one.fit(X, Y, optimizer=gn.Adam(0.01), epochs=3)
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, optimizer=gn.GradientDescent(failing), epochs=1)
    for one in (net, other):
        one.fit(X, Y, optimizer=gn.Adam(0.01), epochs=3)
    assert np.array_equal(net.predict(X), other.predict(X))


def test_an_epoch_that_was_trained_stays():
    """An error of a callback after it changes nothing of that."""
    net = network(standardizer=gn.Standardizer())

    def raises(network, history):
        raise KeyError

    with pytest.raises(KeyError):
        net.fit(X, Y, epochs=2, callbacks=raises)
    assert net.epochs_trained == 1 and net.standardizer.fitted


def test_a_divergence_keeps_what_its_weights_belong_to():
    layers = [gn.Dense(4, "relu"), gn.Dense(1)]
    net = gn.Network(layers, seed=0, backend="numpy", standardizer=gn.Standardizer())
    with pytest.raises(gn.Diverged):
        net.fit(X, X[:, 0], optimizer=gn.GradientDescent(1e30), epochs=5)
    assert net.standardizer.fitted and len(net.parameters) == 2


@pytest.mark.parametrize("given", [{"sample_weight": np.zeros(30)}, {"class_weight": {0: 0.0, 1: 0.0}}])
def test_weights_that_are_all_zero(given):
    net = network()
    with pytest.raises(ValueError, match="weight 0"):
        net.fit(X, Y, epochs=1, **given)
    assert net.inputs is None
    net.fit(X, Y, epochs=1, sample_weight=np.arange(30) == 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_initializer_that_gives_what_is_not_finite(value):
    def bad(rng, n_out, n_in):
        W = rng.random((n_out, n_in))
        W[-1, -1] = value
        return W

    net = gn.Network([gn.Dense(3, "relu"), gn.Dense(2, "softmax", bad)], seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"layer 2: the initializer .* not finite"):
        net.fit(X, Y, epochs=1)


def test_more_weights_than_memory(monkeypatch):
    """An error before anything is allocated."""
    net = gn.Network([gn.Dense(10**12, "relu"), gn.Dense(2, "softmax")], seed=0, backend="numpy")
    with pytest.raises(gn.OutOfMemory, match=r"layer 1 has 1000000000000 × 3 weights.*fewer units"):
        net.fit(X, Y, epochs=1)


def test_weights_that_the_default_optimizer_needs_and_that_are_not_there():
    """It looks at the inputs' size, and adapts the first weights to it."""
    net = gn.Network([gn.Dense(2, "softmax", lambda rng, units, n_in: np.nan)], seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"^layer 1: the initializer"):
        net.fit(np.ones((4, 3)), [0, 1, 0, 1])
    assert net.inputs is None
