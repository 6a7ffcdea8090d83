"""Metrics on validation data: against scikit-learn's functions, called on what the network predicts."""

import numpy as np
import pytest
import sklearn.metrics as sk

import gpunet as gn
from gpunet.training.metrics import rescaled
from gpunet.training.results import Results, results_of
from validation_metrics import M, N, fitted, network


@pytest.fixture
def X(rng):
    return rng.normal(size=(M, N)).astype("float32")


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


def test_loss_and_accuracy_need_no_sklearn(X, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    y = np.arange(M) % 3
    assert fitted(network(3, "softmax"), X, y, ["accuracy", "loss"]) == {}
    with pytest.raises(ImportError, match=r"metrics by name .* not installed; install it with: pip install"):
        network(3, "softmax").fit(X, y, validation_fraction=0.2, metrics="f1_macro")


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
