"""Claims C6 to C14: networks and activations."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn
from gpunet.core.propagation import backward, forward


def network(layers, inputs, parameters=None, loss=None, seed=0):
    net = gn.Network(layers, loss=loss, inputs=inputs, seed=seed, backend="numpy", dtype="float64")
    if parameters is not None:
        net.set_parameters(parameters)
    return net


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(Z):
    E = np.exp(Z)
    return E / E.sum(axis=0)


# --- C6: layers and shapes ----------------------------------------------------------------------


def test_c06_shapes_of_every_layer(backend, rng):
    sizes = [7, 5, 4, 3]
    net = gn.Network(
        [gn.Dense(5, "relu"), gn.Dense(4, "tanh"), gn.Dense(3, "softmax")], seed=0, backend=backend.name
    )
    X, y = rng.standard_normal((6, 7)), rng.integers(3, size=6)
    _, gradients = net.gradients(X, y)  # the data decide n[0]
    for l, ((W, b), (dW, db)) in enumerate(zip(net.parameters, gradients, strict=True), start=1):
        assert tuple(W.shape) == tuple(dW.shape) == (sizes[l], sizes[l - 1])
        assert tuple(b.shape) == tuple(db.shape) == (sizes[l], 1)
    host = [[backend.to_host(p) for p in layer] for layer in net.parameters]
    A, caches = forward(np, ["relu", "tanh", "softmax"], host, X.T)
    for l, cache in enumerate(caches, start=1):
        assert cache.inputs.shape == (sizes[l - 1], 6)
        assert cache.Z.shape == cache.A.shape == (sizes[l], 6)
    assert A.shape == (3, 6)


def test_c06_each_layer_is_g_of_w_a_plus_b(rng):
    net = network([gn.Dense(5, "tanh"), gn.Dense(4, "relu"), gn.Dense(2, "sigmoid")], 3)
    parameters = [(W, rng.standard_normal(b.shape)) for W, b in net.parameters]
    net.set_parameters(parameters)
    A = X = rng.standard_normal((3, 8))
    for (W, b), g in zip(parameters, (np.tanh, lambda z: np.maximum(z, 0), sigmoid), strict=True):
        A = g(W @ A + b)
    assert_allclose(net.predict(X.T), A.T, rtol=1e-13)


def test_c06_the_network_learns_its_features(rng):
    """XOR is not linearly separable; in the features of four hidden neurons it is."""
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    net = network([gn.Dense(4, "tanh"), gn.Dense(1, "sigmoid")], 2)
    net.fit(X, y, optimizer=gn.Adam(0.1), epochs=300, batch_size=None)
    hidden = np.tanh(X @ net.parameters[0][0].T + net.parameters[0][1].T)
    w, b = net.parameters[1]
    # The last layer separates the classes linearly in the hidden features.
    assert_array_equal((hidden @ w[0] + b[0, 0] > 0).astype(int), y)


# --- C7: a batch is one matrix product ----------------------------------------------------------


def test_c07_columns_side_by_side_with_the_same_parameters(rng):
    net = network([gn.Dense(6, "gelu"), gn.Dense(3, "softmax")], 4)
    X, y = rng.standard_normal((9, 4)), rng.integers(3, size=9)
    outputs = net.predict(X)
    for i in range(9):
        assert_allclose(net.predict(X[i : i + 1])[0], outputs[i], rtol=1e-13)
    assert outputs.shape == (9, 3)
    count = sum(p.size for layer in net.parameters for p in layer)
    for m in (1, 2, 9):
        net.gradients(X[:m], y[:m])
        net.predict(X[:m])
        assert sum(p.size for layer in net.parameters for p in layer) == count == 4 * 6 + 6 + 6 * 3 + 3


def test_c07_b_is_broadcast_along_the_columns(rng):
    b = rng.standard_normal((3, 1))
    net = network([gn.Dense(3)], 2, [(np.zeros((3, 2)), b)])
    assert_array_equal(net.predict(rng.standard_normal((5, 2))), np.tile(b.T, (5, 1)))


# --- C8: cost -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "loss"),
    [
        ("sigmoid", "logistic"),
        ("softmax", "cross_entropy"),
        ("identity", "squared_error"),
        ("identity", "absolute_error"),
    ],
)
def test_c08_sum_over_outputs_mean_over_examples(activation, loss, rng):
    net = network([gn.Dense(3, activation)], 4, loss=loss)
    X, Y = rng.standard_normal((10, 4)), np.eye(3)[rng.integers(3, size=10)]
    J = net.evaluate(X, Y)["loss"]
    single = [net.evaluate(X[i : i + 1], Y[i : i + 1])["loss"] for i in range(10)]
    assert pytest.approx(np.mean(single), rel=1e-13) == J
    assert net.gradients(X, Y)[0] == pytest.approx(J, rel=1e-14)
    # The same examples twice give the same mean; the same outputs twice give twice the sum.
    assert net.evaluate(np.tile(X, (2, 1)), np.tile(Y, (2, 1)))["loss"] == pytest.approx(J, rel=1e-13)
    if activation != "softmax":
        [(W, b)] = net.parameters
        wide = network([gn.Dense(6, activation)], 4, [(np.tile(W, (2, 1)), np.tile(b, (2, 1)))], loss)
        assert wide.evaluate(X, np.tile(Y, (1, 2)))["loss"] == pytest.approx(2 * J, rel=1e-13)


# --- C9: backpropagation ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "loss", "g"),
    [
        ("sigmoid", "logistic", sigmoid),
        ("softmax", "cross_entropy", softmax),
        ("identity", "squared_error", lambda Z: Z),
    ],
)
def test_c09_the_four_equations_for_canonical_pairs(output, loss, g, rng):
    net = network([gn.Dense(5, "tanh"), gn.Dense(4, "sigmoid"), gn.Dense(3, output)], 2, loss=loss)
    X, Y, m = rng.standard_normal((2, 7)), np.eye(3)[:, rng.integers(3, size=7)], 7
    (W1, b1), (W2, b2), (W3, b3) = net.parameters
    A1 = np.tanh(W1 @ X + b1)
    A2 = sigmoid(W2 @ A1 + b2)
    d3 = (g(W3 @ A2 + b3) - Y) / m  # δ[L] = (A[L] − Y)/m
    d2 = (W3.T @ d3) * A2 * (1 - A2)  # δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l])
    d1 = (W2.T @ d2) * (1 - A1**2)
    _, gradients = net.gradients(X.T, Y.T)
    for (dW, db), delta, inputs in zip(gradients, (d1, d2, d3), (X, A1, A2), strict=True):
        assert_allclose(dW, delta @ inputs.T, rtol=1e-11, atol=1e-15)  # ∂J/∂W[l] = δ[l] A[l−1]ᵀ
        assert_allclose(db[:, 0], delta.sum(axis=1), rtol=1e-11, atol=1e-15)  # ∂J/∂b[l] = Σ δ[l](i)


def test_c09_other_pairs_use_the_general_rule_with_the_full_jacobian(rng):
    """Softmax with squared error: δ = Jᵀ (A − Y)/m, one Jacobian per example."""
    net = network([gn.Dense(3, "softmax")], 2, loss="squared_error")
    X, Y = rng.standard_normal((2, 5)), np.eye(3)[:, [0, 1, 2, 1, 0]]
    [(W, b)] = net.parameters
    A = softmax(W @ X + b)
    delta = np.empty_like(A)
    for i in range(5):
        a = A[:, i]
        delta[:, i] = (np.diag(a) - np.outer(a, a)).T @ (a - Y[:, i]) / 5
    _, [(dW, db)] = net.gradients(X.T, Y.T)
    assert_allclose(dW, delta @ X.T, rtol=1e-11, atol=1e-15)
    assert_allclose(db[:, 0], delta.sum(axis=1), rtol=1e-11, atol=1e-15)


# --- C10: the cache -----------------------------------------------------------------------------


class Counting(np.ndarray):
    """An array that records the shapes of its matrix products."""

    products: list  # shared by all instances; emptied by the test

    def __matmul__(self, other):
        Counting.products.append((self.shape, other.shape))
        return super().__matmul__(other)


def test_c10_the_backward_pass_repeats_no_product(rng):
    sizes, m = [6, 5, 4, 3], 7  # all different, so that a product is identified by its shapes
    parameters = [
        (rng.standard_normal((n, k)).view(Counting), np.zeros((n, 1)).view(Counting))
        for k, n in itertools.pairwise(sizes)
    ]
    X = rng.standard_normal((6, m)).view(Counting)
    names = ["tanh", "softplus", "softmax"]
    Counting.products = []
    A, caches = forward(np, names, parameters, X)
    forward_products, Counting.products = Counting.products, []
    backward(np, names, parameters, caches, A - 0.5)
    backward_products = Counting.products
    assert forward_products == [((5, 6), (6, m)), ((4, 5), (5, m)), ((3, 4), (4, m))]
    # Two per layer, δ A[l−1]ᵀ and Wᵀ δ, except ∂J/∂X, which is not needed.
    assert len(backward_products) == 2 * 3 - 1
    assert not set(backward_products) & set(forward_products)
    assert ((6, 5), (5, m)) not in backward_products


# --- C11: saturation ----------------------------------------------------------------------------


def slope(activation, z):
    """g′(z) from the network: a neuron before an identity output with ∂J/∂A = 1."""
    layers = [gn.Dense(1, activation), gn.Dense(1)]
    one, zero = np.ones((1, 1)), np.zeros((1, 1))
    net = network(layers, 1, [(one, zero), (one, zero)], loss="absolute_error")
    _, [(_, db), _] = net.gradients([[z]], [-100.0])
    return db[0, 0]


def test_c11_slopes_of_sigmoid_and_tanh_vanish():
    for z in (-6.0, -1.0, 0.0, 0.3, 5.0):
        a, t = sigmoid(z), np.tanh(z)
        assert slope("sigmoid", z) == pytest.approx(a * (1 - a), rel=1e-12)
        assert slope("sigmoid", z) <= 0.25
        assert slope("tanh", z) == pytest.approx(1 - t**2, rel=1e-12)
    assert slope("sigmoid", 0.0) == 0.25
    assert slope("tanh", 0.0) == 1.0
    for z in (-40.0, 40.0):
        assert 0 <= slope("sigmoid", z) < 1e-15
        assert 0 <= slope("tanh", z) < 1e-15
    assert slope("relu", 40.0) == 1.0  # ReLU does not saturate


# --- C12: without activations -------------------------------------------------------------------


def test_c12_three_linear_layers_are_one(rng):
    deep = network([gn.Dense(6), gn.Dense(5), gn.Dense(2)], 4)
    deep.set_parameters([(W, rng.standard_normal(b.shape)) for W, b in deep.parameters])
    (W1, b1), (W2, b2), (W3, b3) = deep.parameters
    one = network([gn.Dense(2)], 4, [(W3 @ W2 @ W1, W3 @ W2 @ b1 + W3 @ b2 + b3)])
    X = rng.standard_normal((20, 4))
    assert_allclose(deep.predict(X), one.predict(X), rtol=1e-12, atol=1e-13)
    # With a nonlinear activation they are not: f(x) + f(−x) = 2 f(0) holds for linear layers only.
    nonlinear = network([gn.Dense(6, "tanh"), gn.Dense(5, "tanh"), gn.Dense(2)], 4, deep.parameters)
    for net, linear in ((deep, True), (nonlinear, False)):
        middle = (net.predict(X) + net.predict(-X)) / 2
        assert np.allclose(middle, net.predict(np.zeros((20, 4))), atol=1e-10) == linear


# --- C13: nonlinear decision boundaries -----------------------------------------------------------


def xor(rng):
    X = rng.uniform(-1, 1, (400, 2))
    return X[np.abs(X).min(axis=1) > 0.1]


def disc(rng):
    angle, inner = rng.uniform(0, 2 * np.pi, 300), rng.random(300) < 0.5
    radius = np.where(inner, rng.uniform(0.0, 0.8, 300), rng.uniform(1.2, 2.0, 300))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def triangle(rng):
    return rng.uniform(-1, 1, (500, 2))


PROBLEMS = {
    "xor": (xor, lambda X: X[:, 0] * X[:, 1] < 0),
    "disc in a ring": (disc, lambda X: (X**2).sum(axis=1) < 1),
    "triangle": (
        triangle,
        lambda X: (X[:, 1] > -0.6) & (X[:, 1] < 0.8 - 1.6 * np.abs(X[:, 0])),
    ),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_c13_a_network_separates_what_a_line_cannot(problem, rng):
    draw, inside = PROBLEMS[problem]
    X = draw(rng)
    y = inside(X).astype(int)
    line = network([gn.Dense(1, "sigmoid")], 2)
    net = network([gn.Dense(12, "tanh"), gn.Dense(1, "sigmoid")], 2)
    for one in (line, net):
        one.fit(X, y, optimizer=gn.Adam(0.05), epochs=120, batch_size=50)
    assert line.evaluate(X, y)["accuracy"] < 0.8
    assert net.evaluate(X, y)["accuracy"] > 0.97


# --- C14: vanishing and exploding ---------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.5, 0.5])
def test_c14_the_product_of_the_layers_explodes_or_vanishes(factor):
    """``W[l] = factor·I``, g(z) = z: ``ŷ = factor^L x``, and the gradient with it."""
    L, x = 30, np.array([[1.0, -2.0]])
    net = network([gn.Dense(2)] * L, 2, [(factor * np.eye(2), np.zeros((2, 1)))] * L, "absolute_error")
    assert_allclose(net.predict(x), factor**L * x, rtol=1e-12)
    _, gradients = net.gradients(x, [[1e9, 1e9]])
    # ∂J/∂b[1] is the product of the L − 1 Jacobians above it.
    assert_allclose(gradients[0][1], -(factor ** (L - 1)) * np.ones((2, 1)), rtol=1e-12)
    assert_allclose(gradients[-1][1], -np.ones((2, 1)), rtol=1e-12)


def test_c14_sigmoid_makes_it_worse_and_relu_with_he_initialisation_better(rng):
    """Norm of the gradient in the first of twenty layers relative to the last."""
    X, Y = rng.standard_normal((50, 64)), rng.standard_normal((50, 64))

    def fraction(activation, initializer):
        layers = [gn.Dense(64, activation, initializer) for _ in range(20)]
        net = network([*layers, gn.Dense(64)], 64)
        _, gradients = net.gradients(X, Y)
        return np.linalg.norm(gradients[0][1]) / np.linalg.norm(gradients[-2][1])

    identity = fraction("identity", "lecun_normal")
    sigmoids = fraction("sigmoid", "lecun_normal")
    assert 0.2 < identity < 5  # a missing activation is not the cause
    assert sigmoids < 1e-9  # at most (¼)^19 of the identity's
    assert 0.2 < fraction("relu", "he_normal") < 5
    # LeCun initialisation loses half the variance in each ReLU layer.
    assert fraction("relu", "lecun_normal") < fraction("relu", "he_normal") / 100
