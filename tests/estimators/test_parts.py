"""Single parts of the estimators: initial weights, and the solvers' coefficients."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.preprocessing import LabelBinarizer

from estimator_data import rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor
from gpunet.estimators.initial import glorot_uniform
from gpunet.estimators.optimizers import AdamSolver, SGDSolver

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()


@pytest.mark.parametrize(
    ("activations", "numerators"),
    [
        ((None,), (6.0,)),
        (("sigmoid",), (2.0,)),
        (("relu", None), (6.0, 6.0)),
        (("sigmoid", None), (2.0, 2.0)),  # the output's range follows the layer before it
        (("relu", "sigmoid", None), (6.0, 2.0, 2.0)),
        (("sigmoid", "tanh", None), (2.0, 6.0, 6.0)),
        (("sigmoid", "tanh", "sigmoid", None), (2.0, 6.0, 2.0, 2.0)),
    ],
)
def test_the_range_of_initial_weights(activations, numerators):
    sizes = [40, 35, 50, 30, 45][: len(activations) + 1]
    coefs, intercepts = glorot_uniform(np.random.RandomState(0), sizes, activations, "float32")
    for l, numerator in enumerate(numerators):
        bound = math.sqrt(numerator / (sizes[l] + sizes[l + 1]))
        assert coefs[l].shape == (sizes[l], sizes[l + 1]) and intercepts[l].shape == (sizes[l + 1],)
        assert 0.99 * bound < abs(coefs[l]).max() <= bound
        assert 0.7 * bound < abs(intercepts[l]).max() <= bound
        assert coefs[l].dtype == intercepts[l].dtype == "float32"


def test_initial_weights_of_layers_with_different_activations():
    settings = {"max_iter": 1, "learning_rate_init": 1e-300, "alpha": 0.0, "random_state": 3}
    model = MLPRegressor(hidden_layer_sizes=(6, 5), activation=["relu", "logistic"], **settings)
    model.fit(X, target("value", X))
    expected = glorot_uniform(np.random.RandomState(3), [7, 6, 5, 1], ("relu", "sigmoid", None), "float64")
    for found, wanted in zip((model.coefs_, model.intercepts_), expected, strict=True):
        for one, other in zip(found, wanted, strict=True):
            assert_array_equal(one, other)


def test_initial_weights_without_hidden_layers():
    """A sequence has no activation for them then."""
    settings = {"max_iter": 1, "learning_rate_init": 1e-300, "alpha": 0.0, "random_state": 3}
    for activation, chosen in (([], None), ("sigmoid", "sigmoid"), ("selu", "selu")):
        model = MLPRegressor(hidden_layer_sizes=(), activation=activation, **settings)
        model.fit(X, target("value", X))
        coefs, intercepts = glorot_uniform(np.random.RandomState(3), [7, 1], (chosen,), "float64")
        assert_array_equal(model.coefs_[0], coefs[0])
        assert_array_equal(model.intercepts_[0], intercepts[0])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_weights_are_rows_of_inputs_in_memory(solver):
    model = MLPRegressor(hidden_layer_sizes=4, solver=solver, max_iter=2, random_state=0, backend="numpy")
    model.fit(X, target("value", X))
    assert all(W.flags.c_contiguous for W in model.coefs_)


def test_lbfgs_has_no_epochs():
    model = MLPRegressor(solver="lbfgs")
    with pytest.raises(AttributeError, match="partial_fit"):
        model.partial_fit(X, target("value", X))
    assert hasattr(model.set_params(solver="sgd"), "partial_fit")


def test_adam_as_scikit_learn_writes_it():
    """It goes on from one epoch to the next. What callbacks see is the rate that was set."""
    solver = AdamSolver(0.1, 0.8, 0.95, 1e-3)
    assert solver.learning_rate == 0.1
    expected = [0.1 * math.sqrt(1 - 0.95**t) / (1 - 0.8**t) for t in range(1, 6)]
    for steps, first in ((3, 0), (2, 3)):
        found = solver.coefficients(steps)
        rates = expected[first : first + steps]
        assert_allclose(found, [(0.1, rate, 1.0) for rate in rates], rtol=1e-12)
        assert solver.learning_rate == pytest.approx(rates[-1])
    seen = []
    settings = {"random_state": 0, "batch_size": 40, "max_iter": 2, "beta_1": 0.8, "beta_2": 0.95}
    model = MLPRegressor(
        hidden_layer_sizes=4,
        learning_rate_init=0.1,
        **settings,
        callbacks=lambda _, h: seen.append((h.learning_rate[-1], model._optimizer.learning_rate)),
    )
    model.fit(X[:120], target("value", X)[:120])
    t = np.array([3, 6])
    set_rates, rates = zip(*seen, strict=True)
    assert set_rates == (0.1, 0.1)
    assert_allclose(rates, 0.1 * np.sqrt(1 - 0.95**t) / (1 - 0.8**t), rtol=1e-12)


def test_descent_as_scikit_learn_writes_it():
    solver = SGDSolver(0.06, "constant", 0.4, True, 0.5)
    assert_allclose(solver.coefficients(3), [(0.1,)] * 3)
    assert (solver.rule.momentum, solver.rule.nesterov) == (0.4, True)
    assert SGDSolver(0.06, "adaptive", 0.4, True, 0.5).stops() == "Setting learning rate to 0.012000"
    last = SGDSolver(1e-6, "adaptive", 0.4, True, 0.5)
    assert last.stops() == "Learning rate too small. Stopping."
    assert SGDSolver(1.5e-6, "adaptive", 0.4, True, 0.5).stops().startswith("Setting learning rate")


@pytest.mark.parametrize(
    "y",
    [
        [3, -1, 3, 7],
        [True, False, True],
        [2.0, 1.0, 2.0],
        ["b", "c", "a", "b"],
        [5, 5, 5],
        [[0, 1], [1, 1]],
        np.array(["no", "yes", "no"], object),
    ],
    ids=str,
)
def test_targets_are_those_of_scikit_learns_binarizer(y):
    y, model = np.asarray(y), MLPClassifier()
    found, expected = model._targets(y, first=True, incremental=False), LabelBinarizer().fit_transform(y)
    assert_array_equal(found, expected)
    assert found.dtype == bool
    # Later ones may be fewer, and of another type.
    other = {"i": "int8", "f": "int8", "U": object}.get(y.dtype.kind, y.dtype)
    for some in (y[:1], y[:1].astype(other)):
        assert_array_equal(model._targets(some, first=False, incremental=True), expected[:1])


def test_later_targets_of_another_kind():
    model = MLPClassifier()
    model._targets(np.array([0, 1, 2]), first=True, incremental=False)
    with pytest.raises(ValueError, match="not fitted with multilabel"):
        model._targets(np.array([[0, 1], [1, 0]]), first=False, incremental=True)


def test_undamped_momentum_is_a_value():
    """As the other optimizers: programs are kept for plans that are equal."""
    rules = [SGDSolver(0.06, "constant", 1.0, nesterov, 0.5).rule for nesterov in (False, True, True)]
    assert len(set(rules)) == 2 and rules[1] == rules[2] and rules[0].slots == 1


def test_numbers_that_float32_does_not_hold():
    large = np.array(X)
    large[5, 2] = 1e300
    with pytest.raises(ValueError, match=r"^X .*row 5"):
        MLPRegressor(hidden_layer_sizes=4, dtype="float32").fit(sparse.csr_array(large), target("value", X))


@pytest.mark.parametrize(("small", "expected"), [(4e8, [1]), (0, [])])
def test_lbfgs_on_little_data_takes_one_core(small, expected, monkeypatch):
    from gpunet_numpy import blas_threads

    limits = []

    def noted(threads, function, *arguments):
        limits.append(threads)
        return function(*arguments)

    monkeypatch.setattr(blas_threads, "with_blas_threads", noted)
    monkeypatch.setattr("gpunet.estimators.lbfgs.SMALL", small)
    X = np.random.default_rng(0).standard_normal((30, 3))
    MLPClassifier((4,), solver="lbfgs", backend="numpy", random_state=0, max_iter=3, tol=1e9).fit(
        X, X[:, 0] > 0
    )
    assert [one for one in limits if one == 1][:1] == expected
