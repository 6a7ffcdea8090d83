"""Metrics that are functions: what they get, how often they are called, and what they raise."""

import functools
import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as sk

import gpunet as gn
from validation_metrics import M, N, network


@pytest.fixture
def X(rng):
    return rng.normal(size=(M, N)).astype("float32")


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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_may_write_into_what_it_gets(dtype, rng):
    """Neither the data nor what the network is measured with later may change."""
    X, y = rng.normal(size=(M, N)), rng.normal(size=M)
    kept = y.copy()

    def relative(y_true, y_pred):
        y_true[np.abs(y_true) < 0.5] = 0.5
        y_pred -= y_true
        return np.abs(y_pred / y_true).mean()

    net = gn.Network([gn.Dense(1)], inputs=N, seed=0, backend="numpy", dtype=dtype)
    first, again = (net.evaluate(X, y, metrics=relative) for _ in range(2))
    assert first == again
    history = net.fit(X, y, epochs=3, validation_data=(X, y), metrics=relative)
    plain = gn.Network([gn.Dense(1)], inputs=N, seed=0, backend="numpy", dtype=dtype)
    assert plain.fit(X, y, epochs=3, validation_data=(X, y)).val_loss == history.val_loss
    assert np.array_equal(y, kept)
