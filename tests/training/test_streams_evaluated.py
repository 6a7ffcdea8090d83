"""Evaluation, predictions and metrics of data that are read block by block."""

import numpy as np
import pytest

import gpunet as gn
from small_networks import N, network, same
from streams import ROWS, few_rows, mapped, small_blocks


@pytest.fixture
def data(rng):
    return few_rows(rng)


def test_evaluation_by_blocks(backend, data, tmp_path, monkeypatch):
    X, y = data
    net = network(backend)
    net.fit(X, y, epochs=1)
    weights = np.linspace(1, 2, ROWS)
    whole = net.evaluate(X, y, weights)
    report, (J, gradients) = net.class_report(X, y), net.gradients(X, y)
    predicted = backend.to_host(net.predict(X)) if backend.owns(net.predict(X)) else net.predict(X)
    small_blocks(monkeypatch, 7, 3, N)
    source = mapped(tmp_path, "X", X)
    by_blocks = net.evaluate(source, y, weights)
    assert by_blocks["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert by_blocks["accuracy"] == pytest.approx(whole["accuracy"], rel=1e-6)
    assert np.array_equal(net.class_report(source, y).matrix, report.matrix)
    np.testing.assert_allclose(net.predict(source), predicted, rtol=1e-5)
    found = net.gradients(source, y)
    assert found[0] == pytest.approx(J, rel=1e-5)
    for pair, other in zip(found[1], gradients, strict=True):
        for one, two in zip(pair, other, strict=True):
            np.testing.assert_allclose(backend.to_host(one), backend.to_host(two), rtol=1e-3, atol=1e-6)


def test_metrics_of_a_validation_stream(data, tmp_path, monkeypatch):
    X, y = data
    one, two = (network("numpy") for _ in range(2))
    expected = one.fit(X, y, epochs=2, validation_data=(X[:50], y[:50]), metrics="f1_macro", shuffle=False)
    small_blocks(monkeypatch, 7, 3, N)
    held = mapped(tmp_path, "V", X[:50]), y[:50]
    found = two.fit(X, y, epochs=2, validation_data=held, metrics="f1_macro", shuffle=False)
    assert found.val_metrics == expected.val_metrics
    assert same(one, two)


def test_passes_in_several_orders(rng):
    """Targets and outputs are of one pass, as those of a loader that shuffles have to be."""
    X = rng.normal(size=(90, N)).astype("float32")
    y = (X[:, 0] > 0.3).astype("int64")
    passes = []

    def pieces():
        order = np.random.default_rng(len(passes)).permutation(len(X))
        passes.append(order)
        for rows in np.split(order, 3):
            yield X[rows], y[rows]

    net = network("numpy", gn.Dense(2, "softmax"))
    metrics = ["f1", "roc_auc"]
    net.fit(X, y, epochs=2, validation_data=pieces, metrics=metrics)
    expected = net.evaluate(X, y, metrics=metrics)
    assert net.evaluate(pieces, metrics=metrics) == pytest.approx(expected)
    for name in metrics:
        assert net.history.val_metrics[name][-1] == pytest.approx(expected[name])
    assert np.array_equal(net.class_report(pieces).matrix, net.class_report(X, y).matrix)
    assert len(passes) > 5
