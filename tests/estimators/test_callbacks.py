"""Callbacks beside an estimator's epochs: what they see of the run, and what they may change."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss

import gpunet as gn
from estimator_data import early_stopping_parts, rows, target
from gpunet.devices.backend import NO_PROGRAM
from gpunet.devices.placement import Placement
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()
Y, WORDS, LABELS, VALUE = (target(kind, X) for kind in ("binary", "words", "labels", "value"))
FAST = {
    "hidden_layer_sizes": (8,),
    "random_state": 0,
    "learning_rate_init": 0.02,
    "max_iter": 4,
    "batch_size": 40,
}


def weights_of(model):
    return np.concatenate([c.ravel() for c in (*model.coefs_, *model.intercepts_)])


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("backend", ["numpy", "readonly"])
def test_what_the_history_and_the_network_say_of_the_run(backend, solver):
    seen = []
    settings = {**FAST, "backend": backend, "solver": solver}
    model = MLPRegressor(**settings, callbacks=lambda *given: seen.append(given)).fit(X, VALUE)
    network, history = seen[-1]
    assert network.placement == Placement(gn.get_backend(backend), "cpu")
    assert (history.backend, history.device) == (backend, "cpu")
    assert history.examples == len(X) and history.epochs == len(seen) == model.n_iter_
    assert history.program == model.program_
    if solver == "lbfgs":
        assert (history.program, history.reason) == ("SciPy's L-BFGS", "the solver is 'lbfgs'")
        assert history.learning_rate == [] and len(history.loss) == model.n_iter_
    else:
        assert history.learning_rate == [0.02] * 4
        assert history.reason.startswith(NO_PROGRAM) or backend == "numpy"
        assert history.reason


class Clock:
    """Each reading is a second after the one before."""

    now = 0.0

    def perf_counter(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_epochs_seconds_are_without_those_of_callbacks(solver, monkeypatch):
    clock, seconds = Clock(), []
    monkeypatch.setattr("gpunet.estimators.callbacks.time", clock)

    def slow(network, history):
        clock.now += 100.0
        seconds.append(list(history.seconds))

    MLPRegressor(**FAST, solver=solver, callbacks=slow).fit(X, VALUE)
    assert seconds == [[1.0] * epoch for epoch in range(1, 5)]


@pytest.mark.parametrize("result", [None, False, np.False_, 0, 1, "stop", [True]], ids=str)
def test_results_that_do_not_end_a_run(result):
    assert MLPRegressor(**FAST, callbacks=lambda *_: result).fit(X, VALUE).n_iter_ == 4


@pytest.mark.parametrize("result", [True, np.True_], ids=repr)
def test_one_of_several_callbacks_ends_the_run(result):
    seen = []
    callbacks = [lambda *_: result, lambda *given: seen.append(given)]
    assert MLPRegressor(**FAST, callbacks=callbacks).fit(X, VALUE).n_iter_ == len(seen) == 1


class Changing:
    """Changes the last layer's biases at the end of a run."""

    def __init__(self, by):
        self.by = by

    def __call__(self, network, history):
        pass

    def finish(self, network, history):
        *below, (W, b) = network.parameters
        network.set_parameters([*below, (W, b + self.by)])


@pytest.mark.parametrize(
    ("one", "y"), [(MLPClassifier, WORDS), (MLPRegressor, VALUE)], ids=["classes", "value"]
)
def test_a_callback_that_changes_nothing_leaves_the_best_weights(one, y):
    """Those of early stopping, and not the last epoch's."""
    settings = {**FAST, "early_stopping": True, "n_iter_no_change": 2, "max_iter": 40}
    settings |= {"learning_rate_init": 0.2, "tol": 0.0}
    plain, watched = (one(**settings, callbacks=given).fit(X, y) for given in ((), Changing(0.0)))
    scores = plain.validation_scores_
    assert np.argmax(scores) < len(scores) - 1
    assert_array_equal(weights_of(watched), weights_of(plain))


