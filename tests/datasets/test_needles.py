"""The lecture's generated images (C2, C3, C4)."""

import importlib
import re

import numpy as np
import pytest

from gpunet.datasets import needles

KINDS = ("one", "several", "one_of_three")
needle_images = importlib.import_module("gpunet.datasets.needles").needle_images


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_types(kind):
    data = needles(kind, examples=50, test_examples=20, size=(12, 18))
    assert (data.X.shape, data.X_test.shape) == ((50, 216), (20, 216))
    assert data.X.dtype == np.float32
    assert 0 <= data.X.min() < data.X.max() <= 1
    assert data.image_shape == (12, 18)
    if kind == "several":
        assert (data.y.shape, data.y.dtype) == ((50, 3), np.float32)
        assert set(data.y.ravel()) == {0, 1}
    else:
        assert (data.y.shape, data.y.dtype) == ((50,), np.int64)
        assert set(data.y) == set(range(2 if kind == "one" else 3))
    assert len(data.class_names) == (2 if kind == "one" else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds(kind):
    data, same, other = (needles(kind, examples=30, test_examples=30, seed=s) for s in (1, 1, 2))
    for a, b in zip(data, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(data.X, other.X)
    assert not np.array_equal(data.X, data.X_test)


def test_the_number_of_training_images_does_not_change_the_test_set():
    few, many = needles(examples=10, test_examples=20), needles(examples=40, test_examples=20)
    np.testing.assert_array_equal(few.X_test, many.X_test)
    np.testing.assert_array_equal(few.y_test, many.y_test)


def test_classes_are_balanced():
    assert needles("one").y.mean() == pytest.approx(0.5, abs=0.03)
    several = needles("several").y
    np.testing.assert_allclose(several.mean(axis=0), 0.5, atol=0.03)
    # C3: independent of each other.
    assert np.abs(np.corrcoef(several.T) - np.eye(3)).max() < 0.05
    np.testing.assert_allclose(np.bincount(needles("one_of_three").y) / 5000, 1 / 3, atol=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_without_straws_and_noise_only_needles_are_drawn(kind):
    X, y, _, _ = needles(kind, examples=100, straws=0, noise=0)
    expected = {"one": y[:, None] == [1, -1, -1], "one_of_three": y[:, None] == [0, 1, 2]}.get(kind, y)
    shapes = needle_images() > 0.99  # pixels on the needles
    for shape, present in zip(shapes, np.asarray(expected, bool).T, strict=True):
        drawn = X[:, shape].min(axis=1) >= 0.69
        np.testing.assert_array_equal(drawn, present)
    empty = ~np.asarray(expected, bool).any(axis=1)
    assert not X[empty].any()


def test_needles_are_inside_the_image_and_do_not_overlap():
    images = needle_images((16, 16)).reshape(3, 16, 16)
    for image in images:
        assert image.sum() > 5
        assert not image[[0, -1]].any()
        assert not image[:, [0, -1]].any()
    assert (images > 0).sum(axis=0).max() == 1
    upright, flat, slanting = images > 0.99
    assert upright.any(axis=1).sum() > 2 * upright.any(axis=0).sum()
    assert flat.any(axis=0).sum() > 2 * flat.any(axis=1).sum()
    rows, columns = np.nonzero(slanting)
    assert np.corrcoef(rows, columns)[0, 1] < -0.9  # upwards to the right


def test_the_weights_of_one_neuron_become_the_needle():
    """C2; and the task is not trivial."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn")
    X, y, X_test, y_test = needles()
    neuron = linear_model.LogisticRegression(max_iter=1000).fit(X, y)
    assert 0.95 <= neuron.score(X_test, y_test) < 1
    assert np.corrcoef(neuron.coef_[0], needle_images()[0])[0, 1] > 0.7


def test_the_weights_of_three_neurons_become_three_needles():
    """C3 and C4: each output detects its own needle."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn")
    several, one_of_three = needles("several"), needles("one_of_three")
    for k, needle in enumerate(needle_images()):
        neuron = linear_model.LogisticRegression(max_iter=1000).fit(several.X, several.y[:, k])
        assert neuron.score(several.X_test, several.y_test[:, k]) >= 0.95
        assert np.corrcoef(neuron.coef_[0], needle)[0, 1] > 0.7
    softmax = linear_model.LogisticRegression(max_iter=1000).fit(one_of_three.X, one_of_three.y)
    assert softmax.score(one_of_three.X_test, one_of_three.y_test) >= 0.95


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "severl"}, "did you mean 'several'"),
        ({"kind": None}, "kind must be one of"),
        ({"examples": 0}, "at least 1"),
        ({"test_examples": 0}, "at least 1"),
        ({"size": (16, 7)}, "8 pixels or more"),
        ({"size": (16,)}, "height, width"),
        ({"noise": -0.1}, "noise must be a finite number at least 0, got -0.1"),
        ({"noise": float("nan")}, "noise must be a finite number at least 0, got nan"),
        ({"straws": -1}, "straws must be at least 0, got -1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        needles(**wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"examples": 2.5}, "examples must be a whole number, got 2.5"),
        ({"test_examples": "9"}, "test_examples must be a whole number, got '9'"),
        ({"straws": None}, "straws must be a whole number, got None"),
        ({"seed": "a"}, "seed must be a whole number, got 'a'"),
        ({"noise": "0.1"}, "noise must be a number, got '0.1'"),
        ({"size": (16, 16.5)}, "size must be a whole number, got 16.5"),
    ],
)
def test_wrong_types(options, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        needles(**options)


def test_a_size_that_is_no_pair():
    with pytest.raises(ValueError, match=r"size must be \(height, width\)"):
        needles(size=16)
    with pytest.raises(ValueError, match=r"kind must be one of one, several, one_of_three, got \['one'\]"):
        needles(["one"])
