"""Fits one after the other, when they end, and what they warn of."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

import gpunet as gn
from estimator_data import PAIRS, ROWS, rows, target
from gpunet.core.losses import Loss
from gpunet.core.program import TrainState
from gpunet.estimators import MLPClassifier, MLPRegressor
from gpunet.estimators.epochs import _mean_half_squares

X = rows()
Y, CLASSES, WORDS, LABELS, VALUE = (target(k, X) for k in ("binary", "classes", "words", "labels", "value"))
FAST = {
    "hidden_layer_sizes": (8,),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 40,
}
quiet = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def weights_of(model):
    return np.concatenate([c.ravel() for c in (*model.coefs_, *model.intercepts_)])


def same_errors(pair, act):
    """The message that both estimators raise."""
    messages = []
    for one in pair:
        with pytest.raises(ValueError) as error:
            act(one)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    return messages[0]


# --- again ----------------------------------------------------------------------------------------


@quiet
@pytest.mark.parametrize(
    "settings", [{"solver": "adam"}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str
)
@pytest.mark.parametrize(("one", "y"), [(MLPClassifier, WORDS), (MLPRegressor, np.stack([VALUE, Y], 1))])
def test_a_second_fit_starts_anew(one, y, settings):
    """With other columns, targets and types of numbers."""
    model = one(**FAST, **settings).fit(X, Y)
    again, fresh = (it.fit(X[:, :4].astype("float32"), y) for it in (model, one(**FAST, **settings)))
    assert again is model
    assert_array_equal(weights_of(again), weights_of(fresh))
    assert again.coefs_[0].dtype == "float32" and again.n_features_in_ == 4
    names = ["n_iter_", "t_", "loss_", "n_outputs_", "out_activation_"]
    names += [] if settings == {"solver": "lbfgs"} else ["loss_curve_", "best_loss_", "validation_scores_"]
    for name in names:
        assert getattr(again, name) == getattr(fresh, name), name
    if one is MLPClassifier:
        assert again.classes_.tolist() == ["blue", "green", "red"]


@quiet
def test_a_warm_start_keeps_the_type_of_its_weights():
    for hidden in ((), (4,)):
        model = MLPRegressor(**{**FAST, "hidden_layer_sizes": hidden}, warm_start=True)
        first = weights_of(model.fit(X.astype("float32"), VALUE))
        assert model.fit(X, VALUE).coefs_[0].dtype == model.predict(X).dtype == "float32"
        assert not np.allclose(weights_of(model), first)


@quiet
def test_errors_about_classes():
    """As scikit-learn says it."""
    pair = PAIRS["classifier"]
    known = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}

    def started(one, **more):
        return one(**known, **more).partial_fit(X, CLASSES, classes=[0, 1, 2])

    for act in (
        lambda one: one(**known, warm_start=True).fit(X, CLASSES).fit(X, Y),
        lambda one: one(**known, warm_start=True).fit(X, Y).fit(X, CLASSES),
        lambda one: started(one).partial_fit(X, CLASSES + 1),
        lambda one: started(one, warm_start=True).partial_fit(X, Y),
        lambda one: started(one).partial_fit(X, CLASSES, classes=np.array([0, 1])),
        lambda one: started(one).partial_fit(X, CLASSES, classes=[0, 1, 3]),
        lambda one: one(**known).partial_fit(X, CLASSES),
        lambda one: one(**known, early_stopping=True).partial_fit(X, Y, classes=[0, 1]),
    ):
        assert same_errors(pair, act)


@quiet
@pytest.mark.parametrize(("name", "y"), [("classifier", CLASSES[:20]), ("regressor", VALUE[:20])])
def test_a_validation_set_that_is_too_small(name, y):
    def fit(one, fraction):
        model = one(hidden_layer_sizes=3, max_iter=2, random_state=0, early_stopping=True)
        return model.set_params(validation_fraction=fraction).fit(X[:20], y)

    assert "validation set is too small" in same_errors(PAIRS[name], lambda one: fit(one, 0.05))
    assert len(fit(PAIRS[name][0], 0.1).validation_scores_) == 2


@quiet
def test_partial_fit_gives_the_estimator_back():
    for one, more in ((MLPClassifier, {"classes": [0, 1]}), (MLPRegressor, {})):
        model = one(**FAST)
        assert model.partial_fit(X, Y, **more) is model
        assert model.fit(X, Y) is model


# --- when a run ends ------------------------------------------------------------------------------


def test_an_epoch_of_partial_fit_is_no_lack_of_convergence():
    """Without any warning, which would be an error here; not in the last epoch that `max_iter` allows either."""
    for max_iter in (1, 2, 200):
        model = MLPRegressor(hidden_layer_sizes=3, random_state=0, max_iter=max_iter)
        for _ in range(3):
            assert model.partial_fit(X, VALUE).n_iter_ == 1


@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
def test_a_run_that_converges_warns_of_nothing(settings):
    model = MLPRegressor(hidden_layer_sizes=3, random_state=0, tol=0.5, n_iter_no_change=2, **settings)
    assert model.fit(X, VALUE).n_iter_ < 200


@pytest.mark.parametrize(
    "act",
    [
        (MLPRegressor(**FAST), "fit", X, VALUE),
        (MLPRegressor(**FAST, solver="lbfgs"), "fit", X, VALUE),
        (MLPRegressor(hidden_layer_sizes=3, batch_size=ROWS + 1), "partial_fit", X, VALUE),
        (MLPClassifier(3, batch_size=ROWS + 1, solver="sgd", tol=10.0), "fit", X, Y),
        (MLPClassifier(3, callbacks=lambda *_: interrupt()), "fit", X, Y),
    ],
)
def test_warnings_show_the_line_that_called_the_estimator(act):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model, method, *data = act
        code = compile(f"model.{method}(*data)", "their_script.py", "exec")
        exec(code, {"model": model, "data": data})
    assert found and {w.filename for w in found} == {"their_script.py"}


def interrupt():
    raise KeyboardInterrupt


@quiet
def test_a_loss_that_is_infinite_for_a_while_ends_nothing():
    """As long as the weights are finite."""
    endless = Loss("endless", lambda xp, A, T: xp.full_like(A, np.inf), lambda xp, A, T: A - T)
    model = MLPRegressor(**FAST, loss=endless).fit(X, VALUE)
    assert model.n_iter_ == 4 and model.loss_curve_ == [np.inf] * 4
    expected = MLPRegressor(**FAST).fit(X, VALUE)
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)


def test_early_stopping_without_a_score():
    """Weights that diverge at once are no result, not even those of the start."""
    settings = {"hidden_layer_sizes": 4, "learning_rate_init": 1e200, "activation": "identity"}
    model = MLPRegressor(**settings, early_stopping=True, random_state=0)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X * 1e30, Y)
    assert np.isnan(model.validation_scores_).all() and model.best_validation_score_ == -np.inf


@quiet
def test_early_stopping_goes_back_to_the_weights_before_a_divergence():
    """An epoch without a score is never the best one."""

    def diverge(network, history):
        if history.epochs == 2:
            model._optimizer.learning_rate_init = 1e200

    model = MLPRegressor(**FAST, activation="identity", early_stopping=True, callbacks=diverge)
    model.fit(X, VALUE)
    best = MLPRegressor(**{**FAST, "max_iter": 2}, activation="identity", early_stopping=True).fit(X, VALUE)
    assert model.best_validation_score_ == best.best_validation_score_
    assert_array_equal(weights_of(model), weights_of(best))


# --- small parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_mean_penalty_of_an_epoch(steps):
    """Where it changes by as much in each step: the mean of what the steps begin with."""
    before = TrainState(
        [(np.full((2, 3), 2.0), np.full((2, 1), 9.0)), (np.ones((1, 2)), np.ones((1, 1)))], []
    )
    after = TrainState(
        [(np.full((2, 3), 1.0), np.full((2, 1), 5.0)), (np.zeros((1, 2)), np.ones((1, 1)))], []
    )
    first, last = 0.5 * (6 * 4.0 + 2 * 1.0), 0.5 * 6 * 1.0
    expected = np.mean([first + (last - first) * t / steps for t in range(steps)])
    assert _mean_half_squares(np, before, after, steps) == pytest.approx(expected)


@quiet
def test_what_scores_are_exactly_on_the_border():
    """0.5 is no label, as for scikit-learn's ``inverse_transform``."""
    model = MLPClassifier(**FAST).fit(X, LABELS)
    A, T = np.array([[0.5, 0.6, 0.4], [0.5, 0.6, 0.4]]), np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    assert model._validation_score(A, T, None) == 0.5
    assert model._validation_score(A, T, np.array([3.0, 1.0])) == 0.75