@pytest.mark.parametrize("settings", [{}, {"solver": "lbfgs"}, {"early_stopping": True}], ids=str)
def test_what_callbacks_leave_at_the_end_is_what_stays(settings):
    """The last weights with their changes, even of biases alone."""
    plain, changed = (MLPRegressor(**FAST, **settings, callbacks=by) for by in ((), Changing(0.5)))
    last = []
    plain.set_params(callbacks=lambda network, _: last.append(network.parameters)).fit(X, VALUE)
    changed.fit(X, VALUE)
    for (W, b), c, i in zip(last[-1], changed.coefs_, changed.intercepts_, strict=True):
        assert_array_equal(c, W.T)
        assert_allclose(i, b[:, 0] + 0.5 * (len(i) == 1), rtol=1e-15)


class Clip:
    """Keeps every weight within a bound, after each epoch."""

    def __init__(self, bound=0.1):
        self.bound = bound

    def __call__(self, network, history):
        to_host = network.placement.backend.to_host
        network.set_parameters(
            [(np.clip(to_host(W), -self.bound, self.bound), b) for W, b in network.parameters]
        )


@pytest.mark.parametrize("backend", ["numpy", "readonly"])
def test_the_next_epoch_begins_with_weights_that_a_callback_sets(backend):
    """As in Network.fit, which trains on the same batches."""
    settings = {**FAST, "solver": "sgd", "momentum": 0.8, "nesterovs_momentum": False, "alpha": 0.0}
    settings |= {"shuffle": False, "backend": backend}
    firsts = []

    class First(Clip):
        def start(self, network):
            firsts.append(network.parameters)

    model = MLPRegressor(**settings, callbacks=First()).fit(X, VALUE)
    assert np.abs(model.coefs_[0]).max() <= 0.1
    twin = gn.Network([gn.Dense(8, "relu"), gn.Dense(1, "identity")], "squared_error", inputs=X.shape[1],
                      dtype="float64", backend="numpy")  # fmt: skip
    twin.set_parameters(firsts[0])
    # scikit-learn's momentum has no 1 − β.
    twin.fit(X, VALUE, optimizer=gn.GradientDescent(0.02 / (1 - 0.8), momentum=0.8), epochs=4, batch_size=40,
             shuffle=False, callbacks=Clip())  # fmt: skip
    for (W, b), c, i in zip(twin.parameters, model.coefs_, model.intercepts_, strict=True):
        assert_allclose(c, W.T, rtol=1e-9, atol=1e-12)
        assert_allclose(i, b[:, 0], rtol=1e-9, atol=1e-12)


class Starting:
    """Begins with weights of its own."""

    def start(self, network):
        network.set_parameters([(0 * W + 0.01, 0 * b) for W, b in network.parameters])

    def __call__(self, network, history):
        pass


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_run_begins_with_weights_that_a_callback_sets(solver):
    """Hidden units that begin alike stay alike."""
    model = MLPRegressor(**FAST, solver=solver, callbacks=Starting()).fit(X, VALUE)
    assert_allclose(model.coefs_[0], model.coefs_[0][:, :1] + np.zeros(8), rtol=1e-9)
    assert np.ptp(model.coefs_[0][:, 0]) > 1e-3


class Finishing:
    """Notes that it has been finished."""

    finished = 0

    def __call__(self, network, history):
        pass

    def finish(self, network, history):
        self.finished += 1


class Failing(Finishing):
    def __call__(self, network, history):
        raise RuntimeError("no room")


class NotStarting(Finishing):
    def start(self, network):
        raise RuntimeError("no folder")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_are_finished_after_an_error(solver):
    """As Network.fit does: those that have been started, once."""
    first, fails, never = Finishing(), Failing(), NotStarting()
    with pytest.raises(RuntimeError, match="no room"):
        MLPRegressor(**FAST, solver=solver, callbacks=[first, fails]).fit(X, VALUE)
    assert first.finished == fails.finished == 1
    with pytest.raises(RuntimeError, match="no folder"):
        MLPRegressor(**FAST, solver=solver, callbacks=[first, never, fails]).fit(X, VALUE)
    assert (first.finished, never.finished, fails.finished) == (2, 0, 1)


