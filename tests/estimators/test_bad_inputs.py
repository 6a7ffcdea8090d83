"""Inputs and weights that cannot be used: what scikit-learn says of them, and in every library alike."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import gpunet as gn
from estimator_data import BEFORE_1_9, FAST, PAIRS, ROWS, rows, target
from gpunet.estimators import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X = rows()


@pytest.mark.parametrize("name", PAIRS)
def test_targets_beside_rows_of_another_library_are_checked(name, there):
    """As beside NumPy's, in the same words."""
    ours, _ = PAIRS[name]
    y = target("binary", X).astype(float)
    for bad in (None, y[:-1], np.where(y > 0, np.nan, y), np.where(y > 0, np.inf, y)):
        messages = []
        for features in (X, there):
            with pytest.raises(ValueError) as error:
                ours(**FAST).fit(features, bad)
            messages.append(str(error.value).splitlines()[0])
        assert messages[0] == messages[1]
    column, flat = (ours(**FAST) for _ in range(2))
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        column.fit(there, y[:, None])
    library = gn.get_backend("readonly")
    assert_array_equal(library.to_host(column.coefs_[0]), library.to_host(flat.fit(there, y).coefs_[0]))


def test_rows_of_another_library_that_are_not_finite(there):
    library = gn.get_backend("readonly")
    bad = np.array(X)
    bad[7, 2] = np.nan
    model = MLPRegressor(**FAST)
    with pytest.raises(ValueError, match=r"^X holds NaN.*first in row 7"):
        model.fit(library.from_host(bad, "cpu"), target("value", X))
    model.fit(there, target("value", X))
    with pytest.raises(ValueError, match=r"^X holds NaN.*first in row 7"):
        model.predict(library.from_host(bad, "cpu"))


def test_numbers_as_objects_beside_rows_of_another_library(there):
    library, y = gn.get_backend("readonly"), target("value", X)
    a, b = (MLPRegressor(**FAST).fit(there, given) for given in (y.astype(object), y))
    assert_array_equal(library.to_host(a.coefs_[0]), library.to_host(b.coefs_[0]))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones((ROWS, 2)), f"must be 1D array or scalar, got 2D array.*1D array of length {ROWS}"),
        (np.ones(ROWS - 1), rf"sample_weight.shape == \({ROWS - 1},\), expected \({ROWS},\)!"),
        (np.zeros(ROWS), "at least one non-zero number"),
        (0.0, "at least one non-zero number"),
        (np.full(ROWS, np.nan), "Input sample_weight contains NaN"),
    ],
    ids=["2d", "short", "zero", "number", "nan"],
)
@pytest.mark.parametrize("name", PAIRS)
def test_what_messages_say_of_weights(name, weights, words):
    with pytest.raises(ValueError, match=words):
        PAIRS[name][0](**FAST).fit(X, target("binary", X), weights)


class Unknown:
    """An array of a library that no backend is for."""

    def __init__(self, array):
        self.array = array

    def __array_namespace__(self):
        return np

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_of_a_library_that_has_no_backend():
    """They come through DLPack, and are NumPy's from there on."""
    y, weights = target("binary", X), np.linspace(0.5, 2.0, ROWS)
    model = MLPClassifier(**FAST).fit(Unknown(X), Unknown(y), Unknown(weights))
    expected = MLPClassifier(**FAST).fit(X, y, weights)
    assert_array_equal(model.coefs_[0], expected.coefs_[0])
    assert_array_equal(model.predict(Unknown(X)), expected.predict(X))
    assert model.score(Unknown(X), Unknown(y), Unknown(weights)) == expected.score(X, y, weights)


@pytest.mark.skipif(BEFORE_1_9, reason="the messages are scikit-learn 1.9's")
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "weights",
    [np.ones((ROWS, 2)), np.ones(ROWS - 1), np.zeros(ROWS), np.full(ROWS, np.nan)],
    ids=["2d", "short", "zero", "nan"],
)
def test_bad_weights(name, weights):
    """As scikit-learn says it."""
    messages = []
    for one in PAIRS[name]:
        with pytest.raises(ValueError) as error:
            one(**FAST).fit(X, target("binary", X), weights)
        messages.append(str(error.value).replace(type(one()).__name__, ""))
    assert messages[0].splitlines()[0] == messages[1].splitlines()[0]


@pytest.mark.parametrize("name", PAIRS)
def test_bad_inputs_are_refused_as_by_scikit_learn(name):
    y = target("binary", X)
    bad = [
        (X[:3], y), (X[:, 0], y), (np.where(X > 1, np.inf, X), y), (X * 1j, y), (X, None), (X[:0], y[:0]),
        (X, np.full(ROWS, np.nan)),
    ]  # fmt: skip
    for features, targets in bad:
        messages = []
        for one in PAIRS[name]:
            with pytest.raises(ValueError) as error:
                one(**FAST).fit(features, targets)
            messages.append(str(error.value).splitlines()[0])
        assert messages[0] == messages[1]
    model = PAIRS[name][0](**FAST).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 3 features, but MLP.* is expecting 7 features as input"):
        model.predict(X[:, :3])


def test_a_column_of_targets_is_flattened_with_a_warning():
    y = target("value", X)
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        model = MLPRegressor(**FAST).fit(X, y[:, None])
    assert model.predict(X).shape == (ROWS,)


def test_negative_counts():
    with pytest.raises(ValueError, match="loss='poisson' needs y of at least 0"):
        MLPRegressor(loss="poisson").fit(X, target("value", X))


def test_dtypes():
    y = target("value", X)
    for given, dtype, expected in (
        ("float64", None, "float64"), ("float32", None, "float32"), ("int64", None, "float64"),
        ("float16", None, "float64"),
        ("float64", "float32", "float32"), ("float32", np.float64, "float64"),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = MLPRegressor(**FAST, dtype=dtype).fit((10 * X).astype(given), y)
        assert model.coefs_[0].dtype == model.predict(X).dtype == expected
