"""Activations and losses against the textbook, number by number."""

import math

import numpy as np
from numpy.testing import assert_allclose

from core_checks.gradients import outputs_of, problem


def _softplus(z):
    return math.log(1 + math.exp(z))


SELU = 1.0507009873554804934, 1.6732632423543772848


FORMULAS = {  # each activation but softmax, as a textbook writes it
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": lambda z: (math.exp(z) - math.exp(-z)) / (math.exp(z) + math.exp(-z)),
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "selu": lambda z: SELU[0] * (z if z > 0 else SELU[1] * (math.exp(z) - 1)),
    "softplus": _softplus,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "gelu": lambda z: 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "mish": lambda z: z * math.tanh(_softplus(z)),
}


def check_activation_values(room):
    """``g(Z)`` against the textbook, number by number."""
    Z = np.array([[-7.5, -2.0, -0.3, 0.0], [0.2, 1.0, 3.0, 8.0]])
    for name, formula in FORMULAS.items():
        true = np.vectorize(formula, otypes=[float])(Z)
        found = room.activations.ACTIVATIONS[name].forward(np, Z)
        assert_allclose(found, true, rtol=1e-12, atol=1e-15, err_msg=name)
    E = np.exp(Z)
    assert_allclose(room.activations.ACTIVATIONS["softmax"].forward(np, Z), E / (E[:1] + E[1:]), rtol=1e-12)


def textbook_loss(loss, a, y):
    """L of one example: sums over the outputs, written out (C2, C4, C5)."""
    pairs = list(zip(a, y, strict=True))
    if loss == "logistic":
        return -sum(y * math.log(a) + (1 - y) * math.log(1 - a) for a, y in pairs)
    if loss == "cross_entropy":
        return -sum(y * math.log(a) for a, y in pairs)
    if loss == "squared_error":
        return sum((a - y) ** 2 for a, y in pairs) / 2
    return sum(abs(a - y) for a, y in pairs)


def check_loss_values(room):
    """``J = (1/m) Σ_i w(i) L(i)`` for every loss and output (C8)."""
    for loss in room.losses.LOSSES:
        for output in outputs_of(room, loss):
            parameters, X, Y = problem(room, (2, 3), (output,), loss, m=5)
            A, caches = room.propagation.forward(np, (output,), parameters, X)
            w = np.array([[1.0, 2.0, 0.0, 0.5, 3.0]])
            each = [textbook_loss(loss, A[:, i], Y[:, i]) for i in range(5)]
            for weights, true in ((None, sum(each) / 5), (w, float(w[0] @ each) / 5)):
                J = room.losses.cost(np, room.losses.LOSSES[loss], output, caches[0].Z, A, Y, weights)
                assert_allclose(J, true, rtol=1e-12, err_msg=f"{output}, {loss}")


def check_one_layer(room):
    """``δ[L] = (A − Y)/m``, ``dW = δ Xᵀ``, ``db = Σ_i δ(i)`` for the natural pairs (C9), as loops."""
    for output, loss in (
        ("sigmoid", "logistic"),
        ("softmax", "cross_entropy"),
        ("identity", "squared_error"),
    ):
        parameters, X, Y = problem(room, (2, 3), (output,), loss, m=5)
        (W, b), m = parameters[0], 5
        dW, db = np.zeros((3, 2)), np.zeros((3, 1))
        for i in range(m):
            z = [W[k, 0] * X[0, i] + W[k, 1] * X[1, i] + b[k, 0] for k in range(3)]
            total = sum(math.exp(v) for v in z)
            for k in range(3):
                a = {
                    "sigmoid": 1 / (1 + math.exp(-z[k])),
                    "softmax": math.exp(z[k]) / total,
                    "identity": z[k],
                }[output]
                error = (a - Y[k, i]) / m
                dW[k] += error * X[:, i]
                db[k] += error
        _, [(found_W, found_b)] = room.propagation.cost_and_gradients(np, (output,), loss, parameters, X, Y)
        assert_allclose(found_W, dW, rtol=1e-11, atol=1e-15, err_msg=output)
        assert_allclose(found_b, db, rtol=1e-11, atol=1e-15, err_msg=output)


def check_natural_pairs(room):
    """The short way from Z and the general rule through ∂L/∂A agree (C9)."""
    for loss, one in room.losses.LOSSES.items():
        if one.canonical is None:
            continue
        parameters, X, Y = problem(room, (2, 3), (one.canonical,), loss, m=5)
        A, caches = room.propagation.forward(np, (one.canonical,), parameters, X)
        Z = caches[0].Z
        short = room.losses.output_delta(np, one, one.canonical, Z, A, Y, None)
        backward = room.activations.ACTIVATIONS[one.canonical].backward
        assert_allclose(short, backward(np, one.gradient(np, A, Y) / 5, Z, A), rtol=1e-9, atol=1e-15)
        assert_allclose(
            np.sum(one.value_from_Z(np, Z, Y), axis=0), np.sum(one.value(np, A, Y), axis=0), rtol=1e-9
        )


def check_stability(room):
    """Logits of ±10⁴ in float32: everything stays finite, and the cost is right (C4)."""
    Z = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=np.float32)
    Y = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for name, g in room.activations.ACTIVATIONS.items():
            A = g.forward(np, Z)
            assert A.dtype == np.float32, name
            assert np.isfinite(A).all(), name
            assert np.isfinite(g.backward(np, np.ones_like(Z), Z, A)).all(), name
            for loss, one in room.losses.LOSSES.items():
                if name in outputs_of(room, loss):
                    args = (np, one, name, Z, A, Y, None)
                    assert np.isfinite(room.losses.cost(*args)), (name, loss)
                    assert np.isfinite(room.losses.output_delta(*args)).all(), (name, loss)
    for output, loss, true in (("sigmoid", "logistic", 2e4), ("softmax", "cross_entropy", 2e4)):
        A = room.activations.ACTIVATIONS[output].forward(np, Z)
        J = room.losses.cost(np, room.losses.LOSSES[loss], output, Z, A, Y, None)
        # Only the second example is wrong, by 2·10⁴ in all; log 2 for the sigmoid whose z is 0.
        extra = math.log(2) if output == "sigmoid" else 0.0
        assert_allclose(J, (true + extra) / 3, rtol=1e-6)