@quiet
def test_logarithms_of_probabilities_that_are_zero():
    model = MLPClassifier((), solver="lbfgs", random_state=0, max_iter=5).fit(X, CLASSES)
    model.coefs_[0] *= 1e5
    P, logarithms = model.predict_proba(X), model.predict_log_proba(X)
    assert (P == 0.0).any() and (logarithms[P == 0.0] == -np.inf).all()
    assert_allclose(np.exp(logarithms), P)


@quiet
@pytest.mark.parametrize("name", PAIRS)
def test_scores_with_weights(name):
    weights = np.linspace(0.1, 3.0, ROWS)
    scores = []
    for one in PAIRS[name]:
        model = one(**FAST).fit(X, Y)
        scores.append((model.score(X, Y, weights), model.score(X, Y, sample_weight=None), model.score(X, Y)))
    assert_allclose(scores[0], scores[1], rtol=1e-8)
    assert scores[0][0] != pytest.approx(scores[0][1], rel=1e-6) and scores[0][1] == scores[0][2]


@pytest.mark.parametrize("name", PAIRS)
def test_what_the_tags_say(name):
    ours, theirs = (get_tags(one()) for one in PAIRS[name])
    assert ours.input_tags.sparse is theirs.input_tags.sparse is True
    assert ours.input_tags.allow_nan is theirs.input_tags.allow_nan is False
    assert ours.classifier_tags == theirs.classifier_tags
    assert ours.regressor_tags == theirs.regressor_tags
    tables = get_tags(PAIRS[name][0](encode=gn.TableEncoder())).input_tags
    assert (tables.sparse, tables.allow_nan) == (False, True)


