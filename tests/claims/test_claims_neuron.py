"""Claims C1 to C5: one neuron."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def network(layers, inputs, parameters=None, loss=None, seed=0, backend="numpy"):
    net = gn.Network(layers, loss=loss, inputs=inputs, seed=seed, backend=backend, dtype="float64")
    if parameters is not None:
        net.set_parameters(parameters)
    return net


# --- C1: an image is a vector -------------------------------------------------------------------


def test_c01_an_image_becomes_a_column_of_width_times_height_times_channels(rng):
    images = rng.random((5, 4, 3, 2))  # five images, 4 high, 3 wide, 2 channels
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy", dtype="float64")
    net.fit(images, [0, 1, 0, 1, 1], optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=2)
    [(W, _)] = net.parameters
    assert W.shape == (1, 4 * 3 * 2)
    # Element i of the column is pixel i of the image in row-major order.
    assert_array_equal(net.predict(images), net.predict(images.reshape(5, 24)))
    w = W.reshape(4, 3, 2)
    by_hand = sum(w[r, c, k] * images[0, r, c, k] for r in range(4) for c in range(3) for k in range(2))
    assert net.predict(images[:1])[0, 0] == pytest.approx(sigmoid(by_hand + net.parameters[0][1][0, 0]))


def test_c01_a_neuron_detects_the_needle():
    """The lecture's example: is there a needle in the image of a haystack?"""
    X, y, X_test, y_test = gn.datasets.needles("one", examples=1500, test_examples=400, seed=0)
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    net.fit(X, y, optimizer=gn.Adam(3e-3), epochs=20)
    chance = max(np.mean(y_test), 1 - np.mean(y_test))
    assert net.evaluate(X_test, y_test)["accuracy"] > max(0.9, chance + 0.2)


# --- C2: logistic regression is a neuron --------------------------------------------------------


def test_c02_a_neuron_is_a_linear_part_and_a_sigmoid(rng):
    w, b, x = rng.standard_normal((1, 6)), rng.standard_normal((1, 1)), rng.standard_normal((3, 6))
    net = network([gn.Dense(1, "sigmoid")], 6, [(w, b)])
    for i in range(3):
        assert net.predict(x)[i, 0] == pytest.approx(sigmoid(float(w[0] @ x[i] + b[0, 0])), rel=1e-14)


def test_c02_the_loss_has_its_minus_sign():
    """``L = −[y log ŷ + (1 − y) log(1 − ŷ)]``: never negative, and 0 only if ŷ = y."""
    net = network([gn.Dense(1, "sigmoid")], 1, [(np.ones((1, 1)), np.zeros((1, 1)))])
    for z in (-3.0, 0.0, 1.5):
        a = sigmoid(z)
        for y in (0, 1):
            true = -(y * math.log(a) + (1 - y) * math.log(1 - a))
            assert true > 0
            assert net.evaluate([[z]], [y])["loss"] == pytest.approx(true, rel=1e-12)
    assert net.evaluate([[800.0]], [1])["loss"] == pytest.approx(0.0, abs=1e-12)
    assert net.evaluate([[800.0]], [0])["loss"] == pytest.approx(800.0)


def test_c02_gradient_of_logistic_regression(rng):
    """``∂J/∂w = (1/m) Σ (ŷ − y) xᵀ``."""
    X, y = rng.standard_normal((9, 4)), rng.integers(2, size=9)
    net = network([gn.Dense(1, "sigmoid")], 4)
    [(w, b)] = net.parameters
    error = sigmoid(X @ w[0] + b[0, 0]) - y
    _, [(dw, db)] = net.gradients(X, y)
    assert_allclose(dw[0], error @ X / 9, rtol=1e-12)
    assert_allclose(db[0, 0], error.mean(), rtol=1e-12)


# --- C3: three detectors ------------------------------------------------------------------------


def detectors(k, parameters=None, backend="numpy"):
    return network([gn.Dense(k, "sigmoid")], 12, parameters, loss="logistic", backend=backend)


