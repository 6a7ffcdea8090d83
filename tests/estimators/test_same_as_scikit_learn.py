"""From the same random state the same steps: weights, losses and predictions equal scikit-learn's to rounding."""

import contextlib
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import __version__ as SKLEARN
from sklearn.base import is_classifier
from sklearn.utils.fixes import parse_version

from estimator_data import EVERY, PAIRS, ROWS, rows, target

X, WEIGHTS = rows(), np.random.default_rng(2).uniform(0.1, 3.0, ROWS)
# No parameter has its default in all of them.
COMMON = {"random_state": 5, "max_iter": 7, "hidden_layer_sizes": (9, 6), "alpha": 0.3, "batch_size": 40}
SETTINGS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "adam-no-first-moment": {"solver": "adam", "beta_1": 0.0, "beta_2": 0.0, "epsilon": 0.1},
    "plain": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.05, "activation": "tanh"},
    "nesterov": {"solver": "sgd", "momentum": 0.7, "learning_rate_init": 0.02, "activation": "logistic"},
    "momentum": {"solver": "sgd", "momentum": 0.6, "nesterovs_momentum": False, "learning_rate_init": 0.03},
    "undamped": {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 0.001},
    "undamped-heavy": {"solver": "sgd", "momentum": 1, "nesterovs_momentum": False, "learning_rate_init": 1e-3},
    "invscaling": {
        "solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "learning_rate_init": 0.1,
        "momentum": 0.8,
    },
    "invscaling-heavy": {
        "solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2, "learning_rate_init": 0.1,
        "momentum": 0.5, "nesterovs_momentum": False, "activation": "identity",
    },
    "adaptive": {
        "solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1, "max_iter": 12,
        "learning_rate_init": 0.01,
    },
    "unshuffled": {"shuffle": False, "learning_rate_init": 0.01},
    "one-batch": {"batch_size": "auto", "learning_rate_init": 0.01, "alpha": 0.0},
    "single": {"batch_size": 1, "solver": "sgd", "learning_rate_init": 1e-3, "max_iter": 2},
    "early-stopping": {
        "early_stopping": True, "validation_fraction": 0.25, "learning_rate_init": 0.05, "n_iter_no_change": 2,
        "max_iter": 30,
    },
    "early-stopping-unshuffled": {
        "early_stopping": True, "shuffle": False, "validation_fraction": 0.3, "n_iter_no_change": 3, "tol": 0.01,
        "solver": "sgd", "max_iter": 25, "learning_rate_init": 0.05, "momentum": 0.5,
    },
    "patient": {"n_iter_no_change": float("inf"), "tol": 10.0, "max_iter": 15, "batch_size": 60},
}  # fmt: skip
FIGURES = ["loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"]
COUNTS = ["n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"]


def fitted(classes, settings, y, X=X, **more):
    """Both estimators, fitted."""
    both = []
    for one in classes:
        model = one(**{**COMMON, **settings})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            both.append(model.fit(X, y, **more))
    return both


def assert_same(ours, theirs, rtol=1e-8, losses=1e-8):
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=rtol, atol=rtol)
    for name in COUNTS:
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in FIGURES:
        a, b = getattr(ours, name, "none"), getattr(theirs, name, "none")
        if b is None or isinstance(b, str):
            assert a is b or a == b, name
        else:
            assert_allclose(a, b, rtol=losses, err_msg=name)
    assert_allclose(
        ours.predict(X) if not is_classifier(ours) else 0,
        theirs.predict(X) if not is_classifier(ours) else 0,
        rtol=rtol,
        atol=rtol,
    )
    if is_classifier(ours):
        assert_array_equal(ours.predict(X), theirs.predict(X))
        assert_array_equal(ours.classes_, theirs.classes_)
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=rtol)
        with np.errstate(divide="ignore"):
            assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_every_setting(name, kind, setting):
    if (
        kind == "words"
        and setting.startswith("early-stopping")
        and parse_version(SKLEARN) < parse_version("1.9")
    ):
        pytest.skip("scikit-learn before 1.9 does not stop early where classes are words")
    y = target(kind, X)
    # scikit-learn reports several values' mean loss; the penalty in it is averaged over an epoch here.
    losses = 1e-8 if kind != "values" else 3e-2 if setting == "single" else 2e-3
    settings = SETTINGS[setting]
    if kind == "values" and "tol" in settings:
        settings = {**settings, "tol": 1e-4}
    assert_same(*fitted(PAIRS[name], settings, y), losses=losses)