def test_one_search_can_not_go_on_with_other_weights():
    with pytest.raises(ValueError, match="the solver 'lbfgs' can't go on with them"):
        MLPRegressor(**FAST, solver="lbfgs", callbacks=Clip()).fit(X, VALUE)

    def last(network, history):
        if history.epochs == 2:
            Clip()(network, history)
            return True

    model = MLPRegressor(**FAST, solver="lbfgs", callbacks=last).fit(X, VALUE)
    assert model.n_iter_ == 2
    assert np.abs(np.concatenate([c.ravel() for c in model.coefs_])).max() == 0.1


def test_early_stopping_by_the_loss_of_the_validation_set():
    stop = gn.EarlyStopping(3)
    settings = {**FAST, "learning_rate_init": 0.2, "max_iter": 60, "early_stopping": True}
    model = MLPClassifier(**settings, n_iter_no_change=100, callbacks=stop).fit(X, WORDS)
    assert model.n_iter_ == stop.epoch + 3 < 60
    assert_array_equal(model.coefs_[0], stop.parameters[0][0].T)


def test_figures_that_a_run_does_not_have():
    MLPClassifier(**FAST, early_stopping=True, callbacks=gn.EarlyStopping(monitor="val_accuracy")).fit(X, Y)
    with pytest.raises(ValueError, match="real targets have no accuracy"):
        MLPRegressor(early_stopping=True, callbacks=gn.EarlyStopping(monitor="val_accuracy")).fit(X, VALUE)
    with pytest.raises(ValueError, match="the solver 'lbfgs' has no validation figures; use 'adam' or 'sgd'"):
        MLPRegressor(solver="lbfgs", early_stopping=True, callbacks=gn.EarlyStopping()).fit(X, VALUE)


@pytest.mark.parametrize(
    ("one", "y"),
    [(MLPClassifier, Y), (MLPClassifier, WORDS), (MLPClassifier, LABELS), (MLPRegressor, VALUE)],
    ids=["binary", "words", "labels", "value"],
)
def test_the_figures_of_the_validation_set(one, y):
    """Against scikit-learn's, on the rows that it would have held out."""
    found = []

    def watch(network, history):
        found.append((network.predict(X), history.val_loss[-1], history.val_accuracy[-1:]))

    model = one(**FAST, early_stopping=True, validation_fraction=0.2, callbacks=watch).fit(X, y)
    shapes = [(7, 8), (8, model.n_outputs_)]
    _, held_out = early_stopping_parts(shapes, fraction=0.2, strata=y if y is Y else None)
    truth = y[held_out]
    for A, loss, accuracy in found:
        A = A[held_out]
        if one is MLPRegressor:
            assert loss == pytest.approx(0.5 * ((A[:, 0] - truth) ** 2).mean())
            assert accuracy == []
        elif y is WORDS:
            assert loss == pytest.approx(log_loss(truth, A, labels=model.classes_))
            assert accuracy == [pytest.approx((model.classes_[A.argmax(axis=1)] == truth).mean())]
        else:
            T = truth.reshape(len(truth), -1)
            assert loss == pytest.approx(-np.log(np.where(T, A, 1 - A)).sum(axis=1).mean())
            right = (A > 0.5) == T
            assert accuracy[0] in (pytest.approx(right.mean()), pytest.approx(right.all(axis=1).mean()))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_divergence_is_told_as_one(solver):
    """A callback is not given weights that are not finite."""
    seen = []
    model = MLPRegressor(
        hidden_layer_sizes=4, solver=solver, learning_rate_init=1e200, activation="identity", random_state=0,
        callbacks=lambda network, history: seen.append(np.isfinite(network.parameters[0][0]).all()),
    )  # fmt: skip
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        model.fit(X * 1e30, VALUE)
    assert all(seen) and model.n_iter_ < 20


PLAIN = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}
RATES = [{}, PLAIN, {"solver": "sgd"}, {**PLAIN, "learning_rate": "invscaling"}]