def test_c03_the_loss_is_the_sum_of_three_and_gradients_are_independent(rng):
    X, Y = rng.standard_normal((7, 12)), rng.integers(2, size=(7, 3)).astype(float)
    three = detectors(3)
    [(W, b)] = three.parameters
    assert three.predict(X).shape == (7, 3)
    J, [(dW, db)] = three.gradients(X, Y)
    alone = [detectors(1, [(W[k : k + 1], b[k : k + 1])]).gradients(X, Y[:, k]) for k in range(3)]
    assert pytest.approx(sum(j for j, _ in alone), rel=1e-14) == J
    for k, (_, [(dw, db_k)]) in enumerate(alone):
        assert_allclose(dW[k], dw[0], rtol=1e-12, atol=1e-16)
        assert_allclose(db[k], db_k[0], rtol=1e-12, atol=1e-16)
    # ∂L/∂w_k depends on output k alone: other targets of the other outputs do not change it.
    Y[:, 1:] = 1 - Y[:, 1:]
    _, [(changed, _)] = three.gradients(X, Y)
    assert_array_equal(changed[0], dW[0])
    assert np.abs(changed[1] - dW[1]).max() > 0.01


@pytest.mark.parametrize(
    "optimizer", [gn.GradientDescent(0.5), gn.GradientDescent(0.5, momentum=0.9), gn.Adam(0.05)], ids=str
)
def test_c03_together_equals_alone_bit_for_bit(optimizer, rng):
    """Trained with batches of one example on images with one nonzero pixel each.

    Then every sum has one nonzero term, so the order of summation does not matter and the results are equal bit
    for bit. The backend is NumPy with the reference program; other programs may sum in another order.
    """
    X = np.eye(12)[rng.integers(12, size=60)] * rng.uniform(0.5, 2.0, (60, 1))
    Y = rng.integers(2, size=(60, 3)).astype(float)
    three = detectors(3, backend="readonly")
    W, b = (np.array(p) for p in three.parameters[0])
    assert three.fit(X, Y, optimizer=optimizer, epochs=3, batch_size=1).program == "reference"
    together = [np.array(p) for p in three.parameters[0]]
    for k in range(3):
        one = detectors(1, [(W[k : k + 1], b[k : k + 1])], backend="readonly")
        one.fit(X, Y[:, k], optimizer=optimizer, epochs=3, batch_size=1)
        for ours, alone in zip(together, one.parameters[0], strict=True):
            assert_array_equal(ours[k], np.array(alone)[0])
    assert np.abs(together[0] - W).max() > 0.1  # the weights did change


def test_c03_together_equals_alone_on_any_image(rng):
    """With long sums, equal up to the order of summation."""
    X, Y = rng.standard_normal((40, 12)), rng.integers(2, size=(40, 3)).astype(float)
    three = detectors(3)
    [(W, b)] = three.parameters
    three.fit(X, Y, optimizer=gn.GradientDescent(0.1), epochs=5, batch_size=8)
    for k in range(3):
        one = detectors(1, [(W[k : k + 1], b[k : k + 1])])
        one.fit(X, Y[:, k], optimizer=gn.GradientDescent(0.1), epochs=5, batch_size=8)
        assert_allclose(three.parameters[0][0][k], one.parameters[0][0][0], rtol=1e-11, atol=1e-13)


