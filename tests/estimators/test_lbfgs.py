"""L-BFGS: its gradient, its parts and threads, and what it says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import check_grad
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

import gpunet as gn
from estimator_data import ROWS, SklearnRegressor, rows, target
from gpunet.core.plan import Layer, Plan
from gpunet.devices.placement import host_placement
from gpunet.estimators import MLPClassifier, MLPRegressor
from gpunet.estimators.batches import Rows
from gpunet.estimators.lbfgs import Cost
from gpunet.training import evaluation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
LABELS, VALUE, VALUES = (target(kind, X) for kind in ("labels", "value", "values"))
VALUES = VALUES[:, :2]


@pytest.mark.parametrize("chunk", [1000, 50])
@pytest.mark.parametrize("loss", ["squared_error", "logistic"])
def test_the_gradient_of_lbfgs(loss, chunk, monkeypatch):
    """Against differences, in one chunk and in several."""
    monkeypatch.setattr("gpunet.training.evaluation.CHUNK", chunk)
    layers = (Layer(7, 3, "tanh"), Layer(3, 2, "identity" if loss == "squared_error" else "sigmoid"))
    plan = Plan(layers, loss, gn.GradientDescent(), ROWS, ROWS, "float64")
    weights = np.linspace(0.5, 1.5, ROWS)
    for given in (None, weights):
        cost = Cost(plan, host_placement(), Rows(X, LABELS[:, :2].astype(float), given), 0.3)
        theta = np.random.default_rng(0).normal(size=7 * 3 + 3 * 2 + 3 + 2)
        assert check_grad(lambda t, cost=cost: cost(t)[0], lambda t, cost=cost: cost(t)[1], theta) < 1e-5


def of_cost(X, weights=None, strength=0.3):
    """J and its gradient at some θ."""
    layers = (Layer(7, 3, "tanh"), Layer(3, 2, "sigmoid"))
    plan = Plan(layers, "logistic", gn.GradientDescent(), ROWS, ROWS, "float64")
    cost = Cost(plan, host_placement(), Rows(X, LABELS[:, :2].astype(float), weights), strength)
    return cost(np.random.default_rng(0).normal(size=7 * 3 + 3 * 2 + 3 + 2))


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 1.5, ROWS)], ids=["plain", "weighted"])
@pytest.mark.parametrize("sparse_rows", [False, True])
def test_chunks_add_up(sparse_rows, weights, monkeypatch):
    """To J of all examples at once, and its gradient, in which the penalty is counted once."""
    thin = np.where(X > 0.5, X, 0.0)
    J, gradient = of_cost(thin, weights)
    given = csr_array(thin) if sparse_rows else thin
    sums = []
    one = evaluation.cost_and_gradients
    monkeypatch.setattr(
        evaluation, "cost_and_gradients", lambda *given: (sums.append(one(*given)), sums[-1])[1]
    )
    for chunk in (1, 50, ROWS):
        sums.clear()
        monkeypatch.setattr(evaluation, "CHUNK", chunk)
        found = of_cost(given, weights)
        assert len(sums) == -(-ROWS // chunk)
        assert found[0] == pytest.approx(J, rel=1e-12)
        assert_allclose(found[1], gradient, rtol=1e-10, atol=1e-14)
    plain = of_cost(thin, weights, strength=0.0)
    theta = np.random.default_rng(0).normal(size=32)
    assert J - plain[0] == pytest.approx(0.5 * 0.3 * (theta[:27] ** 2).sum())
    assert_allclose(gradient - plain[1], np.r_[0.3 * theta[:27], np.zeros(5)], atol=1e-12)


def test_numbers_too_large_for_lbfgs_are_no_warning():
    """They show in the result."""
    layers = (Layer(7, 2, "identity"),)
    plan = Plan(layers, "squared_error", gn.GradientDescent(), ROWS, ROWS, "float64")
    cost = Cost(plan, host_placement(), Rows(X, LABELS[:, :2].astype(float), None), 0.0)
    J, gradient = cost(np.full(16, 1e200))
    assert not np.isfinite(J) and gradient.dtype == "float64"


@pytest.mark.parametrize("weights", [None, np.linspace(0.5, 1.5, ROWS)], ids=["plain", "weighted"])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_the_loss_of_several_values_is_their_mean(alpha, weights):
    """As scikit-learn reports it, at each iteration too."""
    settings = {"hidden_layer_sizes": 3, "solver": "lbfgs", "alpha": alpha, "random_state": 0}
    losses = []
    model = MLPRegressor(**settings, max_iter=4, callbacks=lambda _, history: losses.append(history.loss[-1]))
    model.fit(X, VALUES, weights)
    total = ROWS if weights is None else weights.sum()
    squares = sum((W**2).sum() for W in model.coefs_)
    of_values = 0.5 * np.average((model.predict(X) - VALUES) ** 2, axis=0, weights=weights)
    expected = of_values.mean() + 0.5 * alpha / total * squares
    assert_allclose([model.loss_, losses[-1]], expected, rtol=1e-12)
    first = SklearnRegressor(**settings, max_iter=1).fit(X, VALUES)
    model.set_params(max_iter=1).fit(X, VALUES)
    assert_allclose([model.loss_, losses[4]], first.loss_, rtol=1e-9)


def test_the_loss_of_several_labels_is_their_sum():
    model = MLPClassifier((3,), solver="lbfgs", max_iter=2, alpha=0.0, random_state=0).fit(X, LABELS)
    P = np.where(LABELS, model.predict_proba(X), 1 - model.predict_proba(X))
    assert model.loss_ == pytest.approx(-np.log(P).sum(axis=1).mean())


@pytest.mark.parametrize(("small", "cores"), [(1440, "several"), (1441, "one")])
def test_how_much_work_takes_several_cores(small, cores, monkeypatch):
    """3 times (forward, and two products backward) 30 examples and 3·4 + 4·1 weights."""
    calls = []
    backend = type(host_placement().backend)
    on_one_core = backend.on_one_core
    monkeypatch.setattr(
        backend, "on_one_core", lambda self, *given: (calls.append("one"), on_one_core(self, *given))[1]
    )
    monkeypatch.setattr("gpunet.estimators.lbfgs.SMALL", small)
    MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", backend="numpy", random_state=0, max_iter=3).fit(
        X[:30, :3], VALUE[:30]
    )
    assert calls[:1] == (["one"] if cores == "one" else [])


def test_lbfgs_says_why_it_stopped():
    with pytest.warns(
        ConvergenceWarning, match=r"lbfgs failed to converge after 2 iteration.*Increase max_iter=2"
    ):
        MLPRegressor("squared_error", (4,), solver="lbfgs", max_iter=2, random_state=0).fit(X, VALUE)
    with pytest.warns(ConvergenceWarning) as found:
        MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_fun=3, random_state=0).fit(X, VALUE)
    assert "Increase max_iter" not in str(found[0].message)


def test_lbfgs_prints_its_iterations(capsys):
    model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=3, verbose=1, random_state=0).fit(
        X, VALUE
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ == 3
    assert lines[-1] == f"Iteration 3, loss = {model.loss_:.8f}"
    model.set_params(warm_start=True).fit(X, VALUE)
    again = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in again] == ["Iteration 1", "Iteration 2", "Iteration 3"]
