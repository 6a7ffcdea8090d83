"""Claims C15 to C22: initialisation, gradient descent, and checking gradients."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn


def network(layers, inputs=None, seed=0, **more):
    more = {"backend": "numpy", "dtype": "float64", **more}
    return gn.Network(layers, inputs=inputs, seed=seed, **more)


def flat(parameters):
    return np.concatenate([p.ravel() for layer in parameters for p in layer])


def three_classes(rng, m=40):
    """Three classes in four dimensions."""
    X = rng.standard_normal((m, 4))
    return X, np.argmax(X[:, :3] + 0.3 * rng.standard_normal((m, 3)), axis=1)


# --- C15: normalise -----------------------------------------------------------------------------


def test_c15_mean_and_deviation_of_the_training_set_are_applied_to_every_input(rng, tmp_path):
    X, y = three_classes(rng)
    X = X * [1.0, 50.0, 0.01, 3.0] + [0.0, 1000.0, -5.0, 2.0]
    X_test = 2 * X[:10] + 1
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    scaled = network([gn.Dense(3, "softmax")], standardizer=gn.Standardizer())
    by_hand = network([gn.Dense(3, "softmax")])
    losses = scaled.fit(X, y, epochs=3, batch_size=8, validation_data=(X_test, y[:10])).val_loss
    test = (X_test - mean) / deviation
    expected = by_hand.fit(
        (X - mean) / deviation, y, epochs=3, batch_size=8, validation_data=(test, y[:10])
    ).val_loss
    assert losses == pytest.approx(expected, rel=1e-9)
    assert_allclose(scaled.predict(X_test), by_hand.predict(test), rtol=1e-9)
    assert_allclose(scaled.standardizer.mean, mean, rtol=1e-12)
    assert_allclose(scaled.standardizer.deviation, deviation, rtol=1e-12)
    # A second fit on other data keeps mean and deviation of the first; they are saved with the network.
    scaled.fit(X_test, y[:10], epochs=1, batch_size=5)
    assert_allclose(scaled.standardizer.mean, mean, rtol=1e-12)
    scaled.save(tmp_path / "net.safetensors")
    again = gn.load(tmp_path / "net.safetensors", backend="numpy")
    assert_array_equal(again.predict(X_test), scaled.predict(X_test))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c15_constant_features_do_not_divide_by_zero(backend, dtype, rng):
    X, y = three_classes(rng, 3000)
    X = X.astype(dtype)
    X[:, 1], X[:, 3] = 0.1, 0.0  # 0.1 is not exact in floating point: sums of it have rounding errors
    net = network([gn.Dense(3, "softmax")], standardizer=gn.Standardizer(), backend=backend.name, dtype=dtype)
    before = None
    history = net.fit(X, y, epochs=1, batch_size=None)
    assert np.isfinite(history.loss).all()
    assert_array_equal(net.standardizer.deviation[[1, 3]], [1.0, 1.0])
    # The features became 0, so their weights do not change.
    before = backend.to_host(net.parameters[0][0])
    net.fit(X, y, epochs=1, batch_size=None)
    after = backend.to_host(net.parameters[0][0])
    assert_array_equal(before[:, [1, 3]], after[:, [1, 3]])
    assert np.abs(before[:, [0, 2]] - after[:, [0, 2]]).min() > 0


# --- C16: the variance of the initial weights -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "initializer", "variance"),
    [
        ("sigmoid", None, 1 / 400),
        ("tanh", None, 1 / 400),
        ("softmax", None, 1 / 400),
        ("relu", None, 2 / 400),
        ("tanh", "lecun_normal", 1 / 400),
        ("sigmoid", "lecun_uniform", 1 / 400),
        ("tanh", "glorot_normal", 2 / 700),
        ("tanh", "glorot_uniform", 2 / 700),
        ("relu", "he_normal", 2 / 400),
        ("relu", "he_uniform", 2 / 400),
    ],
)
def test_c16_variance_of_the_initial_weights(activation, initializer, variance):
    W, b = network([gn.Dense(300, activation, initializer)], 400).parameters[0]
    assert W.var() == pytest.approx(variance, rel=0.02)  # 120 000 draws
    assert abs(W.mean()) < 5 * math.sqrt(variance / W.size)
    assert not b.any()


def test_c16_the_right_variance_preserves_the_signal(rng):
    """Through ten layers of 200 neurons: the published variance preserves the signal, others do not."""
    X = rng.standard_normal((100, 200))

    def size(activation, initializer):
        return network([gn.Dense(200, activation, initializer)] * 10, 200, seed=1).predict(X).std()

    assert 0.2 < size("relu", "he_normal") < 3
    assert size("relu", "lecun_normal") < 0.1
    assert 0.1 < size("tanh", "lecun_normal") < 1
    assert size("identity", "he_normal") > 10


# --- C17: equal weights stay equal --------------------------------------------------------------


@pytest.mark.parametrize("start", [gn.Constant(0.3), gn.Constant(-1.0), "zeros"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_c17_equal_neurons_learn_the_same_feature_for_ever(start, activation, rng):
    X, y = three_classes(rng)
    net = network([gn.Dense(5, activation, start), gn.Dense(3, "softmax", start)])
    net.fit(X, y, optimizer=gn.Adam(0.05), epochs=20, batch_size=8)
    (W1, b1), (W2, _) = net.parameters
    # All neurons are equal, up to the order of summation.
    assert_allclose(W1, np.tile(W1[:1], (5, 1)), rtol=1e-9, atol=1e-12)
    assert_allclose(b1, np.tile(b1[:1], (5, 1)), rtol=1e-9, atol=1e-12)
    assert_allclose(W2, np.tile(W2[:, :1], (1, 5)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("start", [gn.Constant(0.3), "zeros"])
def test_c17_equal_weights_before_unequal_ones_do_not_stay_equal(start, rng):
    """The errors of the hidden neurons come back through W[2]: if it is random, they differ."""
    X, y = three_classes(rng)
    net = network([gn.Dense(5, "tanh", start), gn.Dense(3, "softmax")])
    net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=8)
    W1 = net.parameters[0][0]
    assert np.ptp(W1, axis=0).min() > 1e-3


def test_c17_randomness_breaks_the_symmetry(rng):
    X, y = three_classes(rng)
    net = network([gn.Dense(5, "tanh"), gn.Dense(3, "softmax")])
    assert all(not b.any() for _, b in initial_parameters(net))  # biases may start at 0
    net.fit(X, y, optimizer=gn.Adam(0.05), epochs=20, batch_size=8)
    W1 = net.parameters[0][0]
    differences = [np.abs(W1[i] - W1[j]).max() for i in range(5) for j in range(i)]
    assert min(differences) > 0.1
    equal = network([gn.Dense(5, "tanh", gn.Constant(0.3)), gn.Dense(3, "softmax", gn.Constant(0.3))])
    equal.fit(X, y, optimizer=gn.Adam(0.05), epochs=20, batch_size=8)
    assert net.evaluate(X, y)["loss"] < equal.evaluate(X, y)["loss"] / 2


def initial_parameters(net):
    """The initial parameters of a network whose inputs are not known yet, from one whose inputs are."""
    return network(net.layers, 4).parameters


# --- C18: full batch, stochastic, mini-batch -----------------------------------------------------


def noisy_line(rng):
    """A regression without an exact fit: the gradients of single examples differ."""
    X = rng.standard_normal((64, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.5 * rng.standard_normal(64)


def test_c18_full_batch_uses_the_exact_gradient(rng):
    X, y = noisy_line(rng)
    net = network([gn.Dense(1)], 3)
    start, (_, gradients) = flat(net.parameters), net.gradients(X, y)
    losses = net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=1, batch_size=None).loss
    assert_allclose(flat(net.parameters), start - 0.1 * flat(gradients), rtol=1e-12)
    losses += net.fit(X, y, optimizer=gn.GradientDescent(0.1), epochs=40, batch_size=None).loss
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))


def test_c18_gradients_of_batches_are_noisy_and_unbiased(rng):
    X, y = noisy_line(rng)
    net = network([gn.Dense(1)], 3)
    true = flat(net.gradients(X, y)[1])

    def spread(B):
        batches = [flat(net.gradients(X[i : i + B], y[i : i + B])[1]) for i in range(0, 64, B)]
        assert_allclose(np.mean(batches, axis=0), true, rtol=1e-10, atol=1e-14)
        return np.mean([np.sum((g - true) ** 2) for g in batches])

    # The variance falls about as 1/B: mini-batches are in between.
    assert spread(1) > 4 * spread(8) > 0
    assert spread(64) == pytest.approx(0, abs=1e-25)


def test_c18_stochastic_descent_converges_only_with_a_falling_rate(rng):
    X, y = noisy_line(rng)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(64)]), y, rcond=None)[0]

    def distance(rate, batch_size):
        net = network([gn.Dense(1)], 3)
        net.fit(X, y, optimizer=gn.GradientDescent(rate), epochs=100, batch_size=batch_size)
        return np.linalg.norm(flat(net.parameters) - best)

    constant = distance(0.1, 1)
    assert constant > 0.05
    assert distance(gn.InverseTime(0.1, half_life=100), 1) < constant / 4
    assert distance(0.1, None) < constant / 20  # the full batch converges with the same constant rate
    assert distance(0.1, 8) < constant  # the mini-batch is in between


# --- C19: the mini-batch algorithm --------------------------------------------------------------


def test_c19_forward_backward_update_for_every_batch(rng):
    """The algorithm written out in NumPy, with the lecture's batches of 1000 and a last one of 500."""
    m, B, rate = 2500, 1000, 0.5
    X, y = three_classes(rng, m)
    net = network([gn.Dense(6, "tanh"), gn.Dense(3, "softmax")], 4)
    (W1, b1), (W2, b2) = net.parameters
    Y, costs = np.eye(3)[y].T, []
    for first in range(0, m, B):
        x, t = X[first : first + B].T, Y[:, first : first + B]
        size = x.shape[1]
        A1 = np.tanh(W1 @ x + b1)
        E = np.exp(W2 @ A1 + b2)
        A2 = E / E.sum(axis=0)
        costs.append(-np.sum(t * np.log(A2)) / size)  # J = (1/B) Σ
        d2 = (A2 - t) / size
        d1 = (W2.T @ d2) * (1 - A1**2)
        W2, b2 = W2 - rate * d2 @ A1.T, b2 - rate * d2.sum(axis=1, keepdims=True)
        W1, b1 = W1 - rate * d1 @ x.T, b1 - rate * d1.sum(axis=1, keepdims=True)
    history = net.fit(X, y, optimizer=gn.GradientDescent(rate), epochs=1, batch_size=B, shuffle=False)
    assert_allclose(flat(net.parameters), flat([(W1, b1), (W2, b2)]), rtol=1e-10, atol=1e-13)
    assert history.loss == pytest.approx([(2 * costs[0] + 2 * costs[1] + costs[2]) / 5], rel=1e-11)