@pytest.mark.parametrize("setting", ["adam", "nesterov", "unshuffled", "one-batch", "early-stopping"])
@pytest.mark.parametrize(
    ("name", "kind"), [("classifier", "classes"), ("classifier", "labels"), ("regressor", "value")]
)
def test_example_weights(name, kind, setting):
    weights = WEIGHTS * (np.arange(ROWS) % 5 > 0)
    assert_same(*fitted(PAIRS[name], SETTINGS[setting], target(kind, X), sample_weight=weights))


@pytest.mark.parametrize("setting", ["adam", "one-batch", "early-stopping"])
def test_poisson(setting):
    y = target("counts", X)
    assert_same(*fitted(PAIRS["regressor"], {**SETTINGS[setting], "loss": "poisson"}, y))
    assert_same(
        *fitted(PAIRS["regressor"], {**SETTINGS[setting], "loss": "poisson"}, y, sample_weight=WEIGHTS)
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(("name", "kind"), [e for e in EVERY if e[1] != "values"])
def test_lbfgs(name, kind, weights):
    """A few iterations: rounding is blown up later."""
    settings = {"solver": "lbfgs", "max_iter": 5, "activation": "tanh"}
    assert_same(*fitted(PAIRS[name], settings, target(kind, X), sample_weight=weights), rtol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_float32(name):
    y = target("binary", X)
    ours, theirs = fitted(PAIRS[name], SETTINGS["adam"], y, X.astype("float32"))
    assert ours.coefs_[0].dtype == "float32"
    for a, b in zip(ours.coefs_, theirs.coefs_, strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=2e-3, atol=2e-4)
    values = (
        ours.predict(X.astype("float32")) if name == "regressor" else ours.predict_proba(X.astype("float32"))
    )
    assert values.dtype == "float32"


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", PAIRS)
def test_partial_fit(name, solver):
    y = target("binary", X)
    more = {"classes": [0, 1]} if name == "classifier" else {}
    models = [one(**COMMON, solver=solver, learning_rate="invscaling") for one in PAIRS[name]]
    for start in (0, 50, 0):
        for model in models:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the batch size is clipped
                model.partial_fit(X[start : start + 30 + start], y[start : start + 30 + start], **more)
        assert_same(*models)
    assert len(models[0].loss_curve_) == 3


@pytest.mark.parametrize("name", PAIRS)
def test_warm_start(name):
    y = target("binary", X)
    models = [one(**COMMON, warm_start=True, learning_rate_init=0.02) for one in PAIRS[name]]
    for _ in range(3):
        for model in models:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, y)
        assert_same(*models)
    assert len(models[0].loss_curve_) == 3 * COMMON["max_iter"]


def test_warm_start_with_early_stopping_keeps_the_best_weights():
    """scikit-learn loses those of an earlier fit: the next one trains them in place."""
    y = target("binary", X)
    model = PAIRS["classifier"][0](**COMMON, warm_start=True, early_stopping=True, learning_rate_init=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = model.fit(X, y).coefs_[0].copy()
        model.set_params(learning_rate_init=1e-9).fit(X, y)  # nothing gets better
    assert_array_equal(model.coefs_[0], best)


def test_a_warm_start_may_watch_something_else():
    """scikit-learn compares with a figure that is not there, and stops."""
    y = target("binary", X)
    model = PAIRS["classifier"][0](**COMMON, warm_start=True, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y).set_params(solver="adam").fit(X, y)
        assert model.validation_scores_ is None and len(model.loss_curve_) == 7
        model.set_params(early_stopping=True).fit(X, y)
        assert model.best_loss_ is None and len(model.validation_scores_) == 7
        assert len(model.loss_curve_) == 14
        model.set_params(early_stopping=False, solver="sgd").fit(X, y)
    assert model.best_loss_ == min(model.loss_curve_[-7:])


@pytest.mark.parametrize("name", PAIRS)
def test_weights_that_were_set_by_hand(name):
    """A step from given weights."""
    y, rng = target("binary", X), np.random.default_rng(8)
    models = []
    for one in PAIRS[name]:
        model = one(
            hidden_layer_sizes=5, solver="sgd", max_iter=1, warm_start=True, random_state=0, shuffle=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)
            rng = np.random.default_rng(8)
            model.coefs_ = [rng.normal(size=c.shape) for c in model.coefs_]
            model.intercepts_ = [rng.normal(size=b.shape) for b in model.intercepts_]
            model.fit(X, y)
        models.append(model)
    assert_same(*models)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "settings", [{}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "adaptive"}]
)
def test_what_verbose_prints(name, settings, capsys):
    """The same figures, line by line."""
    settings = {**settings, "verbose": True, "tol": 0.5, "max_iter": 40, "n_iter_no_change": 3}
    fitted(PAIRS[name], settings, target("binary", X))
    lines = capsys.readouterr().out.splitlines()
    ours, theirs = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    assert ours == theirs
    assert len(ours) > 4


