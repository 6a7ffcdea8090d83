"""Weights of examples: those given for each one, and those of its class."""

from collections import UserDict
from types import MappingProxyType

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.example_weights import by_class, class_weights, sample_weights


def place(backend):
    return Placement(backend, backend.devices()[0])


def test_weights_of_examples_are_one_row(backend):
    for given in ([1, 0, 2.5], np.array([1, 0, 2.5]), np.array([1, 0, 2.5], dtype="float32")):
        found = sample_weights("w", given, 3, place(backend), "float32")
        assert backend.to_host(found).tolist() == [[1.0, 0.0, 2.5]]
        assert backend.to_host(found).dtype == np.float32
    assert sample_weights("w", None, 3, place(backend), "float32") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1, 2], r"w must have shape \(3,\), one for each example; got \(2,\)"),
        ([[1, 2, 3]], r"got \(1, 3\)"),
        ([1, -1e-3, 1], "w is negative in row 1"),
        ([1, 1, float("inf")], "row 2"),
    ],
)
def test_wrong_weights_of_examples(backend, given, said):
    with pytest.raises(ValueError, match=said):
        sample_weights("w", given, 3, place(backend), "float32")


@pytest.mark.parametrize("given", [[0.5, 1, 3], (0.5, 1, 3), np.array([0.5, 1, 3]), {0: 0.5, 2: 3}])
def test_weights_of_classes(backend, given):
    Y = place(backend).to_device(np.eye(3, dtype="float32")[:, [2, 0, 1, 2]])
    found = class_weights(given, Y, "classes", place(backend), "float32")
    assert backend.to_host(found).tolist() == [[3.0, 0.5, 1.0, 3.0]]


def test_weights_of_the_two_classes_of_one_output(backend):
    Y = place(backend).to_device(np.array([[0.0, 1.0, 0.25]], dtype="float32"))
    for given in ([2, 4], {0: 2, 1: 4}):
        found = class_weights(given, Y, "labels", place(backend), "float32")
        assert backend.to_host(found).tolist() == [[2.0, 4.0, 2.5]]
    found = class_weights({1: 4}, Y, "labels", place(backend), "float32")
    assert backend.to_host(found).tolist() == [[1.0, 4.0, 1.75]]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ([1, 2], ValueError, "list of 3 weights; got 2"),
        ({3: 1}, ValueError, "names class 3; classes are 0 to 2"),
        ({-1: 1}, ValueError, "names class -1"),
        ({0: -1e-3}, ValueError, "not negative"),
        ({0: float("nan")}, ValueError, "finite"),
        ({0: "heavy"}, TypeError, "heavy"),
        ({0: [1, 2]}, TypeError, "dict"),
        (3, TypeError, "got 3"),
        ("heavy", TypeError, "'balanced', a dict .*; got 'heavy'"),
    ],
)
def test_wrong_weights_of_classes(given, error, said):
    numpy = place(gn.get_backend("numpy"))
    with pytest.raises(error, match=said):
        class_weights(given, np.eye(3), "classes", numpy, "float32")


@pytest.mark.parametrize(("kind", "outputs"), [("values", 1), ("values", 3), ("labels", 2)])
def test_targets_without_classes(kind, outputs):
    numpy = place(gn.get_backend("numpy"))
    with pytest.raises(ValueError, match="use sample_weight"):
        class_weights([1] * outputs, np.ones((outputs, 2)), kind, numpy, "float32")


def test_a_weight_of_zero_is_no_error():
    numpy = place(gn.get_backend("numpy"))
    assert class_weights([0, 1], np.array([[0.0, 1.0]]), "labels", numpy, "float64").tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("labels", [[2, 0, 0, 1, 0, 2, 0], [1, 3, 3, 3, 1], [1, 1]])
@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_classes_are_those_of_sklearn(backend, labels, weighted):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    labels = np.array(labels)
    mine = np.linspace(0.5, 2.0, len(labels)) if weighted else None
    present = np.unique(labels)
    expected = np.ones(4)
    expected[present] = compute("balanced", classes=present, y=labels, sample_weight=mine)
    where = place(backend)
    Y = where.to_device(np.eye(4, dtype="float32")[:, labels])
    sample = sample_weights("w", mine, len(labels), where, "float32")
    found = class_weights("balanced", Y, "classes", where, "float32", sample)
    assert found.shape == (1, len(labels))
    np.testing.assert_allclose(backend.to_host(found)[0], expected[labels], rtol=1e-6)