# --- C20, C21: momentum and decay ---------------------------------------------------------------


def full_batch_descent(net, X, y, update, epochs=5):
    """Parameters after updates by ``update(number, gradient, theta, is_weight) -> theta``."""
    for _ in range(epochs):
        _, gradients = net.gradients(X, y)
        net.set_parameters(
            [
                tuple(
                    update(2 * l + k, g, theta, k == 0)
                    for k, (theta, g) in enumerate(zip(pair, slopes, strict=True))
                )
                for l, (pair, slopes) in enumerate(zip(net.parameters, gradients, strict=True))
            ]
        )
    return flat(net.parameters)


def test_c20_momentum_has_the_factor_one_minus_beta(rng):
    """``v ← βv + (1 − β)∇J``, ``W ← W − αv``, from v = 0."""
    X, y = three_classes(rng)
    layers, v = [gn.Dense(5, "tanh"), gn.Dense(3, "softmax")], {}

    def update(i, g, theta, is_weight):
        v[i] = 0.9 * v.get(i, 0.0) + 0.1 * g
        return theta - 0.5 * v[i]

    true = full_batch_descent(network(layers, 4), X, y, update)
    net = network(layers, 4)
    net.fit(X, y, optimizer=gn.GradientDescent(0.5, momentum=0.9), epochs=5, batch_size=None)
    assert_allclose(flat(net.parameters), true, rtol=1e-10, atol=1e-13)
    # Most libraries leave out 1 − β; a tenth of the rate then gives the same.
    v.clear()

    def without(i, g, theta, is_weight):
        v[i] = 0.9 * v.get(i, 0.0) + g
        return theta - 0.05 * v[i]

    assert_allclose(full_batch_descent(network(layers, 4), X, y, without), true, rtol=1e-10, atol=1e-13)