@quiet
@pytest.mark.parametrize(("one", "y"), [(MLPClassifier, WORDS), (MLPRegressor, VALUE)])
def test_networks_of_an_estimator_go_on_alike(one, y):
    """Its weights, shuffling and dropout are drawn from one seed."""
    model = one(**FAST, dropout=0.2).fit(X, y)
    networks = [model.to_network("numpy") for _ in range(2)]
    for network in networks:
        network.fit(X, y, epochs=2, batch_size=16)
    assert_array_equal(networks[0].parameters[0][0], networks[1].parameters[0][0])


def test_a_fit_without_convergence_says_so_once():
    for one in PAIRS["regressor"]:
        with pytest.warns(ConvergenceWarning) as found:
            one(**FAST).fit(X, VALUE)
        assert len(found) == 1


# --- parameters that change between fits ----------------------------------------------------------


@quiet
def test_what_an_earlier_fit_has_learned_is_forgotten():
    """A network of a model that no longer standardises must not do so."""
    pd = pytest.importorskip("pandas")
    model = MLPRegressor(**FAST, standardize=True).fit(5.0 * X + 3.0, VALUE)
    model.set_params(standardize=False).fit(X, VALUE)
    assert not hasattr(model, "standardizer_") and model.to_network().standardizer is None
    assert_allclose(model.to_network("numpy").predict(X)[:, 0], model.predict(X), rtol=1e-9)
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0.5, "x", "y")})
    model.set_params(encode="auto").fit(frame, VALUE)
    assert model.to_network().encoder is model.encoder_ or model.to_network().encoder.fitted
    model.set_params(encode=None).fit(X, VALUE)
    assert not hasattr(model, "encoder_") and model.to_network().encoder is None