@pytest.mark.parametrize("labels", [[0, 1, 0, 0, 0, 1, 0], [1, 1, 1], [0, 0]])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_two_balanced_classes_of_one_output(backend, labels, weighted):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    labels = np.array(labels)
    mine = np.linspace(0.5, 2.0, len(labels)) if weighted else None
    present = np.unique(labels)
    expected = np.ones(2)
    expected[present] = compute("balanced", classes=present, y=labels, sample_weight=mine)
    where = place(backend)
    Y = where.to_device(labels[None, :].astype("float32"))
    sample = sample_weights("w", mine, len(labels), where, "float32")
    found = class_weights("balanced", Y, "labels", where, "float32", sample)
    np.testing.assert_allclose(backend.to_host(found)[0], expected[labels], rtol=1e-6)


def test_two_outputs_are_two_classes():
    numpy = place(gn.get_backend("numpy"))
    found = class_weights("balanced", np.eye(2)[:, [0, 1, 1, 1]], "classes", numpy, "float64")
    np.testing.assert_allclose(found, [[2.0, 2 / 3, 2 / 3, 2 / 3]])


@pytest.mark.parametrize("outputs", [1, 3])
def test_counts_are_exact_where_float32_is_not(outputs):
    """A sum of ones stops at 2²⁴ in float32."""
    numpy = place(gn.get_backend("numpy"))
    labels, sample = np.array([0, 0, 0, 1, 1]), np.array([[2.0**24, 1.0, 1.0, 2.0**24, 1.0]], dtype="float32")
    Y = labels[None, :] if outputs == 1 else np.eye(3)[:, labels]
    found = class_weights(
        "balanced", Y.astype("float32"), "labels" if outputs == 1 else "classes", numpy, "float64", sample
    )
    counts = np.array([2**24 + 2, 2**24 + 1])
    np.testing.assert_allclose(found[0], (counts.sum() / (2 * counts))[labels], rtol=1e-12)


def test_a_class_whose_examples_weigh_nothing_is_none():
    numpy = place(gn.get_backend("numpy"))
    Y, sample = np.eye(3)[:, [0, 1, 1, 2]], np.array([[1.0, 3.0, 0.0, 0.0]])
    found = class_weights("balanced", Y, "classes", numpy, "float64", sample)
    assert found.tolist() == [[4 / 2, 4 / 6, 4 / 6, 1.0]]


def test_weights_that_name_their_classes():
    """A mapping that is no dict, and a Series, whose weights stand in the order of its index."""
    pandas = pytest.importorskip("pandas")
    y = np.array([1] * 6 + [2] * 3 + [0])
    wanted = {0: 10.0, 1: 10 / 6, 2: 10 / 3}
    series = 1 / pandas.Series(y).value_counts(normalize=True)
    assert series.index.tolist() == [1, 2, 0]
    X = np.random.default_rng(0).normal(size=(10, 2))
    found = []
    for given in (wanted, MappingProxyType(wanted), UserDict(wanted), series):
        net = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
        found.append(net.fit(X, y, epochs=2, batch_size=3, class_weight=given).loss)
    assert found == [found[0]] * 4
    named = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
    words = np.array(["low", "middle", "high"])[y]
    by_name = pandas.Series({"high": 10 / 3, "middle": 10 / 6, "low": 10.0})
    twin = gn.Network([gn.Dense(3, "softmax")], seed=0, backend="numpy")
    given = {"epochs": 2, "batch_size": 3}
    assert (
        named.fit(X, words, class_weight=by_name, **given).loss
        == twin.fit(X, words, class_weight=by_name.to_dict(), **given).loss
    )


def test_weights_in_the_order_of_the_classes_stay_as_they_are():
    for given in (None, "balanced", [1.0, 2.0], np.array([1.0, 2.0]), {0: 1.0}):
        assert by_class(given) is given or by_class(given) == given
    polars = pytest.importorskip("polars")
    series = polars.Series([1.0, 2.0])
    assert by_class(series) is series
