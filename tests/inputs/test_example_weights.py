"""Weights of examples: those given for each one, and those of its class."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.example_weights import class_weights, sample_weights


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
        ("balanced", TypeError, "'balanced'"),
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
