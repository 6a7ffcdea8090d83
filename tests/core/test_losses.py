"""Losses on every backend: textbook values, extremes without warnings, natural pairs against the general rule."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.losses import LOSSES, cost, output_delta

ROOM = checks.room_of("gpunet")
PAIRS = [(output, loss) for loss in LOSSES for output in checks.outputs_of(ROOM, loss)]


def sent(backend, *arrays):
    return [None if a is None else backend.from_host(a, backend.devices()[0]) for a in arrays]


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("weighted", [False, True])
def test_cost_is_the_textbooks(backend, output, loss, weighted):
    parameters, X, Y = checks.problem(ROOM, (2, 3), (output,), loss, m=5)
    [(W, b)] = parameters
    Z = W @ X + b
    A = ACTIVATIONS[output].forward(np, Z)
    w = np.array([[1.0, 0.0, 2.5, 0.5, 1.0]]) if weighted else np.ones((1, 5))
    each = [checks.textbook_loss(loss, A[:, i], Y[:, i]) for i in range(5)]
    args = sent(backend, Z, A, Y, w if weighted else None)
    found = cost(backend.namespace(), LOSSES[loss], output, *args)
    assert found.shape == ()
    assert float(found) == pytest.approx(float(w[0] @ each) / 5, rel=1e-12)


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_extreme_logits(backend, output, loss):
    """Logits of ±10⁴ in float32, right and wrong ones: finite, in float32, without a warning."""
    Z = np.array([[1e4, -1e4, 1e4, 0.0], [-1e4, 1e4, 1e4, 1e-4]], dtype="float32")
    Y = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]], dtype="float32")
    Z, Y = sent(backend, Z, Y)
    xp = backend.namespace()
    A = ACTIVATIONS[output].forward(xp, Z)
    args = (xp, LOSSES[loss], output, Z, A, Y, None)
    J, delta = backend.to_host(cost(*args)), backend.to_host(output_delta(*args))
    assert J.dtype == np.float32
    assert delta.dtype == np.float32
    assert np.isfinite(J)
    assert np.isfinite(delta).all()


def test_natural_pairs_are_exact_at_the_extremes():
    """What rounding A first would lose: the loss of a logit of 10⁴ on the wrong side is 10⁴ (C4)."""
    Z = np.array([[1e4], [-1e4]], dtype="float32")
    Y = np.array([[0.0], [1.0]], dtype="float32")
    for output, loss, true in (("sigmoid", "logistic", 2e4), ("softmax", "cross_entropy", 2e4)):
        A = ACTIVATIONS[output].forward(np, Z)
        assert float(cost(np, LOSSES[loss], output, Z, A, Y, None)) == true
        assert_allclose(output_delta(np, LOSSES[loss], output, Z, A, Y, None), A - Y)


def test_canonical_activations():
    canonical = {name: loss.canonical for name, loss in LOSSES.items()}
    assert canonical == {
        "logistic": "sigmoid",
        "cross_entropy": "softmax",
        "squared_error": "identity",
        "absolute_error": None,
    }
    assert {name for name, loss in LOSSES.items() if loss.value_from_Z is not None} == {
        name for name in canonical if canonical[name]
    }


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.canonical])
def test_natural_pair_is_the_general_rule(rng, loss):
    one = LOSSES[loss]
    parameters, X, Y = checks.problem(ROOM, (3, 4), (one.canonical,), loss, m=6)
    A, caches = ROOM.propagation.forward(np, (one.canonical,), parameters, X)
    Z, w = caches[0].Z, rng.uniform(0.5, 2.0, (1, 6))
    general = ACTIVATIONS[one.canonical].backward(np, one.gradient(np, A, Y) * w / 6, Z, A)
    assert_allclose(output_delta(np, one, one.canonical, Z, A, Y, w), general, rtol=1e-9, atol=1e-14)
    assert_allclose(one.value_from_Z(np, Z, Y).sum(), one.value(np, A, Y).sum(), rtol=1e-12)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_gradient_is_the_slope_of_the_value(loss):
    A = np.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.35]])
    Y = np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 0.6]])
    h, value = 1e-4, LOSSES[loss].value
    true = (
        8 * (value(np, A + h, Y) - value(np, A - h, Y)) - (value(np, A + 2 * h, Y) - value(np, A - 2 * h, Y))
    ) / (12 * h)
    assert_allclose(LOSSES[loss].gradient(np, A, Y), true, rtol=1e-8, atol=1e-10)


def test_values_worked_out_by_hand():
    A, Y = np.array([[0.25], [0.75]]), np.array([[1.0], [0.0]])
    assert_allclose(LOSSES["logistic"].value(np, A, Y).sum(), 2 * math.log(4))
    assert_allclose(LOSSES["cross_entropy"].value(np, A, Y).sum(), math.log(4))
    assert_allclose(LOSSES["squared_error"].value(np, A, Y).sum(), 0.5625)
    assert_allclose(LOSSES["absolute_error"].value(np, A, Y).sum(), 1.5)


def test_absolute_error_has_no_slope_where_output_and_target_meet():
    A = np.array([[1.0, 2.0, 3.0]])
    assert_allclose(LOSSES["absolute_error"].gradient(np, A, np.full((1, 3), 2.0)), [[-1, 0, 1]])


def test_against_scikit_learn(rng):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    Z = rng.standard_normal((4, 50))
    classes = rng.integers(4, size=50)
    A = ACTIVATIONS["softmax"].forward(np, Z)
    J = cost(np, LOSSES["cross_entropy"], "softmax", Z, A, np.eye(4)[:, classes], None)
    assert float(J) == pytest.approx(metrics.log_loss(classes, A.T), rel=1e-12)
    S, truth = ACTIVATIONS["sigmoid"].forward(np, Z[:1]), rng.integers(2, size=50)
    J = cost(np, LOSSES["logistic"], "sigmoid", Z[:1], S, truth[None].astype(float), None)
    assert float(J) == pytest.approx(metrics.log_loss(truth, S[0]), rel=1e-12)


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    f, send = torch.nn.functional, torch.tensor
    Z = 30 * rng.standard_normal((4, 20))
    labels = rng.integers(2, size=(4, 20)).astype(float)
    one_hot = np.eye(4)[:, rng.integers(4, size=20)]
    peers = [
        ("sigmoid", "logistic", labels, f.binary_cross_entropy_with_logits(
            send(Z), send(labels), reduction="sum")),
        ("softmax", "cross_entropy", one_hot, f.cross_entropy(
            send(Z.T), send(one_hot.T), reduction="sum")),
        ("identity", "squared_error", labels, f.mse_loss(send(Z), send(labels), reduction="sum") / 2),
        ("identity", "absolute_error", labels, f.l1_loss(send(Z), send(labels), reduction="sum")),
    ]  # fmt: skip
    for output, loss, Y, true in peers:
        A = ACTIVATIONS[output].forward(np, Z)
        found = float(cost(np, LOSSES[loss], output, Z, A, Y, None))
        assert found == pytest.approx(float(true) / 20, rel=1e-12), loss
