"""What the estimators offer beside scikit-learn's parameters."""

import inspect
import warnings
from dataclasses import replace

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight, compute_sample_weight

import gpunet as gn
from estimator_data import ROWS, rows, target
from gpunet.core.losses import Loss
from gpunet.core.plan import Layer, Plan
from gpunet.core.program import EpochInputs
from gpunet.core.reference import Reference
from gpunet.devices.placement import host_placement
from gpunet.estimators import MLPClassifier, MLPRegressor
from gpunet.estimators.batches import Rows
from gpunet.estimators.lbfgs import Cost
from gpunet.training import evaluation
from gpunet.training.state import with_zero_slots

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
Y, WORDS, LABELS, VALUE = (target(kind, X) for kind in ("binary", "words", "labels", "value"))
FAST = {
    "hidden_layer_sizes": (8, 5),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 40,
}


def weights_of(model):
    return np.concatenate([c.ravel() for c in model.coefs_])


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_is_that_of_the_program():
    """The same epoch by the reference program, with the masks of the same keys."""
    settings = {
        **FAST,
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
    plain, dropped, again = (MLPClassifier(**FAST, dropout=rate).fit(X, WORDS) for rate in (0.0, 0.3, 0.3))
    assert not np.allclose(weights_of(plain), weights_of(dropped))
    assert_array_equal(weights_of(dropped), weights_of(again))
    assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    with pytest.raises(ValueError, match="dropout is for the solvers 'adam' and 'sgd'"):
        MLPClassifier(**FAST, solver="lbfgs", dropout=0.3).fit(X, WORDS)


# --- weights of classes, smoothing ----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_are_example_weights(solver):
    weights = {"red": 3.0, "green": 0.5, "blue": 1.0}
    each = np.array([weights[word] for word in WORDS])
    extra = np.linspace(1.0, 2.0, ROWS)
    balanced = np.array([extra.sum() / (3 * extra[word == WORDS].sum()) for word in WORDS])
    for class_weight, expected in ((weights, each), ("balanced", balanced)):
        model = MLPClassifier(**FAST, solver=solver, class_weight=class_weight).fit(X, WORDS, extra)
        same = MLPClassifier(**FAST, solver=solver).fit(X, WORDS, extra * expected)
        assert_allclose(weights_of(model), weights_of(same), rtol=1e-9)
    assert_allclose(
        weights_of(MLPClassifier(**FAST, class_weight=weights).fit(X, WORDS)),
        weights_of(MLPClassifier(**FAST).fit(X, WORDS, each)),
        rtol=1e-9,
    )


def test_balanced_classes_are_those_of_scikit_learn():
    """Of the sums of the examples' weights, where they have some; a class of weight 0 is left out."""
    model = MLPClassifier(**FAST, class_weight="balanced")
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
    model = MLPClassifier(**FAST, class_weight=balanced).partial_fit(X, Y, classes=[0, 1])
    assert len(model.loss_curve_) == 1


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
    early = MLPClassifier(**FAST, label_smoothing=0.2, early_stopping=True).fit(X, y)
    assert 0.0 < early.best_validation_score_ <= 1.0


# --- losses and activations -----------------------------------------------------------------------


def test_other_losses():
    absolute = MLPRegressor(**FAST, loss="absolute_error", alpha=0.0).fit(X, VALUE)
    assert not np.allclose(weights_of(absolute), weights_of(MLPRegressor(**FAST, alpha=0.0).fit(X, VALUE)))
    assert MLPClassifier(**FAST, loss="squared_error").fit(X, WORDS).to_network().loss == "squared_error"
    own = Loss("quartic", lambda xp, A, T: (A - T) ** 4, lambda xp, A, T: 4 * (A - T) ** 3)
    model = MLPRegressor(**FAST, loss=own).fit(X, VALUE)
    assert np.isfinite(model.loss_) and model.program_ == "reference"


def test_an_activation_for_each_layer():
    model = MLPClassifier(**FAST, activation=["tanh", "gelu"]).fit(X, WORDS)
    assert model.to_network().activations == ("tanh", "gelu", "softmax")
    same = MLPClassifier(**FAST, activation=["logistic", "logistic"]).fit(X, WORDS)
    assert_array_equal(
        weights_of(same), weights_of(MLPClassifier(**FAST, activation="logistic").fit(X, WORDS))
    )
    square = gn.Activation("square", lambda xp, Z: Z * Z, lambda xp, dA, Z, A: 2 * Z * dA)
    assert MLPRegressor(**FAST, activation=square).fit(X, VALUE).to_network().activations[0] is square


# --- standardize ----------------------------------------------------------------------------------


@pytest.mark.parametrize("standardize", [True, gn.Standardizer(per="set")])
def test_standardize(standardize):
    scaled = 100.0 * X + 5.0
    model = MLPClassifier(**FAST, standardize=standardize).fit(scaled, WORDS)
    per = "set" if isinstance(standardize, gn.Standardizer) else "feature"
    axis = 0 if per == "feature" else None
    expected = MLPClassifier(**FAST).fit((scaled - scaled.mean(axis)) / scaled.std(axis), WORDS)
    assert_allclose(weights_of(model), weights_of(expected), rtol=1e-7)
    assert model.score(scaled, WORDS) == expected.score(
        (scaled - scaled.mean(axis)) / scaled.std(axis), WORDS
    )
    assert model.standardizer_.per == per
    assert not getattr(standardize, "fitted", False)
    assert_allclose(model.to_network().predict(scaled), model.predict_proba(scaled), rtol=1e-7)


def test_the_standardizer_learns_from_the_first_training_part_alone():
    model = MLPRegressor(**FAST, standardize=True, early_stopping=True).fit(X, VALUE)
    assert not np.allclose(model.standardizer_.mean, X.mean(axis=0))
    partial = MLPRegressor(**FAST, standardize=True).partial_fit(X[:40], VALUE[:40])
    partial.partial_fit(X[40:], VALUE[40:])
    assert_allclose(partial.standardizer_.mean, X[:40].mean(axis=0))


# --- callbacks ------------------------------------------------------------------------------------


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
        model = MLPRegressor(**{**FAST, "max_iter": 9}, solver=solver, callbacks=Watch()).fit(X, VALUE)
    assert [seen[0], seen[-1]] == ["start", "finish"]
    assert [one[0] for one in seen[1:-1]] == [1, 2, 3]
    assert model.n_iter_ == 3
    assert_allclose(seen[-2][2][:, 0], model.predict(X))
    losses = [one[1] for one in seen[1:-1]]
    assert losses == model.loss_curve_ if solver == "adam" else losses[-1] == model.loss_
    expected = MLPRegressor(**{**FAST, "max_iter": 3}, solver=solver).fit(X, VALUE)
    assert_array_equal(weights_of(model), weights_of(expected))


def test_figures_of_the_validation_set():
    histories = []
    for model, y, names in (
        (MLPClassifier, WORDS, ("val_loss", "val_accuracy")), (MLPClassifier, LABELS, ("val_loss", "val_accuracy")),
        (MLPClassifier, Y, ("val_loss", "val_accuracy")), (MLPRegressor, VALUE, ("val_loss",)),
    ):  # fmt: skip
        fitted = model(
            **FAST, early_stopping=True, callbacks=lambda network, history: histories.append(history)
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
    model = MLPRegressor(**{**FAST, "learning_rate_init": 0.5, "max_iter": 40}, callbacks=stop).fit(X, VALUE)
    assert model.n_iter_ == stop.epoch + 2
    assert_array_equal(model.coefs_[0], stop.parameters[0][0].T)


# --- networks, programs ---------------------------------------------------------------------------


def test_networks_of_estimators(tmp_path):
    for one, y, method in ((MLPClassifier, WORDS, "predict_proba"), (MLPRegressor, VALUE, "predict")):
        model = one(**FAST, dropout=0.1).fit(X, y)
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
    assert MLPRegressor(**FAST).fit(X, VALUE).to_network("numpy").backend == "numpy"


@pytest.mark.parametrize(
    ("y", "names"), [(Y, ("0", "1")), (LABELS, None), (Y * 0, None)], ids=["two", "labels", "one"]
)
def test_class_names_of_networks(y, names):
    assert MLPClassifier(**FAST).fit(X, y).to_network().class_names == names


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
        MLPRegressor(**FAST, compile=setting, backend="numpy").fit(X, VALUE)
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


# --- L-BFGS ---------------------------------------------------------------------------------------


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


# --- weights that are not finite ------------------------------------------------------------------


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
        model = MLPRegressor(**FAST, alpha=alpha)
        model.fit(X, VALUE)
        plans.append(model._plan([7, 8, 5, 1], ("relu", "relu", "identity"), "float64", ROWS, False, False))
    assert plans[1] == replace(plans[0], penalized=True)