@pytest.mark.parametrize("settings", RATES)
def test_a_callback_changes_the_learning_rate(settings):
    """The run goes on as one whose rate was lower from the start of that epoch on."""

    def lowered(network, history):
        if history.epochs == 2:
            history.learning_rate_factor = 0.25

    seen = []
    settings = {**FAST, **settings}
    model = MLPRegressor(**settings, callbacks=[lowered, lambda n, h: seen.append(h.learning_rate[-1])])
    model.fit(X, VALUE)
    usual = []
    MLPRegressor(**settings, callbacks=lambda n, h: usual.append(h.learning_rate[-1])).fit(X, VALUE)
    assert_allclose(seen, np.array(usual) * [1, 1, 0.25, 0.25], rtol=1e-12)

    class Stepwise(MLPRegressor):
        def _make_solver(self):
            solver = super()._make_solver()
            ends, epochs = solver.epoch_ends, []

            def epoch_ends(examples):
                ends(examples)
                epochs.append(examples)
                if len(epochs) == 2:
                    solver.multiply_rate(0.25)

            solver.epoch_ends = epoch_ends
            return solver

    assert_allclose(weights_of(Stepwise(**settings).fit(X, VALUE)), weights_of(model), rtol=1e-12)


@pytest.mark.parametrize("settings", RATES)
def test_a_rate_that_falls_to_almost_nothing_changes_nothing_more(settings):
    settings = {**FAST, **settings}

    def stopped(network, history):
        history.learning_rate_factor = 1e-12

    two = MLPRegressor(**{**settings, "max_iter": 2}, callbacks=[stopped]).fit(X, VALUE)
    five = MLPRegressor(**{**settings, "max_iter": 5}, callbacks=[stopped]).fit(X, VALUE)
    one = MLPRegressor(**{**settings, "max_iter": 1}).fit(X, VALUE)
    momentum = settings.get("momentum", 0.9) if settings.get("solver") == "sgd" else 0.0
    if momentum == 0.0:  # else u goes on
        assert_allclose(weights_of(two), weights_of(one), atol=1e-9)
        assert_allclose(weights_of(five), weights_of(one), atol=1e-9)
    assert not np.allclose(weights_of(MLPRegressor(**settings).fit(X, VALUE)), weights_of(one), atol=1e-3)


def test_the_rate_is_reduced_on_a_plateau():
    seen = []
    reduce = gn.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=1e6)
    settings = {**FAST, **PLAIN, "callbacks": [reduce, lambda n, h: seen.append(h.learning_rate[-1])]}
    MLPClassifier(**settings).fit(X, Y)
    assert_allclose(seen, [0.02, 0.02, 0.01, 0.005], rtol=1e-12)
    with pytest.raises(ValueError, match="learning_rate_factor"):
        MLPClassifier(**{**FAST, "callbacks": lambda n, h: setattr(h, "learning_rate_factor", 0.0)}).fit(X, Y)
    with pytest.raises(
        ValueError, match=r"ReduceOnPlateau: the solver 'lbfgs' has no learning rate; use 'adam'"
    ):
        MLPClassifier(**{**FAST, "solver": "lbfgs", "callbacks": reduce}).fit(X, Y)


def test_logs_count_epochs(tmp_path):
    """Over several calls that go on from each other, too."""
    log = gn.CSVLog(tmp_path / "log.csv")

    def epochs():
        return [int(line.split(",")[0]) for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]

    model = MLPClassifier(**{**FAST, "max_iter": 2, "warm_start": True, "callbacks": [log]}).fit(X, Y)
    assert epochs() == [1, 2]
    model.fit(X, Y)
    model.partial_fit(X, Y)
    assert epochs() == [1, 2, 3, 4, 5]
    for kind in (gn.CSVLog, gn.JSONLog):
        with pytest.raises(
            ValueError, match=rf"^{kind.__name__} with every='step': an estimator has no figures"
        ):
            MLPClassifier(**FAST, callbacks=[kind(tmp_path / "steps", every="step")]).fit(X, Y)
