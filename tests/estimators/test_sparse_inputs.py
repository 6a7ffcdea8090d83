"""Sparse rows train and predict as dense ones do, and do not become dense."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

import fake_cupyx
import gpunet as gn
from estimator_data import FAST, ROWS, SOLVERS, TARGETS, rows, target
from gpunet.estimators import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()


def thinned():
    """X with most of its numbers 0."""
    return np.where(np.random.default_rng(4).random(X.shape) < 0.7, 0.0, X)


@pytest.mark.parametrize("settings", SOLVERS, ids=str)
@pytest.mark.parametrize(("one", "kind"), TARGETS)
def test_sparse_rows_are_as_dense_ones(one, kind, settings):
    dense, y, weights = thinned(), target(kind, X), np.linspace(0.5, 2.0, ROWS)
    for more in ({},) if settings == {"solver": "lbfgs"} else ({}, {"dropout": 0.2}):
        expected = one(**FAST, **settings, **more).fit(dense, y, weights)
        for kind_of_rows in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
            model = one(**FAST, **settings, **more).fit(kind_of_rows(dense), y, weights)
            assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-6, atol=1e-8)
            assert model.loss_ == pytest.approx(expected.loss_, rel=1e-6)
            predicted = model.predict(kind_of_rows(dense))
            if kind == "values":
                assert_allclose(predicted, expected.predict(dense), rtol=1e-5, atol=1e-7)
            else:
                assert_array_equal(predicted, expected.predict(dense))


def test_sparse_matrices_of_cupy(monkeypatch):
    on_device = fake_cupyx.install(monkeypatch)
    rows, y = sparse.csr_matrix(thinned()), target("classes", X)
    there = on_device(rows)
    model, expected = (MLPClassifier(**FAST).fit(one, y) for one in (there, rows))
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict_proba(there), expected.predict_proba(rows))
    assert isinstance(model.predict(there), np.ndarray)


def test_sparse_rows_do_not_become_dense(monkeypatch):
    rows, y = sparse.csr_array(thinned()), target("classes", X)

    made_dense = sparse.csr_array.toarray

    def refuse(self, *arguments, **options):
        assert X.shape[1] not in self.shape, "rows became dense"
        return made_dense(self, *arguments, **options)

    monkeypatch.setattr(sparse.csr_array, "toarray", refuse)
    monkeypatch.setattr(sparse.csc_array, "toarray", refuse)
    for settings in ({}, {"solver": "lbfgs"}, {"early_stopping": True}):
        model = MLPClassifier(**FAST, **settings).fit(rows, y)
        assert len(model.predict(rows)) == ROWS


def test_no_mean_is_subtracted_from_sparse_rows():
    model = MLPClassifier(**FAST, standardize=True)
    with pytest.raises(
        ValueError, match=r"X is sparse, .* use gpunet.Standardizer\(center=False\), which divides"
    ):
        model.fit(sparse.csr_array(X), target("classes", X))
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("per", ["feature", "set"])
def test_sparse_rows_are_divided_by_their_deviation(solver, early, per):
    y = target("classes", X)
    settings = {**FAST, "solver": solver, "early_stopping": early, "validation_fraction": 0.4}
    settings["standardize"] = gn.Standardizer(per, center=False)
    large = 50 * X + 0.0
    model = MLPClassifier(**settings).fit(sparse.csr_array(large), y)
    dense = MLPClassifier(**settings).fit(large, y)
    assert_allclose(model.standardizer_.deviation, dense.standardizer_.deviation, rtol=1e-12)
    assert model.standardizer_.deviation.max() > 5
    assert not model.standardizer_.mean.any()
    expected = dense.predict_proba(large)
    assert_allclose(model.predict_proba(sparse.csr_array(large)), expected, rtol=1e-6, atol=1e-9)
    assert_allclose(model.to_network().predict(sparse.csr_array(large)), expected, rtol=1e-6, atol=1e-9)
