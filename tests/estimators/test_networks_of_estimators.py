"""Networks of estimators, and the programs that train them."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn
from estimator_data import ROWS, TWO_HIDDEN, rows, target, weights_of
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
Y, WORDS, LABELS, VALUE = (target(kind, X) for kind in ("binary", "words", "labels", "value"))


def test_networks_of_estimators(tmp_path):
    for one, y, method in ((MLPClassifier, WORDS, "predict_proba"), (MLPRegressor, VALUE, "predict")):
        model = one(**TWO_HIDDEN, dropout=0.1).fit(X, y)
        net = model.to_network()
        A = getattr(model, method)(X)
        assert_allclose(net.predict(X), A.reshape(ROWS, -1), rtol=1e-12)
        assert net.dropouts == (0.0, 0.1, 0.1)
        net.save(tmp_path / "net.safetensors")
        assert_allclose(gn.load(tmp_path / "net.safetensors").predict(X), net.predict(X))
        if one is MLPClassifier:
            assert_array_equal(net.predict_target(X), model.predict(X))
        net.fit(X, y, epochs=1)
        assert_allclose(getattr(model, method)(X), A)  # the estimator is as it was
    assert MLPRegressor(**TWO_HIDDEN).fit(X, VALUE).to_network("numpy").backend == "numpy"


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y, ("0", "1")),
        (LABELS, None),
        (Y * 0, None),
        (Y - 1.0, ("-1", "0")),
        (Y > 0, ("False", "True")),
    ],
    ids=["two", "labels", "one", "floats", "booleans"],
)
def test_class_names_of_networks(y, names):
    model = MLPClassifier(**TWO_HIDDEN).fit(X, y)
    net = model.to_network()
    assert net.class_names == names
    if names is not None:
        assert net.evaluate(X, y)["accuracy"] == pytest.approx(model.score(X, y))


@pytest.mark.parametrize("name", ["", "red ", " red", "red\t", " "])
def test_class_names_that_a_network_does_not_tell_apart(name):
    """It reads cells of a table without blanks around them, and an empty one as missing."""
    y = np.where(Y > 0, "red", name)
    message = f"class names are not empty and have no blanks around them, got the class {name!r}"
    model = MLPClassifier(**TWO_HIDDEN).fit(X, y)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.to_network()
    model = MLPClassifier(**TWO_HIDDEN, callbacks=lambda network, history: None)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.fit(X, y)
    assert not hasattr(model, "classes_")


def test_when_code_is_compiled(monkeypatch):
    pytest.importorskip("numba")
    from gpunet_numpy import compiling, select

    seen = []
    found = select.program_for

    def program_for(plan):
        seen.append(compiling.setting())
        return found(plan)

    monkeypatch.setattr(select, "program_for", program_for)
    for setting in ("never", "background", "wait", None):
        MLPRegressor(**TWO_HIDDEN, compile=setting, backend="numpy").fit(X, VALUE)
    assert seen == ["never", "background", "wait", compiling.setting()]


@pytest.mark.slow
def test_large_fits_run_compiled_and_equal_the_reference():
    rng = np.random.default_rng(0)
    many = np.where(rng.random((3000, 300)) < 0.8, 0.0, rng.random((3000, 300)))
    y = many @ rng.standard_normal((300, 4))
    for solver in ("adam", "sgd"):
        settings = {
            "hidden_layer_sizes": (160,),
            "random_state": 0,
            "max_iter": 45,
            "solver": solver,
            "alpha": 0.5,
        }
        fast = MLPClassifier(**settings, compile="wait").fit(many, y.argmax(axis=1))
        plain = MLPClassifier(**settings, compile="never").fit(many, y.argmax(axis=1))
        assert "compiled mini-batch" in fast.program_ and plain.program_ == "reference"
        assert_allclose(weights_of(fast), weights_of(plain), rtol=1e-6, atol=1e-9)
        assert_allclose(fast.loss_curve_, plain.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_divergence_ends_the_run(solver):
    model = MLPRegressor(
        hidden_layer_sizes=4, solver=solver, learning_rate_init=1e200, activation="identity", random_state=0
    )
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X * 1e30, VALUE)
    assert model.n_iter_ < 20


def test_probabilities_stay_below_one():
    model = MLPClassifier((), solver="lbfgs", alpha=0.0, random_state=0, max_iter=5).fit(X, Y)
    model.coefs_[0] *= 1e4
    P = model.predict_proba(X)
    assert P[:, 1].max() == 1.0 - np.finfo(float).eps / 2
    assert np.isfinite(model.predict_log_proba(X)[:, 0]).all()


def test_the_plan_of_a_penalty():
    """Without one, every program may run."""
    plans = []
    for alpha in (0.0, 0.1):
        model = MLPRegressor(**TWO_HIDDEN, alpha=alpha)
        model.fit(X, VALUE)
        plans.append(model._plan([7, 8, 5, 1], ("relu", "relu", "identity"), "float64", ROWS, False, False))
    assert plans[1] == replace(plans[0], penalized=True)
