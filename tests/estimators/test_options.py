"""What the estimators offer beside scikit-learn's parameters."""

import inspect
import warnings

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight, compute_sample_weight

import gpunet as gn
from estimator_data import ROWS, TWO_HIDDEN, rows, target, weights_of
from gpunet.core.losses import Loss
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs
from gpunet.core.reference import Reference
from gpunet.devices.placement import host_placement
from gpunet.estimators import MLPClassifier, MLPRegressor
from gpunet.training.state import with_zero_slots

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
Y, WORDS, LABELS, VALUE = (target(kind, X) for kind in ("binary", "words", "labels", "value"))


def test_dropout_is_that_of_the_program():
    """The same epoch by the reference program, with the masks of the same keys."""
    settings = {
        **TWO_HIDDEN,
        "shuffle": False,
        "max_iter": 1,
        "alpha": 0.0,
        "batch_size": ROWS,
        "solver": "sgd",
        "momentum": 0.0,
    }
    model = MLPRegressor(**settings, dropout=[0.5, 0.25]).fit(X, VALUE)
    start = MLPRegressor(**{**settings, "learning_rate_init": 1e-300}).fit(X, VALUE)
    state = np.random.RandomState(0)
    for c in start.coefs_:
        state.uniform(size=c.shape)
        state.uniform(size=c.shape[1])
    keys = state.randint(-(2**31), 2**31, (1, 3), dtype=np.int32)
    layers = (Layer(7, 8, "relu"), Layer(8, 5, "relu", 0.5), Layer(5, 1, "identity", 0.25))
    plan = Plan(layers, "squared_error", gn.GradientDescent(0.02), ROWS, ROWS, "float64")
    parameters = [(W.T, b[:, None]) for W, b in zip(start.coefs_, start.intercepts_, strict=True)]
    inputs = EpochInputs(X.T, VALUE[None, :], None, None, np.array([[0.02]]), keys)
    expected, _ = Reference(xp, plan)(with_zero_slots(parameters, 0, host_placement()), inputs)
    for W, (V, _) in zip(model.coefs_, expected.parameters, strict=True):
        assert_allclose(W, V.T, rtol=1e-12)


def test_dropout_changes_training_and_not_prediction():
    plain, dropped, again = (
        MLPClassifier(**TWO_HIDDEN, dropout=rate).fit(X, WORDS) for rate in (0.0, 0.3, 0.3)
    )
    assert not np.allclose(weights_of(plain), weights_of(dropped))
    assert_array_equal(weights_of(dropped), weights_of(again))
    assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    with pytest.raises(ValueError, match="dropout is for the solvers 'adam' and 'sgd'"):
        MLPClassifier(**TWO_HIDDEN, solver="lbfgs", dropout=0.3).fit(X, WORDS)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_are_example_weights(solver):
    weights = {"red": 3.0, "green": 0.5, "blue": 1.0}
    each = np.array([weights[word] for word in WORDS])
    extra = np.linspace(1.0, 2.0, ROWS)
    balanced = np.array([extra.sum() / (3 * extra[word == WORDS].sum()) for word in WORDS])
    for class_weight, expected in ((weights, each), ("balanced", balanced)):
        model = MLPClassifier(**TWO_HIDDEN, solver=solver, class_weight=class_weight).fit(X, WORDS, extra)
        same = MLPClassifier(**TWO_HIDDEN, solver=solver).fit(X, WORDS, extra * expected)
        assert_allclose(weights_of(model), weights_of(same), rtol=1e-9)
    assert_allclose(
        weights_of(MLPClassifier(**TWO_HIDDEN, class_weight=weights).fit(X, WORDS)),
        weights_of(MLPClassifier(**TWO_HIDDEN).fit(X, WORDS, each)),
        rtol=1e-9,
    )


def test_balanced_classes_are_those_of_scikit_learn():
    """Of the sums of the examples' weights, where they have some; a class of weight 0 is left out."""
    model = MLPClassifier(**TWO_HIDDEN, class_weight="balanced")
    extra = np.random.default_rng(0).uniform(0.2, 5.0, ROWS)
    assert_allclose(model._class_weighted(WORDS, None), compute_sample_weight("balanced", WORDS))
    if "sample_weight" in inspect.signature(compute_class_weight).parameters:  # in scikit-learn 1.7
        classes = np.unique(WORDS)
        of_class = compute_class_weight("balanced", classes=classes, y=WORDS, sample_weight=extra)
        expected = extra * of_class[np.searchsorted(classes, WORDS)]
        assert_allclose(model._class_weighted(WORDS, extra), expected)
    extra[WORDS == "red"] = 0.0
    sums = [model._class_weighted(WORDS, extra)[word == WORDS].sum() for word in ("red", "green", "blue")]
    assert_allclose(sums, [0.0, extra.sum() / 2, extra.sum() / 2])


