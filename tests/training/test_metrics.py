"""Metrics on validation data: against scikit-learn's functions, called on what the network predicts."""

import functools
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk

import gpunet as gn
from gpunet.training.metrics import Metrics, Results, names_for_values, rescaled, results_of

M, N = 40, 3


@pytest.fixture
def X(rng):
    return rng.normal(size=(M, N)).astype("float32")


def network(units, activation, name="numpy", **more):
    return gn.Network([gn.Dense(units, activation)], seed=1, backend=name, **more)


def fitted(net, X, y, metrics, **more):
    """Two epochs; the figures of the last one."""
    history = net.fit(X, y, epochs=2, batch_size=8, validation_data=(X, y), metrics=metrics, **more)
    assert [len(values) for values in history.val_metrics.values()] == [2] * len(history.val_metrics)
    return {name: values[-1] for name, values in history.val_metrics.items()}


BINARY = {
    "f1": lambda y, p: sk.f1_score(y, p > 0.5),
    "precision": lambda y, p: sk.precision_score(y, p > 0.5),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p > 0.5),
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "neg_log_loss": lambda y, p: -sk.log_loss(y, p),
    "neg_brier_score": lambda y, p: -sk.brier_score_loss(y, p),
}


@pytest.mark.parametrize("outputs", [1, 2])
def test_two_classes(backend, X, outputs):
    """With one sigmoid output, or two softmax outputs."""
    y = (X[:, 0] + X[:, 1] > 0.3).astype(int)
    net = network(outputs, "sigmoid" if outputs == 1 else "softmax", backend.name)
    found = fitted(net, X, y, list(BINARY))
    p = net.predict(X)[:, -1].astype(float)
    assert found["roc_auc"] not in (0.0, 0.5, 1.0)
    for name, function in BINARY.items():
        assert found[name] == pytest.approx(function(y, p), rel=1e-5), name
    again = net.evaluate(X, y, metrics=list(BINARY))
    assert again == pytest.approx({**net.evaluate(X, y), **found})


def test_several_classes(X):
    y = np.arange(M) % 3
    net = network(3, "softmax")
    names = ["f1_macro", "f1_weighted", "recall_micro", "roc_auc_ovr", "roc_auc_ovo_weighted", "neg_log_loss"]
    found = fitted(net, X, y, names)
    P = net.predict(X).astype(float)
    P /= P.sum(axis=1, keepdims=True)
    predicted = P.argmax(axis=1)
    assert found == pytest.approx(
        {
            "f1_macro": sk.f1_score(y, predicted, average="macro"),
            "f1_weighted": sk.f1_score(y, predicted, average="weighted"),
            "recall_micro": sk.recall_score(y, predicted, average="micro"),
            "roc_auc_ovr": sk.roc_auc_score(y, P, multi_class="ovr"),
            "roc_auc_ovo_weighted": sk.roc_auc_score(y, P, multi_class="ovo", average="weighted"),
            "neg_log_loss": -sk.log_loss(y, P),
        }
    )


@pytest.mark.parametrize("k", [2, 3])
def test_labels(X, k):
    """Two of them are not the two classes of one label."""
    Y = (X[:, :k] > 0.2).astype(int)
    net = network(k, "sigmoid")
    found = fitted(net, X, Y, ["f1_macro", "f1_samples", "roc_auc", "average_precision"])
    A = net.predict(X).astype(float)
    assert found == pytest.approx(
        {
            "f1_macro": sk.f1_score(Y, A > 0.5, average="macro"),
            "f1_samples": sk.f1_score(Y, A > 0.5, average="samples", zero_division=0),
            "roc_auc": sk.roc_auc_score(Y, A),
            "average_precision": sk.average_precision_score(Y, A),
        }
    )


@pytest.mark.parametrize("outputs", [1, 2])
def test_values(X, outputs):
    Y = 3.0 * X[:, :outputs] + 1.0
    net = network(outputs, "identity")
    names = ["r2", "neg_mean_absolute_error", "mean_absolute_error", "root_mean_squared_error"]
    found = fitted(net, X, Y, names)
    A = net.predict(X)
    assert found == pytest.approx(
        {
            "r2": sk.r2_score(Y, A),
            "neg_mean_absolute_error": -sk.mean_absolute_error(Y, A),
            "mean_absolute_error": sk.mean_absolute_error(Y, A),
            "root_mean_squared_error": sk.root_mean_squared_error(Y, A),
        },
        rel=1e-5,
    )


