"""What ``fit`` is given, as columns: the split, the batch size, and the standardizer."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.fit_data import FitArrays, fit_data
from gpunet.inputs.pipeline import InputPipeline

M = 20


@pytest.fixture
def arrays():
    """Row i holds i, and its target and weight tell which one it is."""
    X = np.arange(M, dtype="float32")[:, None] + [[0.0, 100.0]]
    return X, np.arange(M) % 2, np.arange(M) + 1.0


def prepared(backend, arrays, batch_size=None, seed=0, standardizer=None, **more):
    X, y, weights = arrays
    placement = Placement(backend, backend.devices()[0])
    pipeline = InputPipeline(
        placement, "float32", None, gn.Dense(2, "softmax"), "cross_entropy", standardizer
    )
    given = {"class_weight": None, "validation_data": None, "validation_fraction": 0.0} | more
    return fit_data(pipeline, FitArrays(X, y, weights, **given), batch_size, seed)


def host(backend, examples):
    return [None if a is None else np.asarray(backend.to_host(a)) for a in examples]


def test_columns(backend, arrays):
    data = prepared(backend, arrays)
    X, Y, weights = host(backend, data.training)
    assert np.array_equal(X, arrays[0].T)
    assert np.array_equal(Y, np.eye(2)[:, arrays[1]])
    assert np.array_equal(weights, arrays[2][None, :])
    assert (data.validation, data.kind, data.batch_size, data.standardizer) == (None, "classes", M, None)


@pytest.mark.parametrize("fraction", [0.05, 0.25, 0.5, 0.9])
def test_a_fraction_held_out(backend, arrays, fraction):
    """Every example is in one of the parts, with its target and weight, in the order of the rows."""
    data = prepared(backend, arrays, validation_fraction=fraction)
    training, validation = host(backend, data.training), host(backend, data.validation)
    assert validation[0].shape[1] == round(fraction * M)
    seen = np.concatenate([training[0][0], validation[0][0]])
    assert sorted(seen) == list(range(M))
    for X, Y, weights in (training, validation):
        rows = X[0].astype(int)
        assert np.array_equal(rows, np.sort(rows))
        assert np.array_equal(X[1], X[0] + 100)
        assert np.array_equal(Y.argmax(axis=0), rows % 2)
        assert np.array_equal(weights[0], rows + 1)
    again = prepared(backend, arrays, validation_fraction=fraction)
    assert np.array_equal(host(backend, again.validation)[0], validation[0])


def test_the_split_depends_on_the_seed_and_is_not_the_order_of_training(arrays):
    numpy = gn.get_backend("numpy")
    held = [
        tuple(prepared(numpy, arrays, seed=seed, validation_fraction=0.5).validation.X[0])
        for seed in range(5)
    ]
    assert len(set(held)) == 5
    first = np.sort(np.random.default_rng([0, 0]).permutation(M)[: M // 2])
    assert not np.array_equal(held[0], first)


@pytest.mark.parametrize("fraction", [0.02, 0.98, 1.0, -0.1, 0.0249])
def test_fractions_that_leave_nothing(arrays, fraction):
    with pytest.raises(ValueError, match=r"validation_fraction"):
        prepared(gn.get_backend("numpy"), arrays, validation_fraction=fraction)


@pytest.mark.parametrize(
    ("given", "size"), [("auto", 20), (None, 20), (1, 1), (7, 7), (20, 20), (np.int64(3), 3)]
)
def test_batch_sizes(arrays, given, size):
    found = prepared(gn.get_backend("numpy"), arrays, given).batch_size
    assert found == size
    assert type(found) is int


def test_auto_is_32():
    X = np.zeros((33, 2))
    assert prepared(gn.get_backend("numpy"), (X, np.zeros(33, int), None), "auto").batch_size == 32


@pytest.mark.parametrize("given", [21, 0, -1])
def test_batch_sizes_out_of_range(arrays, given):
    with pytest.raises(ValueError, match="batch_size"):
        prepared(gn.get_backend("numpy"), arrays, given)


def test_the_standardizer_is_fitted_to_the_training_part(backend, arrays):
    mine = gn.Standardizer()
    data = prepared(backend, arrays, standardizer=mine, validation_fraction=0.25)
    plain = prepared(backend, arrays, validation_fraction=0.25)
    assert not mine.fitted
    raw, _, _ = host(backend, plain.training)
    mean, deviation = raw.mean(axis=1, keepdims=True), raw.std(axis=1, keepdims=True)
    for part, before in ((data.training, plain.training), (data.validation, plain.validation)):
        found, wanted = host(backend, part)[0], (host(backend, before)[0] - mean) / deviation
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.standardizer.mean, mean[:, 0], rtol=1e-5)
    # A fitted one is used as it is, by training and validation data.
    later = prepared(backend, arrays, standardizer=data.standardizer, validation_data=(arrays[0], arrays[1]))
    assert later.standardizer is data.standardizer
    for part in (later.training, later.validation):
        np.testing.assert_allclose(
            host(backend, part)[0], (arrays[0].T - mean) / deviation, rtol=1e-4, atol=1e-5
        )


def test_class_weights_are_for_training_alone(backend, arrays):
    data = prepared(backend, arrays, class_weight={1: 10.0}, validation_fraction=0.5)
    for part, factor in ((data.training, 10.0), (data.validation, 1.0)):
        X, _, weights = host(backend, part)
        rows = X[0].astype(int)
        np.testing.assert_allclose(weights[0], (rows + 1) * np.where(rows % 2, factor, 1.0), rtol=1e-6)


def test_validation_data_have_the_features_of_the_training_data(arrays):
    X, y, _ = arrays
    with pytest.raises(ValueError, match=r"validation X has 1 features .* takes 2"):
        prepared(gn.get_backend("numpy"), arrays, validation_data=(X[:, :1], y))
    given = [X[:4], y[:4], np.ones(4)]
    data = prepared(gn.get_backend("numpy"), arrays, validation_data=given)
    assert data.validation.X.shape == (2, 4)
    assert data.validation.weights.tolist() == [[1.0] * 4]
    with pytest.raises(ValueError, match="validation sample_weight"):
        prepared(gn.get_backend("numpy"), arrays, validation_data=(X, y, np.ones(3)))


def test_names_of_the_arrays(arrays):
    X, y, weights = arrays
    assert FitArrays(X, y, None, None, None, 0.0).by_name().keys() == {"X", "y", "sample_weight"}
    named = FitArrays(X, y, weights, None, (X, y, weights), 0.0).by_name()
    assert list(named) == [
        "X",
        "y",
        "sample_weight",
        "validation X",
        "validation y",
        "validation sample_weight",
    ]
    assert named["validation sample_weight"] is weights
    for wrong in (X, (X,), (X, y, weights, 3), {"X": X, "y": y}):
        with pytest.raises(ValueError, match="must be a pair"):
            FitArrays(X, y, None, None, wrong, 0.0).by_name()
    with pytest.raises(ValueError, match="not both"):
        FitArrays(X, y, None, None, (X, y), 0.1).by_name()