def test_c20_momentum_converges_faster_with_unequal_curvatures():
    """Oscillations in the direction of large curvature cancel, steps in the other add up."""
    X, y = np.array([[10.0, 0.0], [0.0, 0.5]]), np.zeros(2)
    start = [(np.array([[1.0, 1.0]]), np.zeros((1, 1)))]

    def final_loss(optimizer):
        net = network([gn.Dense(1)], 2)
        net.set_parameters(start)
        net.fit(X, y, optimizer=optimizer, epochs=200, batch_size=None)
        return net.evaluate(X, y)["loss"]

    # The largest curvature is 50, so the rate without momentum must be below 0.04.
    assert final_loss(gn.GradientDescent(0.3, momentum=0.9)) < final_loss(gn.GradientDescent(0.038)) / 10


def test_c21_weights_shrink_first_and_biases_are_not_decayed(rng):
    """``W ← (1 − αλ)W``, then the step; b without it."""
    X, y = three_classes(rng)
    layers, alpha, lam = [gn.Dense(5, "tanh"), gn.Dense(3, "softmax")], 0.5, 0.1

    def update(i, g, theta, is_weight):
        return (1 - alpha * lam) * theta - alpha * g if is_weight else theta - alpha * g

    true = full_batch_descent(network(layers, 4), X, y, update)
    net = network(layers, 4)
    net.fit(X, y, optimizer=gn.GradientDescent(alpha, weight_decay=lam), epochs=5, batch_size=None)
    assert_allclose(flat(net.parameters), true, rtol=1e-10, atol=1e-13)


