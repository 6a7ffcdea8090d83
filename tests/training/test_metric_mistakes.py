"""Metrics by name: which direction is better, and those that a network or its data can't have."""

import numpy as np
import pytest
import sklearn.metrics as sk

import gpunet as gn
from gpunet.training.metrics import Metrics
from gpunet.training.scorers import names_for_values
from validation_metrics import M, N, fitted, network


@pytest.fixture
def X(rng):
    return rng.normal(size=(M, N)).astype("float32")


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


def test_the_name_of_a_metric_is_a_text(X):
    with pytest.raises(TypeError, match=r"^the name of a metric must be a str, got 1$"):
        network(3, "softmax").evaluate(X, np.arange(M) % 3, metrics={1: sk.f1_score})


@pytest.mark.parametrize(
    ("name", "meant"), [("acc", "accuracy"), ("MSE", "mean_squared_error"), ("auc", "roc_auc")]
)
def test_short_names_of_metrics(X, name, meant):
    with pytest.raises(ValueError, match=rf"unknown metric '{name}'\. Did you mean '{meant}'\?"):
        network(3, "softmax").evaluate(X, np.arange(M) % 3, metrics=name)