@contextlib.contextmanager
def same_warnings():
    """Collects the warnings of ``ours`` and ``theirs``."""
    found = []
    yield found
    ours, theirs = ([(w.category, str(w.message)) for w in some] for some in found)
    assert ours == theirs and ours


def test_warnings():
    y = target("binary", X)
    with same_warnings() as found:
        for one in PAIRS["classifier"]:
            with warnings.catch_warnings(record=True) as some:
                warnings.simplefilter("always")
                one(3, max_iter=2, batch_size=1000).fit(X, y)
            found.append(some)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_figures_that_stay_as_they_are(name, early_stopping):
    """What is no worse by `tol`, which is 0 here, is no lack of improvement."""
    settings = {
        "tol": 0.0,
        "learning_rate_init": 1e-300,
        "n_iter_no_change": 2,
        "shuffle": False,
        "alpha": 0.0,
    }
    models = fitted(PAIRS[name], {**settings, "early_stopping": early_stopping}, target("binary", X))
    assert_same(*models)
    assert models[0].n_iter_ == COMMON["max_iter"]


@pytest.mark.parametrize(
    "settings", [{"alpha": 3.0}, {"alpha": 3.0, "solver": "sgd"}, {"alpha": 0.0}], ids=str
)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("values", [2, 3])
def test_the_loss_of_several_values(values, weights, settings):
    """To rounding, where an epoch is one step."""
    y = target("values", X)[:, :values]
    assert_same(*fitted(PAIRS["regressor"], {**settings, "batch_size": "auto"}, y, sample_weight=weights))