@quiet
@pytest.mark.parametrize(("before", "after", "word"), [(True, False, "with"), (False, True, "without")])
def test_standardize_may_not_change_between_fit_and_use(before, after, word):
    message = rf"^standardize is {after}, but the weights were trained {word} it: fit anew"
    model = MLPRegressor(**FAST, standardize=before, warm_start=True).fit(X, VALUE)
    expected, first = model.predict(X), weights_of(model)
    model.set_params(standardize=after)
    for act in (
        lambda: model.predict(X),
        lambda: model.fit(X, VALUE),
        lambda: model.partial_fit(X, VALUE),
    ):
        with pytest.raises(ValueError, match=message):
            act()
    assert_array_equal(weights_of(model), first)
    assert_array_equal(model.set_params(standardize=before).predict(X), expected)
    assert model.set_params(standardize=after, warm_start=False).fit(X, VALUE).predict(X).shape == (ROWS,)


@quiet
def test_encode_may_not_change_between_fit_and_use():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    model = MLPRegressor(**FAST, encode="auto", warm_start=True).fit(frame, VALUE)
    model.set_params(encode=None)
    for act in (lambda: model.predict(frame), lambda: model.fit(frame, VALUE)):
        with pytest.raises(ValueError, match=r"^encode is None, but the weights were trained with it"):
            act()
    model.set_params(warm_start=False).fit(frame, VALUE)
    model.set_params(encode="auto")
    with pytest.raises(ValueError, match=r"^encode is 'auto', but the weights were trained without it"):
        model.predict(frame)


class Unready:
    """A callback that cannot start."""

    def start(self, network):
        raise ValueError("not ready")

    def __call__(self, network, history):
        pass


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dropout": [0.1, 0.1]}, "dropout"),
        ({"class_weight": {"zz": 1}}, "class_weight"),
        ({"activation": ["relu", "relu"]}, "activation"),
        ({"callbacks": gn.EarlyStopping(2)}, "does not measure"),
        ({"callbacks": [gn.CSVLog("no/such/folder/steps.csv", every="step")]}, "every='step'"),
        ({"batch_size": 0}, "batch_size"),
        ({"standardize": True, "dropout": [0.1, 0.1]}, "dropout"),
        ({"encode": "auto", "standardize": True}, "give encode or standardize, not both"),
        ({"callbacks": Unready()}, "not ready"),
        ({"callbacks": Unready(), "solver": "lbfgs"}, "not ready"),
    ],
)
@quiet
def test_a_fit_that_is_refused_changes_nothing(changed, message):
    """Neither weights nor what the estimator knows of columns and classes, whatever else is new."""
    model = MLPClassifier(**FAST).fit(X, Y)
    expected = model.predict_proba(X)
    model.set_params(**changed)
    before = dict(vars(model))
    for given, y in ((X, Y), (X[:, :2], np.where(Y > 0, "yes", "no"))):
        with pytest.raises(ValueError, match=message):
            model.fit(given, y)
        assert vars(model).keys() == before.keys()
        assert all(one is before[name] for name, one in vars(model).items())
    model.set_params(**{name: MLPClassifier().get_params()[name] for name in changed} | FAST)
    assert_array_equal(model.predict_proba(X), expected)
    fresh = MLPClassifier(**{**FAST, **changed})
    with pytest.raises(ValueError, match=message):
        fresh.fit(X, Y)
    assert not hasattr(fresh, "coefs_") and not hasattr(fresh, "classes_")


@pytest.mark.parametrize("changed", [{"batch_size": 0}, {"callbacks": Unready()}])
def test_a_first_partial_fit_that_is_refused_changes_nothing(changed):
    """The next one may name other classes."""
    for model, more in ((MLPClassifier(**FAST), {"classes": [0, 1, 2]}), (MLPRegressor(**FAST), {})):
        model.set_params(**changed)
        before = dict(vars(model))
        with pytest.raises(ValueError, match=r"batch_size|not ready"):
            model.partial_fit(X, Y, **more)
        assert vars(model) == before
    model = MLPClassifier(**{**FAST, **changed})
    with pytest.raises(ValueError, match=r"batch_size|not ready"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    model.set_params(batch_size="auto", callbacks=()).partial_fit(X, Y, classes=[0, 1])
    assert model.classes_.tolist() == [0, 1]