def test_c03_several_needles_in_one_image():
    X, Y, X_test, Y_test = gn.datasets.needles("several", examples=1500, test_examples=400, seed=0)
    net = gn.Network([gn.Dense(3, "sigmoid")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    net.fit(X, Y, optimizer=gn.Adam(3e-3), epochs=20)
    assert net.loss == "logistic"
    assert net.evaluate(X_test, Y_test)["accuracy"] > 0.85
    found = net.predict(X_test) > 0.5
    assert (found.sum(axis=1) > 1).any()  # more than one in an image


# --- C4: one of three ---------------------------------------------------------------------------


def test_c04_softmax_of_z(rng):
    W, b, X = rng.standard_normal((3, 4)), rng.standard_normal((3, 1)), rng.standard_normal((6, 4))
    net = network([gn.Dense(3, "softmax")], 4, [(W, b)])
    E = np.exp(X @ W.T + b.T)
    assert_allclose(net.predict(X), E / E.sum(axis=1, keepdims=True), rtol=1e-13)
    assert_allclose(net.predict(X).sum(axis=1), 1.0, rtol=1e-14)
    y = np.array([0, 1, 2, 2, 1, 0])
    true = -np.mean([math.log(net.predict(X)[i, y[i]]) for i in range(6)])
    assert true > 0
    assert net.evaluate(X, y)["loss"] == pytest.approx(true, rel=1e-12)


def test_c04_outputs_are_coupled(rng):
    """A change of one neuron changes every output; with sigmoids it changes its own only."""
    W, b, X = rng.standard_normal((3, 4)), np.zeros((3, 1)), rng.standard_normal((1, 4))
    changed = np.array([[1.0], [0.0], [0.0]])
    for activation, others_change in (("softmax", True), ("sigmoid", False)):
        before, after = (network([gn.Dense(3, activation)], 4, [(W, c)]).predict(X)[0] for c in (b, changed))
        assert after[0] > before[0]
        assert (np.abs(after[1:] - before[1:]) > 1e-6).all() == others_change


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c04_stable_for_logits_of_ten_thousand(backend, dtype):
    net = gn.Network([gn.Dense(3, "softmax")], inputs=3, seed=0, backend=backend.name, dtype=dtype)
    net.set_parameters([(np.eye(3), np.zeros((3, 1)))])
    X = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])
    assert_allclose(net.predict(X), [[1, 0, 0], [0, 0.5, 0.5]])
    assert net.evaluate(X, [0, 1])["loss"] == pytest.approx(math.log(2) / 2, rel=1e-6)
    J, [(dW, _)] = net.gradients(X, [1, 0])  # both wrong
    assert pytest.approx((2e4 + 2e4 + math.log(2)) / 2, rel=1e-6) == J
    assert np.isfinite(backend.to_host(dW)).all()


def test_c04_one_needle_of_three():
    X, y, X_test, y_test = gn.datasets.needles("one_of_three", examples=1500, test_examples=400, seed=0)
    net = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    net.fit(X, y, optimizer=gn.Adam(3e-3), epochs=20)
    assert net.evaluate(X_test, y_test)["accuracy"] > 0.85


# --- C5: a regression neuron --------------------------------------------------------------------


def test_c05_l1_and_l2():
    A, Y = np.array([[1.0, -2.0], [0.5, 4.0]]), np.array([[0.0, 1.0], [2.5, 4.0]])
    identity = [(np.eye(2), np.zeros((2, 1)))]
    l1 = network([gn.Dense(2)], 2, identity, loss="absolute_error")
    l2 = network([gn.Dense(2)], 2, identity, loss="squared_error")
    assert l1.evaluate(A, Y)["loss"] == pytest.approx((1 + 3 + 2 + 0) / 2)
    assert l2.evaluate(A, Y)["loss"] == pytest.approx((1 + 9 + 4 + 0) / 2 / 2)  # the course's ½


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_c05_a_neuron_fits_a_line(loss, rng):
    X = rng.uniform(-1, 1, (200, 2))
    y = 3 * X[:, 0] - 2 * X[:, 1] + 5
    net = network([gn.Dense(1)], 2, loss=loss)
    net.fit(X, y, optimizer=gn.GradientDescent(gn.InverseTime(0.5, half_life=100)), epochs=100, batch_size=10)
    [(W, b)] = net.parameters
    assert_allclose([*W[0], b[0, 0]], [3, -2, 5], atol=0.03)


def test_c05_negative_targets_of_a_relu_output_are_refused(rng):
    X = rng.standard_normal((10, 2))
    net = network([gn.Dense(1, "relu")], 2)
    assert (net.predict(100 * X) >= 0).all()
    before = net.parameters[0][0]
    with pytest.raises(ValueError, match="relu"):
        net.fit(X, np.linspace(-1, 1, 10), batch_size=5)
    assert_array_equal(net.parameters[0][0], before)
    net.fit(
        X, np.linspace(0, 1, 10), optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=5
    )  # targets of at least 0 are accepted
