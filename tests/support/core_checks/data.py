"""Standardized inputs and accuracy."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal


def check_standardizer(room):
    """μ and σ per feature and per set, over more than one slice; a constant feature becomes 0 (C15)."""

    def here(array):
        return array

    rng = np.random.default_rng(6)
    X = rng.standard_normal((9000, 3)) * [2.0, 0.5, 7.0] + [1.0, -3.0, 100.0]
    one = room.standardizer.Standardizer()
    one.mean, one.deviation = one.measure(np, X, here, here)
    assert_allclose(one.mean, X.mean(axis=0), rtol=1e-12)
    assert_allclose(one.deviation, X.std(axis=0), rtol=1e-12)
    assert_allclose(one.apply(np, X, here), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-12)
    whole = room.standardizer.Standardizer(per="set")
    whole.mean, whole.deviation = whole.measure(np, X, here, here)
    assert_allclose(whole.mean, X.mean(), rtol=1e-12)
    assert_allclose(whole.deviation, X.std(), rtol=1e-12)
    # 0.1 has no exact float: a sum of many of them drifts, and must not be taken for variation.
    for value in (0.0, 0.1, 200.3):
        same = np.full((9000, 2), value, dtype=np.float32)
        one.mean, one.deviation = one.measure(np, same, here, here)
        assert_array_equal(one.apply(np, same, here), np.zeros_like(same))
        assert_array_equal(one.deviation, [1.0, 1.0])


def check_metrics(room):
    """Accuracy, counted on the fingers."""
    A = np.array([[0.7, 0.2, 0.4, 0.1], [0.2, 0.7, 0.35, 0.3], [0.1, 0.1, 0.25, 0.6]])
    Y = np.eye(3)[:, [0, 1, 2, 2]]
    assert room.accuracy.accuracy(np, A, Y, "classes") == 0.75
    labels = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    assert_allclose(room.accuracy.accuracy(np, A, labels, "labels"), 11 / 12)
