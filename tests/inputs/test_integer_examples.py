"""Integers as examples on a device: the numbers, means and deviations of the cast rows, on every library."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.fit_data import FitArrays, fit_data
from gpunet.inputs.integer_examples import IntegerExamples, is_small_integers, keeps_integers
from gpunet.inputs.pipeline import InputPipeline
from integer_inputs import drawn_rows

M, N = 50, 7


@pytest.fixture
def placement(backend):
    return Placement(backend, backend.devices()[0])


def on_host(placement, array):
    return np.asarray(placement.backend.to_host(array))


def same(placement, found, wanted):
    """XLA's division is not always the nearest number."""
    near = 1e-6 if placement.backend.name == "jax" else 0.0
    return np.allclose(on_host(placement, found), wanted, rtol=near, atol=0.0)


def test_numbers_are_those_of_the_cast_rows(placement):
    rows = drawn_rows(M, N, "uint8")
    standardizer = gn.Standardizer()
    standardizer.mean, standardizer.deviation = rows.mean(axis=0), rows.std(axis=0) + 0.1
    order = placement.to_device(np.array([5, 0, 49, 7], dtype="int32"))
    for given in (None, gn.Standardizer(), standardizer):
        X = IntegerExamples(placement.to_device(rows), placement, "float32", given)
        wanted = rows.astype("float32")
        if given is standardizer:
            wanted = (wanted - given.mean.astype("float32")) / given.deviation.astype("float32")
            assert np.array_equal(on_host(placement, X.mean), given.mean.astype("float32"))
            assert np.array_equal(on_host(placement, X.deviation), given.deviation.astype("float32"))
        else:
            assert X.mean is None and X.deviation is None
        wanted = wanted.T
        assert X.shape == wanted.shape
        for chosen, index in ((slice(3, 40, 5), slice(3, 40, 5)), (order, [5, 0, 49, 7])):
            assert same(placement, X.columns(chosen), wanted[:, index])
            some = X.take(chosen)
            assert np.array_equal(on_host(placement, some.rows), rows[index])
            assert same(placement, some.as_array(), wanted[:, index])
        assert on_host(placement, X.as_array()).dtype == "float32" and same(placement, X.as_array(), wanted)


@pytest.mark.parametrize("per", ["feature", "set"])
def test_measured_without_a_copy(placement, per):
    """As the cast rows, to the bit: in several chunks, with constant features, which take another way."""
    rows = drawn_rows(5000, N, "uint8")
    rows[:, 3] = 200
    standardizer, to_device = gn.Standardizer(per), placement.to_device
    calls = (placement.xp, to_device, placement.backend.to_host)
    xp, *transfers = calls
    found = standardizer.measure(xp, to_device(rows), *transfers, "float32")
    wanted = standardizer.measure(xp, to_device(rows.astype("float32")), *transfers)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert per == "set" or (found[1][3] == 1.0 and found[0][3] == 200)


@pytest.mark.parametrize(
    ("dtype", "small"),
    [("uint8", True), ("bool", True), ("int16", True), ("uint16", True), ("int8", True)]
    + [(name, False) for name in ("int32", "uint64", "float16", "float32", "float64")],
)
def test_what_is_kept(dtype, small, monkeypatch):
    backend = gn.get_backend("numpy")
    placement = Placement(backend, "cpu")
    X = np.ones((2, 3), dtype)
    assert is_small_integers(X) is small
    monkeypatch.setattr(type(backend), "reads_integers", False)
    assert not keeps_integers(X, placement, None)
    monkeypatch.setattr(type(backend), "reads_integers", True)
    assert keeps_integers(X, placement, None) is keeps_integers(X, placement, gn.Standardizer()) is small

    class Other(gn.Standardizer):
        pass

    assert not keeps_integers(X, placement, Other())
    assert not keeps_integers(X.tolist(), placement, None)


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize(
    "more", [{"validation_fraction": 0.2}, {"validation_data": ([[1] * N] * 4, [0, 1, 0, 1])}]
)
def test_the_training_part_alone_is_kept(more, fitted, placement, monkeypatch):
    """Validation data are read after each epoch."""
    monkeypatch.setattr(type(placement.backend), "reads_integers", True)
    standardizer = gn.Standardizer()
    if fitted:
        standardizer.mean, standardizer.deviation = np.ones(N), np.full(N, 2.0)
    output = gn.Dense(2, "softmax")
    pipeline = InputPipeline(placement, "float32", None, output, "cross_entropy", standardizer)
    rows = placement.to_device(drawn_rows(M, N, "uint8"))
    arrays = FitArrays(rows, np.arange(M) % 2, None, None, None, 0.0)._replace(**more)
    kept, raw = (fit_data(pipeline, arrays, 10, 0, raw=raw) for raw in (False, True))
    assert isinstance(kept.training.X, IntegerExamples)
    found = kept.standardizer
    assert np.array_equal(on_host(placement, kept.training.X.mean), found.mean.astype("float32"))
    for X in (kept.validation.X, raw.training.X, raw.validation.X):
        assert str(X.dtype).endswith("float32") and hasattr(X, "T")