def test_values_of_a_table_are_in_their_own_unit(X):
    price = 1e5 + 2e4 * X[:, 0]
    rows = {"a": X[:, 0], "b": X[:, 1], "price": price}
    table = gn.datasets.read_table(rows, target="price")
    net = gn.Network.for_table(table, hidden=(4,), seed=0, backend="numpy")
    seen = []

    def error(y_true, y_pred):
        seen.append((y_true, y_pred))
        return np.abs(y_true - y_pred).max()

    history = net.fit(
        table, epochs=3, validation_data=table, metrics=["mean_absolute_error", "max_error", error]
    )
    predicted = net.predict_target(rows)
    figures = {name: values[-1] for name, values in history.val_metrics.items()}
    worst = np.abs(predicted - price).max()
    assert worst > 1000
    assert figures == pytest.approx(
        {
            "mean_absolute_error": np.abs(predicted - price).mean(),
            "max_error": worst,
            "error": worst,
        },
        rel=1e-4,
    )
    np.testing.assert_allclose(seen[-1][0], price, rtol=1e-6)
    np.testing.assert_allclose(seen[-1][1], predicted, rtol=1e-6)


def test_values_that_are_standardised_outside_of_the_network():
    """Targets, predictions and outputs are all in their own unit."""

    def given_to(results):
        return [results.y_true.tolist(), results.y_pred.tolist(), results.outputs.tolist()]

    values = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    results = Results("values", *values, values[1][:, None], None)
    [largest] = rescaled("max_error", lambda standardized: 10 * standardized + 1)
    assert largest.compute(results) == pytest.approx(30.0)
    [seen] = rescaled([largest._replace(compute=given_to)], lambda standardized: 10 * standardized + 1)
    assert seen.compute(results) == [[11.0, 21.0], [31.0, 51.0], [[31.0], [51.0]]]


def test_words_are_numbered_as_the_outputs_are(X):
    y = np.where(X[:, 0] > 0.5, "ill", "well")
    net = network(1, "sigmoid")
    found = fitted(net, X, y, ["f1", "accuracy"])
    assert net.class_names == ("ill", "well")
    assert found == {"f1": pytest.approx(sk.f1_score(y, net.predict_target(X), pos_label="well"))}


def test_what_a_function_gets(X):
    """Predictions; probabilities or outputs where its second parameter is called so."""
    y = (X[:, 0] > 0.0).astype(int)
    got = {}

    def predictions(y_true, y_pred):
        got["predictions"] = y_true, y_pred
        return 0.25

    def whatever(truth, guess, weight=None):
        got["whatever"] = truth, guess
        return np.float32(0.5)

    def scores(y_true, y_score):
        got["scores"] = y_true, y_score
        return 1

    def chances(y_true, y_proba):
        got["chances"] = y_true, y_proba
        return 1

    def outputs(y_true, outputs):
        got["outputs"] = y_true, outputs
        return 1

    functions = [predictions, whatever, scores, chances, outputs]
    for units, activation in ((1, "sigmoid"), (2, "softmax"), (3, "softmax")):
        net = network(units, activation)
        figures = net_figures(net, X, y, functions)
        assert (figures["predictions"], figures["whatever"], figures["scores"]) == (0.25, 0.5, 1.0)
        A = net.predict(X)
        classes = A.argmax(axis=1) if units > 1 else (A[:, 0] > 0.5).astype(int)
        for name, (truth, given) in got.items():
            np.testing.assert_array_equal(truth, y)
            if name in ("predictions", "whatever"):
                np.testing.assert_array_equal(given, classes)
            elif name == "outputs":
                np.testing.assert_array_equal(given, A)
            else:
                np.testing.assert_allclose(given, A if units == 3 else A[:, -1], rtol=1e-6)


def net_figures(net, X, y, metrics):
    net.fit(X, y, epochs=1)
    return net.evaluate(X, y, metrics=metrics)


