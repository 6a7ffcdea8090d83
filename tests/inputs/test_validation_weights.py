"""Weights of validation examples count in the validation loss, however the examples were set apart."""

import numpy as np
import pytest

import gpunet as gn

M = 40


@pytest.fixture
def data(rng):
    X, y = rng.standard_normal((M, 3)), rng.standard_normal(M)
    weights = rng.uniform(0.0, 2.0, M)
    weights[::4] = 0.0
    return X, y, weights


def network():
    return gn.Network([gn.Dense(1)], inputs=3, seed=0, backend="numpy", dtype="float64")


def held_out(m=M, fraction=0.25, seed=0):
    """The rows that ``validation_fraction`` holds out."""
    order = np.random.default_rng([seed, 2**31]).permutation(m)
    return np.sort(order[: round(fraction * m)])


def test_a_fraction_keeps_the_weights_of_its_rows(data):
    X, y, weights = data
    net = network()
    history = net.fit(X, y, epochs=1, validation_fraction=0.25, sample_weight=weights)
    rows = held_out()
    assert history.val_loss == pytest.approx(
        [net.evaluate(X[rows], y[rows], weights[rows])["loss"]], rel=1e-12
    )
    assert history.val_loss[0] != pytest.approx(net.evaluate(X[rows], y[rows])["loss"], rel=1e-3)


def test_rows_of_weight_0_do_not_decide(data):
    X, y, weights = data
    spoilt = np.where(weights == 0.0, 1e3, y)
    losses = [
        network().fit(X, target, epochs=2, validation_fraction=0.25, sample_weight=weights).val_loss
        for target in (y, spoilt)
    ]
    assert losses[0] == losses[1]


def test_validation_data_may_carry_weights(data):
    X, y, weights = data
    net = network()
    history = net.fit(X, y, epochs=1, validation_data=(X[:9], y[:9], weights[:9]))
    assert history.val_loss == pytest.approx([net.evaluate(X[:9], y[:9], weights[:9])["loss"]], rel=1e-12)
    with pytest.raises(ValueError, match=r"^validation sample_weight must have shape \(9,\)"):
        net.fit(X, y, epochs=1, validation_data=(X[:9], y[:9], weights))
    with pytest.raises(ValueError, match=r"\(X, y, sample_weight\)"):
        net.fit(X, y, epochs=1, validation_data=(X, y, weights, weights))


def test_class_weights_do_not_change_the_validation_loss(rng):
    X, y = rng.standard_normal((M, 3)), rng.integers(0, 2, M)
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy", dtype="float64")
    history = net.fit(X, y, epochs=1, validation_fraction=0.25, class_weight={0: 5.0})
    rows = held_out()
    assert history.val_loss == pytest.approx([net.evaluate(X[rows], y[rows])["loss"]], rel=1e-12)


def test_a_dropout_rate_is_kept_as_given():
    net = gn.Network([gn.Dropout(0.2), gn.Dense(3, "relu"), gn.Dropout(0.1), gn.Dropout(0.5), gn.Dense(1)])
    assert net.dropouts == (0.2, pytest.approx(0.55))