def test_class_weights_where_they_make_no_sense():
    with pytest.raises(ValueError, match="class_weight needs one class for each example"):
        MLPClassifier(class_weight="balanced").fit(X, LABELS)
    with pytest.raises(ValueError, match="compute_class_weight"):
        MLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1])
    balanced = dict(zip([0, 1], compute_class_weight("balanced", classes=np.array([0, 1]), y=Y), strict=True))
    model = MLPClassifier(**TWO_HIDDEN, class_weight=balanced).partial_fit(X, Y, classes=[0, 1])
    assert len(model.loss_curve_) == 1


@pytest.mark.parametrize("class_weight", [{0: 2.0}, {1: 3.0, 2: 0.5}, {0: 4.0, 1: 3.0, 2: 0.5}], ids=str)
def test_class_weights_where_some_classes_are_missing(class_weight):
    """A dict may name a class that a call of partial_fit does not see."""
    y = np.unique(WORDS, return_inverse=True)[1]
    each = np.array([class_weight.get(one, 1.0) for one in y])
    weighted, same = MLPClassifier(**TWO_HIDDEN, class_weight=class_weight), MLPClassifier(**TWO_HIDDEN)
    for seen in (y >= 0, y > 0, y != 1):
        weighted.partial_fit(X[seen], y[seen], classes=[0, 1, 2])
        same.partial_fit(X[seen], y[seen], each[seen], classes=[0, 1, 2])
    assert_allclose(weights_of(weighted), weights_of(same), rtol=1e-9)
    with pytest.raises(ValueError, match="are not in class_weight"):
        MLPClassifier(**TWO_HIDDEN, class_weight={0: 2.0, 7: 1.0}).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize(("y", "share"), [(WORDS, 3), (Y, 2), (LABELS, 2)], ids=["words", "binary", "labels"])
def test_label_smoothing(y, share):
    """The loss of smoothed targets, computed here from the probabilities."""
    model = MLPClassifier((), solver="lbfgs", label_smoothing=0.2, alpha=0.0, random_state=0, tol=1e-6).fit(
        X, y
    )
    T = model._label_binarizer.transform(y) * 0.8 + 0.2 / share
    P = model.to_network().predict(X)
    if share == 3:
        L = -(T * np.log(P)).sum(axis=1)
    else:
        L = -(T * np.log(P) + (1 - T) * np.log(1 - P)).sum(axis=1)
    assert model.loss_ == pytest.approx(L.mean(), rel=1e-6)
    assert not np.allclose(
        weights_of(model),
        weights_of(MLPClassifier((), solver="lbfgs", alpha=0.0, random_state=0, max_iter=30).fit(X, y)),
    )
    early = MLPClassifier(**TWO_HIDDEN, label_smoothing=0.2, early_stopping=True).fit(X, y)
    assert 0.0 < early.best_validation_score_ <= 1.0


def test_other_losses():
    absolute = MLPRegressor(**TWO_HIDDEN, loss="absolute_error", alpha=0.0).fit(X, VALUE)
    assert not np.allclose(
        weights_of(absolute), weights_of(MLPRegressor(**TWO_HIDDEN, alpha=0.0).fit(X, VALUE))
    )
    assert (
        MLPClassifier(**TWO_HIDDEN, loss="squared_error").fit(X, WORDS).to_network().loss == "squared_error"
    )
    own = Loss("quartic", lambda xp, A, T: (A - T) ** 4, lambda xp, A, T: 4 * (A - T) ** 3)
    model = MLPRegressor(**TWO_HIDDEN, loss=own).fit(X, VALUE)
    assert np.isfinite(model.loss_) and model.program_ == "reference"