def test_functions_of_sklearn_as_they_are(X):
    y = (X[:, 0] > 0.0).astype(int)
    net = network(1, "sigmoid")
    net.fit(X, y, epochs=1)
    by_name = net.evaluate(X, y, metrics=["f1", "roc_auc"])
    beta = functools.partial(sk.fbeta_score, beta=2.0)
    scorer = sk.make_scorer(sk.fbeta_score, beta=2.0)
    own = net.evaluate(X, y, metrics={"a": sk.f1_score, "b": sk.roc_auc_score, "c": beta, "d": scorer})
    assert (own["a"], own["b"]) == (by_name["f1"], by_name["roc_auc"])
    assert own["c"] == own["d"] == sk.fbeta_score(y, net.predict(X)[:, 0] > 0.5, beta=2.0)
    assert net.evaluate(X, y, metrics=beta)["fbeta_score"] == own["c"]
    assert list(net.evaluate(X, y, metrics={"mine": "f1"})) == ["loss", "accuracy", "mine"]


def test_loss_and_accuracy_need_no_sklearn(X, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    y = np.arange(M) % 3
    assert fitted(network(3, "softmax"), X, y, ["accuracy", "loss"]) == {}
    with pytest.raises(ImportError, match=r"metrics by name .* not installed; install it with: pip install"):
        network(3, "softmax").fit(X, y, validation_fraction=0.2, metrics="f1_macro")


def test_directions():
    found = Metrics(["r2", "neg_log_loss", "log_loss", "max_error", lambda_named("own")]).directions
    assert found == {"r2": True, "neg_log_loss": True, "log_loss": False, "max_error": False, "own": None}
    assert Metrics({"b": sk.make_scorer(sk.f1_score)}).directions == {"b": True}


def lambda_named(name):
    def function(y_true, y_pred):
        return 0.0

    function.__name__ = name
    return function


MISTAKES = [
    ("f1_makro", r"unknown metric 'f1_makro'\. Did you mean 'f1_macro'"),
    ("mean_absolute_eror", r"Did you mean 'mean_absolute_error'"),
    ("acuracy", r"Did you mean 'accuracy'"),
    ("f1", r"metric 'f1' failed: ValueError: Target is multiclass .* there are: f1_macro, f1_micro, f1_weighted$"),
    ("roc_auc", r"there are: roc_auc_ovo, roc_auc_ovo_weighted, roc_auc_ovr, roc_auc_ovr_weighted$"),
    ("r2", r"metric 'r2' failed: ValueError: it is for real targets, .* there are: accuracy, "),
    ("f1_samples", r"metric 'f1_samples' failed"),
    ("mean_absolute_error", r"metric 'mean_absolute_error' failed: .* are: accuracy, "),
    (["f1_macro", "f1_macro"], r"two metrics have the name 'f1_macro'"),
    ([lambda_named("loss")], r"two metrics have the name 'loss'"),
    ([lambda y_true, y_pred: 0.0], r"a metric has no name, <function .*: give it one, metrics=\{'name'"),
    ([sk.make_scorer(sk.f1_score)], r"a metric has no name, make_scorer"),
]  # fmt: skip


@pytest.mark.parametrize(("metrics", "message"), MISTAKES)
def test_mistakes_change_nothing(X, metrics, message):
    names_for_values.cache_clear()
    net = network(3, "softmax", inputs=N)
    before = net.parameters
    with pytest.raises(ValueError, match=message):
        net.fit(X, np.arange(M) % 3, epochs=1, validation_data=(X, np.arange(M) % 3), metrics=metrics)
    assert net.epochs_trained == 0
    np.testing.assert_array_equal(before[0][0], net.parameters[0][0])


@pytest.mark.parametrize("metric", [3, None, [3], [sk.f1_score, float], [gn.Dense]])
def test_what_is_no_metric(X, metric):
    with pytest.raises(TypeError, match="metric"):
        network(3, "softmax").evaluate(X, np.arange(M) % 3, metrics=metric)


def test_metrics_for_values_and_classes_are_told_apart(X):
    net = network(1, "identity")
    for name, message in (
        ("f1", r"metric 'f1' failed: .* there are: d2_absolute_error_score, explained_variance"),
        ("accuracy", "real targets have no accuracy"),
    ):
        with pytest.raises(ValueError, match=message):
            net.fit(X, X[:, 0], validation_data=(X, X[:, 0]), metrics=name)
    with pytest.raises(ValueError, match="real targets have no accuracy"):
        net.evaluate(X, X[:, 0], metrics="accuracy")
    with pytest.raises(ValueError, match="metric 'max_error' failed"):
        network(2, "identity").fit(X, X[:, :2], validation_data=(X, X[:, :2]), metrics="max_error")
    assert net.epochs_trained == 0


def test_probabilities_need_softmax(X):
    """Outputs that do not sum to 1 are none: that is said before training, not after the first epoch."""
    y = np.arange(M) % 3
    net = gn.Network([gn.Dense(3, "sigmoid")], loss="squared_error", seed=0, backend="numpy")
    with pytest.raises(ValueError, match=r"metric 'roc_auc_ovr' failed: .*probabilities"):
        net.fit(X, y, validation_data=(X, y), metrics="roc_auc_ovr")
    assert net.epochs_trained == 0
    assert fitted(net, X, y, "f1_macro")["f1_macro"] > 0


def test_a_class_that_validation_lacks_is_found_before_training(X):
    net = network(3, "softmax")
    with pytest.raises(ValueError, match=r"metric 'roc_auc_ovr' failed: .*Number of classes"):
        net.fit(X, np.arange(M) % 3, validation_data=(X, np.arange(M) % 2), metrics="roc_auc_ovr")
    assert net.epochs_trained == 0


def test_metrics_need_validation_data(X):
    net = network(3, "softmax")
    with pytest.raises(ValueError, match="metrics are measured on validation data: give fit validation_data"):
        net.fit(X, np.arange(M) % 3, metrics="f1_macro")
    assert net.inputs is None
    assert net.fit(X, np.arange(M) % 3, epochs=1, metrics=["loss"]).val_metrics == {}


def test_a_metric_that_raises_is_named_and_the_epoch_is_kept(X):
    y = np.arange(M) % 3
    kept = []

    def fragile(y_true, y_pred):
        if len(kept) == 2:
            raise KeyError("oh no")
        return 0.0

    net = network(3, "softmax")
    with pytest.raises(ValueError, match=r"metric 'fragile' failed: KeyError: 'oh no'$") as caught:
        net.fit(
            *(X, y),
            epochs=9,
            validation_data=(X, y),
            metrics=fragile,
            callbacks=lambda net, history: kept.append(net.parameters),
        )
    assert isinstance(caught.value.__cause__, KeyError)
    assert net.epochs_trained == 3
    same = network(3, "softmax")
    same.fit(X, y, epochs=3)
    np.testing.assert_array_equal(net.parameters[0][0], same.parameters[0][0])
    with pytest.raises(ValueError, match="metric 'one' failed: TypeError"):
        net.evaluate(X, y, metrics={"one": lambda y_true: 0.0})
    with pytest.raises(ValueError, match="metric 'words' failed: "):
        net.evaluate(X, y, metrics={"words": lambda y_true, y_pred: "many"})


def test_functions_are_called_once_per_epoch(X):
    """And not before the first one, as names are."""
    y, calls = np.arange(M) % 3, []

    def scores(y_true, y_score):
        calls.append("scores")
        return 0.0

    def outputs(y_true, outputs):
        calls.append("outputs")
        return 0.0

    def counted(y_true, y_pred):
        calls.append("scorer")
        return 0.0

    metrics = {"a": scores, "b": outputs, "c": sk.make_scorer(counted)}
    network(3, "softmax").fit(X, y, epochs=2, validation_data=(X, y), metrics=metrics)
    assert calls == ["scores", "outputs", "scorer"] * 2


def test_an_undefined_metric_is_nan_and_warned_of_once(X):
    y = np.zeros(M, dtype=int)
    calls = []

    def own(y_true, y_pred):
        calls.append(1)
        return math.nan

    net = network(1, "sigmoid")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(
            *(X, np.arange(M) % 2), epochs=3, validation_data=(X, y), metrics=["roc_auc", "precision", own]
        )
    assert len(calls) == history.epochs == 3
    assert all(math.isnan(value) for value in history.val_metrics["roc_auc"] + history.val_metrics["own"])
    said = [str(warning.message) for warning in caught]
    assert [one.split(":")[0] for one in said] == ["metric 'roc_auc'", "metric 'own'"]
    assert "Only one class" in said[0]
    assert said[-1] == "metric 'own': its value is not a number"
    assert {warning.category for warning in caught} == {gn.UndefinedMetric}
    assert {warning.filename for warning in caught} == {__file__}


def test_warnings_of_a_function_are_its_own(X):
    def noisy(y_true, y_pred):
        warnings.warn("mine", DeprecationWarning, stacklevel=1)
        return 1.0

    net = network(3, "softmax", inputs=N)
    with pytest.warns(DeprecationWarning, match="mine"):
        net.evaluate(X, np.arange(M) % 3, metrics=noisy)


def test_many_examples_in_chunks(monkeypatch, X):
    """Outputs are put together in their order."""
    monkeypatch.setattr("gpunet.training.evaluation.CHUNK", 7)
    y = np.arange(M) % 3
    net = network(3, "softmax")
    net.fit(X, y, epochs=1)
    found = net.evaluate(X, y, metrics=["f1_macro"])["f1_macro"]
    assert found == sk.f1_score(y, net.predict(X).argmax(axis=1), average="macro")


def test_softmax_in_float32_is_divided_by_its_sum():
    A = np.array([[0.3, 0.3, 0.3], [0.2, 0.2, 0.7]], dtype="float32")
    Y = np.eye(3)[:2]
    given = results_of(Y, A, "classes", "softmax", None)
    np.testing.assert_allclose(given.probabilities, [[1 / 3] * 3, [2 / 11, 2 / 11, 7 / 11]], rtol=1e-6)
    assert given.probabilities.dtype == np.float64
    np.testing.assert_array_equal(given.outputs, A)
    other = results_of(Y, A, "classes", "sigmoid", None)
    np.testing.assert_array_equal(other.probabilities, A.astype(float))


def test_results_of_one_output_and_of_values():
    P = np.array([[0.25], [0.75]], dtype="float32")
    given = results_of(np.array([[0.0], [1.0]]), P, "labels", "sigmoid", None)
    np.testing.assert_array_equal(given.probabilities, [[0.75, 0.25], [0.25, 0.75]])
    assert given.kind == "classes"
    values = results_of(P, 2 * P, "values", "identity", lambda rows: 10 * rows)
    assert values.y_true.dtype == values.y_pred.dtype == np.float64
    assert values.y_true.tolist() == [2.5, 7.5]
    assert values.y_pred.tolist() == [5.0, 15.0]
    assert values.outputs.tolist() == [[5.0], [15.0]]
    assert values.score is None
    two = results_of(np.ones((3, 2)), np.ones((3, 2)), "values", "identity", lambda rows: rows)
    assert two.y_true.shape == two.outputs.shape == (3, 2)


def test_soft_targets_count_as_the_nearer_side():
    given = results_of(
        np.array([[0.6], [0.5], [0.2]]), np.array([[0.5], [0.7], [0.4]]), "labels", "sigmoid", None
    )
    assert given.y_true.tolist() == [1, 0, 0]
    assert given.y_pred.tolist() == [0, 1, 0]
    np.testing.assert_allclose(given.score, [0.5, 0.7, 0.4])


def test_the_line_of_an_epoch_shows_them(X, capsys):
    y = np.arange(M) % 3
    history = network(3, "softmax").fit(
        X, y, epochs=1, validation_data=(X, y), metrics=["f1_macro", "roc_auc_ovr"], progress=True
    )
    f1, auc = (history.val_metrics[name][0] for name in ("f1_macro", "roc_auc_ovr"))
    assert f"f1_macro {f1:.3f}, roc_auc_ovr {auc:.3f}\n" in capsys.readouterr().err
    assert f"{f1:.4g}" in history._repr_html_()
    assert "validation f1_macro" in history._repr_html_()
    assert list(history.figures) == [
        *("loss", "val_loss", "val_accuracy", "val_f1_macro", "val_roc_auc_ovr", "learning_rate", "seconds")
    ]
