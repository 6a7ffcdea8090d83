"""The digits of scikit-learn, the split and the Dataset value."""

import re
import sys

import numpy as np
import pytest

from gpunet.datasets import Dataset, digits
from gpunet.datasets.dataset import image_rows
from gpunet.datasets.split import hold_out
from gpunet.installation import install_command


def test_digits():
    sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    X, y, X_test, y_test = digits()
    assert (X.shape[1], X.dtype, y.dtype) == (64, np.float32, np.int64)
    assert (X.min(), X.max()) == (0, 1)
    assert len(X_test) == round(0.2 * 1797)
    # Each example once, with its own label.
    pixels, labels = sklearn_datasets.load_digits(return_X_y=True)
    original = np.column_stack([pixels, labels])
    found = np.column_stack([np.vstack([X, X_test]) * 16, np.concatenate([y, y_test])])
    np.testing.assert_array_equal(*(np.array(sorted(map(tuple, a))) for a in (original, found)))
    fraction = np.bincount(y_test) / np.bincount(labels)
    np.testing.assert_allclose(fraction, 0.2, atol=1 / 174)


def test_digits_by_seed():
    pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    a, b, c = digits(seed=1), digits(seed=1), digits(seed=2)
    np.testing.assert_array_equal(a.X, b.X)
    assert not np.array_equal(a.y_test, c.y_test)
    assert "1438 training and 359 test examples of 64 features (8 x 8 images)" in repr(a)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=re.escape(install_command("digits"))):
        digits()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fraction_out_of_range(fraction):
    with pytest.raises(ValueError, match="greater than 0 and less than 1"):
        hold_out(np.arange(10), fraction, 0)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("fraction", [0.3, 0.5])
def test_split_takes_each_row_once(count, fraction):
    y = np.arange(count)[:, None].astype(np.float32)
    if round(count * fraction) in (0, count) and count < 2:
        with pytest.raises(ValueError, match="give more examples"):
            hold_out(y, fraction, 0)
        return
    train, test = hold_out(y, fraction, 0)
    assert sorted([*train, *test]) == list(range(count))
    assert abs(len(test) - count * fraction) <= 0.5


def test_split_is_stratified_and_shuffled():
    y = np.repeat([0, 1, 2], [100, 50, 10])
    train, test = hold_out(y, 0.2, 0)
    assert np.bincount(y[test]).tolist() == [20, 10, 2]
    assert np.any(np.diff(y[train]) < 0), "training rows are sorted by class"
    assert np.any(np.diff(y[test]) < 0)


def test_image_rows_are_row_major_with_channels_innermost():
    """C1: w x l x b numbers per row."""
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    rows = image_rows(images)
    assert rows.shape == (2, 60)
    assert rows[1, (2 * 4 + 3) * 5 + 1] == images[1, 2, 3, 1]
    np.testing.assert_array_equal(image_rows(np.array([[[0, 51, 255]]], np.uint8)), np.float32([[0, 0.2, 1]]))


def test_dataset_checks_itself():
    X, y = np.zeros((4, 2)), np.zeros(4)
    good = Dataset(X, y, X, y, "toy")
    assert [a is b for a, b in zip(good, (X, y, X, y), strict=True)] == [True] * 4
    for wrong, message in [
        ((X, y[:3], X, y), "one row per example"),
        ((X, y, X, y[:3]), "one row per example"),
        ((X[0], y, X, y), "flatten"),
        ((X, y, X[:0], y[:0]), "no examples"),
        ((X, y, X[:, :1], y), "same columns"),
        ((X, y, X, np.zeros((4, 3))), "same columns"),
    ]:
        with pytest.raises(ValueError, match=message):
            Dataset(*wrong, "toy")