def test_an_activation_for_each_layer():
    model = MLPClassifier(**TWO_HIDDEN, activation=["tanh", "gelu"]).fit(X, WORDS)
    assert model.to_network().activations == ("tanh", "gelu", "softmax")
    same = MLPClassifier(**TWO_HIDDEN, activation=["logistic", "logistic"]).fit(X, WORDS)
    assert_array_equal(
        weights_of(same), weights_of(MLPClassifier(**TWO_HIDDEN, activation="logistic").fit(X, WORDS))
    )
    square = gn.Activation("square", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * Z * dA)
    assert MLPRegressor(**TWO_HIDDEN, activation=square).fit(X, VALUE).to_network().activations[0] is square


@pytest.mark.parametrize("standardize", [True, gn.Standardizer(per="set")])
def test_standardize(standardize):
    scaled = 100.0 * X + 5.0
    model = MLPClassifier(**TWO_HIDDEN, standardize=standardize).fit(scaled, WORDS)
    per = "set" if isinstance(standardize, gn.Standardizer) else "feature"
    axis = 0 if per == "feature" else None
    expected = MLPClassifier(**TWO_HIDDEN).fit((scaled - scaled.mean(axis)) / scaled.std(axis), WORDS)
    assert_allclose(weights_of(model), weights_of(expected), rtol=1e-7)
    assert model.score(scaled, WORDS) == expected.score(
        (scaled - scaled.mean(axis)) / scaled.std(axis), WORDS
    )
    assert model.standardizer_.per == per
    assert not getattr(standardize, "fitted", False)
    assert_allclose(model.to_network().predict(scaled), model.predict_proba(scaled), rtol=1e-7)


def test_the_standardizer_learns_from_the_first_training_part_alone():
    model = MLPRegressor(**TWO_HIDDEN, standardize=True, early_stopping=True).fit(X, VALUE)
    assert not np.allclose(model.standardizer_.mean, X.mean(axis=0))
    partial = MLPRegressor(**TWO_HIDDEN, standardize=True).partial_fit(X[:40], VALUE[:40])
    partial.partial_fit(X[40:], VALUE[40:])
    assert_allclose(partial.standardizer_.mean, X[:40].mean(axis=0))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_each_epoch(solver):
    seen = []

    class Watch:
        def start(self, network):
            seen.append("start")

        def __call__(self, network, history):
            seen.append((history.epochs, history.loss[-1], network.predict(X)))
            return history.epochs == 3

        def finish(self, network, history):
            seen.append("finish")

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = MLPRegressor(**{**TWO_HIDDEN, "max_iter": 9}, solver=solver, callbacks=Watch()).fit(X, VALUE)
    assert [seen[0], seen[-1]] == ["start", "finish"]
    assert [one[0] for one in seen[1:-1]] == [1, 2, 3]
    assert model.n_iter_ == 3
    assert_allclose(seen[-2][2][:, 0], model.predict(X))
    losses = [one[1] for one in seen[1:-1]]
    assert losses == model.loss_curve_ if solver == "adam" else losses[-1] == model.loss_
    expected = MLPRegressor(**{**TWO_HIDDEN, "max_iter": 3}, solver=solver).fit(X, VALUE)
    assert_array_equal(weights_of(model), weights_of(expected))


def test_figures_of_the_validation_set():
    histories = []
    for model, y, names in (
        (MLPClassifier, WORDS, ("val_loss", "val_accuracy")), (MLPClassifier, LABELS, ("val_loss", "val_accuracy")),
        (MLPClassifier, Y, ("val_loss", "val_accuracy")), (MLPRegressor, VALUE, ("val_loss",)),
    ):  # fmt: skip
        fitted = model(
            **TWO_HIDDEN, early_stopping=True, callbacks=lambda network, history: histories.append(history)
        ).fit(X, y)
        history = histories[-1]
        assert [name for name in ("val_loss", "val_accuracy") if getattr(history, name)] == list(names)
        assert (
            history.epochs
            == len(history.loss)
            == len(history.val_loss)
            == len(history.learning_rate)
            == fitted.n_iter_
        )
        assert history.program == fitted.program_ and history.examples == 117
        if y is WORDS or y is Y:
            assert_allclose(history.val_accuracy, fitted.validation_scores_)


def test_early_stopping_as_a_callback_restores_its_best_weights():
    stop = gn.EarlyStopping(2, monitor="loss")
    model = MLPRegressor(**{**TWO_HIDDEN, "learning_rate_init": 0.5, "max_iter": 40}, callbacks=stop).fit(
        X, VALUE
    )
    assert model.n_iter_ == stop.epoch + 2
    assert_array_equal(model.coefs_[0], stop.parameters[0][0].T)