def test_c21_without_momentum_it_is_the_l2_penalty(rng):
    """For gradient descent without momentum, decay is the gradient of ``½ λ ‖W‖²``."""
    X, y = three_classes(rng)
    net = network([gn.Dense(3, "softmax")], 4)
    [(W, b)] = net.parameters
    h, lam = 1e-6, 0.2

    def penalised(W):
        net.set_parameters([(W, b)])
        return net.evaluate(X, y)["loss"] + lam / 2 * np.sum(W**2)

    slope = np.empty_like(W)
    for i in np.ndindex(W.shape):
        E = np.zeros_like(W)
        E[i] = h
        slope[i] = (penalised(W + E) - penalised(W - E)) / (2 * h)
    net.set_parameters([(W, b)])
    net.fit(X, y, optimizer=gn.GradientDescent(0.1, weight_decay=lam), epochs=1, batch_size=None)
    assert_allclose(net.parameters[0][0], W - 0.1 * slope, rtol=1e-6, atol=1e-9)


def test_c21_decay_keeps_weights_small(rng):
    X, y = three_classes(rng)
    sizes = []
    for lam in (0.0, 0.03, 0.3):
        net = network([gn.Dense(3, "softmax")], 4)
        net.fit(X, y, optimizer=gn.GradientDescent(0.5, weight_decay=lam), epochs=100, batch_size=None)
        sizes.append(np.linalg.norm(net.parameters[0][0]))
    assert sizes[0] > 1.3 * sizes[1] > 1.3 * 1.3 * sizes[2]


# --- C22: gradients are checked -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "output", "loss"),
    [
        ("sigmoid", "sigmoid", "logistic"),
        ("tanh", "softmax", "cross_entropy"),
        ("relu", "identity", "squared_error"),
        ("gelu", "softmax", "squared_error"),
        ("leaky_relu", "tanh", "absolute_error"),
    ],
)
def test_c22_central_differences_through_the_public_names(hidden, output, loss, rng):
    """Differences of ``evaluate`` against ``gradients``; tests/core has every pair of activation and loss."""
    net = network([gn.Dense(4, hidden), gn.Dense(3, output)], 2, loss=loss)
    X = rng.standard_normal((5, 2))
    Y = np.eye(3)[[0, 1, 2, 1, 0]] if output != "tanh" else rng.uniform(-0.9, 0.9, (5, 3))
    parameters = [(W, rng.standard_normal(b.shape)) for W, b in net.parameters]
    net.set_parameters(parameters)
    found, true, h = flat(net.gradients(X, Y)[1]), [], 1e-4
    for layer in parameters:
        for theta in layer:
            for i in np.ndindex(theta.shape):
                kept, J = theta[i], []
                for k in (-2, -1, 1, 2):
                    theta[i] = kept + k * h
                    net.set_parameters(parameters)
                    J.append(net.evaluate(X, Y)["loss"])
                theta[i] = kept
                true.append((J[0] - 8 * J[1] + 8 * J[2] - J[3]) / (12 * h))
    assert np.linalg.norm(found - true) <= 1e-7 * np.linalg.norm(true)