@pytest.mark.parametrize("name", PAIRS)
def test_batches_that_nobody_chose(name):
    """200 examples each, where there are more."""
    many = np.random.default_rng(6).normal(size=(450, 4))
    y = (many[:, 0] > 0).astype(int)
    settings = {"batch_size": "auto", "learning_rate_init": 0.02}
    models = []
    for one in PAIRS[name]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models.append(one(**{**COMMON, **settings}).fit(many, y))
    for a, b in zip(models[0].coefs_, models[1].coefs_, strict=True):
        assert_allclose(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    "settings",
    [
        {"early_stopping": True},
        {"alpha": 0.0},
        {"alpha": 30.0},
        {"tol": 0.2, "max_iter": 100},
        {"tol": 1e9},
        {"max_fun": 4, "max_iter": 100},
        {"batch_size": 10, "shuffle": False, "learning_rate_init": 0.7},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", PAIRS)
def test_settings_of_lbfgs(name, settings):
    models = fitted(PAIRS[name], {"solver": "lbfgs", "max_iter": 5, **settings}, target("binary", X))
    assert_same(*models, rtol=1e-6, losses=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_lbfgs_of_float32(name):
    settings = {"solver": "lbfgs", "max_iter": 3, "activation": "tanh"}
    ours, theirs = fitted(PAIRS[name], settings, target("binary", X), X.astype("float32"))
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert a.dtype == "float32"
        assert_allclose(a, b, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("kind", ["classes", "words", "labels"])
def test_partial_fit_where_classes_are_missing(kind):
    """A batch need not have every class, and later calls need not name them."""
    y = target(kind, X)
    order = np.argsort(y if y.ndim == 1 else y[:, 0], kind="stable")
    models = [one(**COMMON, learning_rate_init=0.02) for one in PAIRS["classifier"]]
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            classes = np.unique(y) if y.ndim == 1 else [0, 1, 2]
            model.partial_fit(X[order[:30]], y[order[:30]], classes=classes)
            model.partial_fit(X[order[30:]], y[order[30:]], WEIGHTS[order[30:]])
            model.partial_fit(X[order[:50]], y[order[:50]], None, classes)
    assert_same(*models)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_a_warm_start_on_other_targets(name, early_stopping):
    """The best figure is still the first fit's, and epochs without improvement are counted on."""
    y = target("binary", X)
    settings = {
        "warm_start": True,
        "early_stopping": early_stopping,
        "learning_rate_init": 0.05,
        "max_iter": 5,
    }
    models = [one(**{**COMMON, **settings}, n_iter_no_change=7) for one in PAIRS[name]]
    others = 1 - y if name == "classifier" else 50.0 * (1 - y)
    for targets in (y, others, others):
        for model in models:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, targets)
        if not early_stopping or targets is y:  # scikit-learn trains the best weights in place
            assert_same(*models)
    assert models[0].n_iter_ == models[1].n_iter_ < 5 or early_stopping


@pytest.mark.parametrize(("name", "kind"), [("classifier", "words"), ("regressor", "binary")])
def test_targets_that_are_objects(name, kind):
    y = target(kind, X)
    models = fitted(PAIRS[name], SETTINGS["adam"], y.astype(object))
    assert_same(*models)
    plain, _ = fitted(PAIRS[name], SETTINGS["adam"], y)
    assert_array_equal(models[0].coefs_[0], plain.coefs_[0])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            {"solver": "sgd", "momentum": 0.8},
            {"momentum": 0.1, "learning_rate_init": 0.5, "nesterovs_momentum": False},
        ),
        ({"solver": "adam"}, {"solver": "sgd", "momentum": 0.0}),
        ({"solver": "sgd", "momentum": 0.0}, {"solver": "adam", "beta_1": 0.5}),
        ({"solver": "adam"}, {"beta_1": 0.1, "beta_2": 0.3, "epsilon": 1.0, "alpha": 5.0, "batch_size": 30}),
    ],
    ids=str,
)
def test_optimizers_of_partial_fit_are_those_of_its_first_call(before, after):
    y = target("value", X)
    models = [one(**{**COMMON, "learning_rate_init": 0.02, **before}) for one in PAIRS["regressor"]]
    for model in models:
        for settings in ({}, after):
            for _ in range(2):
                model.set_params(**settings).partial_fit(X, y)
    assert_same(*models)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("learning_rate", ["invscaling", "adaptive"])
def test_partial_fit_after_a_fit_that_converged(name, learning_rate):
    """With the learning rate, the momentum and the count of epochs that it ended with."""
    y = target("binary", X)
    settings = {"solver": "sgd", "learning_rate": learning_rate, "tol": 10.0, "n_iter_no_change": 1}
    settings |= {"learning_rate_init": 4e-6 if learning_rate == "adaptive" else 0.05, "max_iter": 12}
    models = fitted(PAIRS[name], settings, y)
    assert models[0].n_iter_ < 12
    for _ in range(3):
        for model in models:
            model.partial_fit(X, y)
        assert_same(*models)


@pytest.mark.parametrize("activation", ["identity", "logistic", "relu"])
@pytest.mark.parametrize("name", PAIRS)
def test_no_hidden_layer(name, activation):
    """The initial weights depend on the activation that no layer has."""
    settings = {"hidden_layer_sizes": (), "activation": activation, "learning_rate_init": 0.02}
    assert_same(*fitted(PAIRS[name], settings, target("binary", X)))


def test_a_single_class():
    y = np.zeros(ROWS, int)
    ours, theirs = fitted(PAIRS["classifier"], {}, y)
    for method in ("predict", "predict_proba"):
        found, expected = getattr(ours, method)(X), getattr(theirs, method)(X)
        assert_allclose(found, expected, rtol=1e-8)
    assert ours.score(X, y) == theirs.score(X, y) == 1.0


@pytest.mark.parametrize("settings", [SETTINGS["adam"], SETTINGS["early-stopping"]], ids=["adam", "early"])
def test_two_labels(settings):
    assert_same(*fitted(PAIRS["classifier"], settings, target("labels", X)[:, :2]))
