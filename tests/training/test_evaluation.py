"""Outputs, loss and accuracy of given parameters, in chunks."""

import numpy as np
import pytest

from gpunet.devices.placement import host_placement
from gpunet.inputs.pipeline import Examples
from gpunet.training import evaluation
from gpunet.training.evaluation import Evaluation

ACTIVATIONS = ("tanh", "softmax")


@pytest.fixture
def parameters():
    rng = np.random.default_rng(3)
    return [(rng.standard_normal(s), rng.standard_normal((s[0], 1))) for s in ((4, 2), (3, 4))]


def examples(m, weighted=False):
    rng = np.random.default_rng(m)
    weights = rng.uniform(0, 3, (1, m)) if weighted else None
    return Examples(rng.standard_normal((2, m)), np.eye(3)[:, rng.integers(0, 3, m)], weights)


def on_host(activations):
    return Evaluation(host_placement(), activations)


def by_hand(parameters, X):
    (W1, b1), (W2, b2) = parameters
    E = np.exp(W2 @ np.tanh(W1 @ X + b1) + b2)
    return E / E.sum(axis=0)


@pytest.mark.parametrize("m", [1, 7, 8, 9, 16, 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_chunks_make_up_the_whole(monkeypatch, parameters, m, weighted):
    """Each chunk counts for the examples that it holds."""
    monkeypatch.setattr(evaluation, "CHUNK", 8)
    given = examples(m, weighted)
    A = by_hand(parameters, given.X)
    rows = on_host(ACTIVATIONS).outputs(parameters, given.X)
    assert rows.shape == (m, 3)
    np.testing.assert_allclose(rows, A.T, rtol=1e-12)
    L = -np.log((A * given.Y).sum(axis=0))
    w = given.weights[0] if weighted else np.ones(m)
    found = on_host(ACTIVATIONS).figures("cross_entropy", parameters, given, "classes")
    assert found["loss"] == pytest.approx((w * L).sum() / m, rel=1e-12)
    assert found["accuracy"] == pytest.approx(np.mean(A.argmax(axis=0) == given.Y.argmax(axis=0)))
    assert type(found["loss"]) is type(found["accuracy"]) is float


def test_labels_and_values(parameters):
    X = examples(10).X
    Y = np.random.default_rng(0).integers(0, 2, (3, 10)).astype(float)
    A = by_hand(parameters, X)
    labels = on_host(ACTIVATIONS).figures("squared_error", parameters, Examples(X, Y, None), "labels")
    assert labels["accuracy"] == pytest.approx(np.mean((A > 0.5) == (Y > 0.5)))
    values = on_host(ACTIVATIONS).figures("squared_error", parameters, Examples(X, Y, None), "values")
    assert values == {"loss": pytest.approx(0.5 * ((A - Y) ** 2).sum() / 10)}


def test_chunks_are_large_enough_for_full_speed():
    assert evaluation.CHUNK == 8192


def test_overflow_warns_nobody(parameters):
    huge = [(1e200 * W, b) for W, b in parameters]
    on_host(("gelu", "softmax")).outputs(huge, 1e200 * examples(3).X)
    found = on_host(("gelu", "identity")).figures("squared_error", huge, examples(3), "values")
    assert not np.isfinite(found["loss"])
