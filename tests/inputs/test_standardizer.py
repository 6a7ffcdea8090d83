"""Standardizing: μ and σ of the training rows, constant features, later inputs (C15)."""

from types import SimpleNamespace

import numpy as np
import pytest

import gpunet as gn
from gpunet.devices.placement import Placement
from gpunet.inputs.arrays import is_wide
from gpunet.inputs.moments import Moments


def measured(backend, rows, per="feature"):
    placement = Placement(backend, backend.devices()[0])
    standardizer = gn.Standardizer(per)
    array = placement.to_device(rows)
    mean, deviation = standardizer.measure(placement.xp, array, placement.to_device, backend.to_host)
    assert not standardizer.fitted  # measuring stores nothing
    return mean, deviation


@pytest.mark.parametrize("m", [1, 2, 4096, 4097, 9000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_and_deviation(backend, m, dtype):
    """Chunks of 4096 rows, the last one short, sum to the whole."""
    rng = np.random.default_rng(m)
    rows = (rng.normal(size=(m, 3)) * [1, 10, 100] + [5, -50, 0]).astype(dtype)
    mean, deviation = measured(backend, rows)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert mean.dtype == deviation.dtype == np.float64
    exact = rows.astype("float64")
    off = np.abs(mean - exact.mean(axis=0))
    assert (off <= tolerance * np.abs(mean) + tolerance * deviation).all()
    wanted = exact.std(axis=0) if m > 1 else np.ones(3)
    np.testing.assert_allclose(deviation, wanted, rtol=tolerance)


def test_one_mean_and_deviation_for_all_features(backend):
    rows = np.random.default_rng(1).normal(3, 2, (5000, 4)).astype("float32")
    mean, deviation = measured(backend, rows, "set")
    np.testing.assert_allclose(mean, np.full(4, rows.mean(dtype="float64")), rtol=1e-5)
    np.testing.assert_allclose(deviation, np.full(4, rows.std(dtype="float64")), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1e-20, 0.1, -3.7, 1e6])
def test_constant_features_become_zero(backend, value):
    """Whatever the value and the number of rows: no division by 0, and no rounding blown up."""
    rows = np.full((7001, 2), value, dtype="float32")
    rows[:, 1] = np.arange(7001)
    mean, deviation = measured(backend, rows)
    assert deviation[0] == 1.0
    assert deviation[1] == pytest.approx(np.arange(7001).std(), rel=1e-5)
    assert mean[0] == np.float32(value)


def test_a_small_deviation_is_not_taken_for_rounding(backend):
    """The threshold is relative to the mean: 8 units of rounding."""
    rng = np.random.default_rng(0)
    rows = np.c_[1 + 1e-4 * rng.normal(size=500), 1e-12 * rng.normal(size=500)].astype("float32")
    _, deviation = measured(backend, rows)
    np.testing.assert_allclose(deviation, rows.astype("float64").std(axis=0), rtol=0.01)


def test_rounding_is_not_taken_for_a_deviation():
    """Values that differ in their last bit are one value."""
    rows = np.full((100, 1), 1.0, dtype="float32")
    rows[::2] = np.nextafter(np.float32(1.0), np.float32(2.0))
    assert measured(gn.get_backend("numpy"), rows)[1][0] == 1.0


def test_applying(backend):
    placement = Placement(backend, backend.devices()[0])
    standardizer = gn.Standardizer()
    standardizer.mean, standardizer.deviation = np.array([1.0, -2.0]), np.array([2.0, 0.5])
    assert standardizer.fitted
    for dtype in ("float32", "float64"):
        rows = placement.to_device(np.array([[3.0, -1.0], [1.0, -2.0]], dtype=dtype))
        found = backend.to_host(standardizer.apply(placement.xp, rows, placement.to_device))
        assert found.dtype == dtype
        assert found.tolist() == [[1.0, 2.0], [0.0, 0.0]]


def test_how_it_prints_and_what_it_refuses():
    assert repr(gn.Standardizer("set")) == "Standardizer(per='set')"
    assert gn.Standardizer().per == "feature"
    with pytest.raises(ValueError, match="'feature' or 'set', got 'row'"):
        gn.Standardizer("row")


@pytest.mark.parametrize(("units", "constant"), [(8, True), (9, False)])
def test_deviations_of_up_to_eight_rounding_units_are_rounding(units, constant):
    eps = np.finfo("float64").eps
    rows = np.array([[1 + units * eps], [1 - units * eps]])
    mean, deviation = gn.Standardizer().measure(np, rows, np.asarray, np.asarray)
    assert mean == 1.0
    assert deviation == (1.0 if constant else units * eps)


@pytest.mark.parametrize("per", ["feature", "set"])
@pytest.mark.parametrize("size", [1e-30, 1e-24, 1e18, 1e25, 1e35, 5e37])
def test_large_and_small_numbers(size, per, backend):
    """Their squares leave float32's range, or their sums do."""
    rows = np.random.default_rng(0).normal(2, 1, (5000, 3)).astype("float32") * np.float32(size)
    mean, deviation = measured(backend, rows, per)
    exact, axis = rows.astype("float64"), 0 if per == "feature" else None
    np.testing.assert_allclose(mean, np.broadcast_to(exact.mean(axis=axis), 3), rtol=1e-4)
    np.testing.assert_allclose(deviation, np.broadcast_to(exact.std(axis=axis), 3), rtol=1e-4)


@pytest.mark.parametrize("far", [1e38, 3.4e38])
def test_numbers_that_lie_too_far_apart_are_refused(far, backend):
    """A deviation that has no reciprocal in float32, and one that overflows."""
    rows = np.zeros((5000, 3), "float32")
    rows[:1500, 1], rows[1500:, 1] = far, -far
    with pytest.raises(ValueError, match="column 1 that lie too far apart for float32"):
        measured(backend, rows)
    moments = Moments()
    moments.add(rows.astype("float64") * 2)
    with pytest.raises(ValueError, match="column 1 that lie too far apart for float32"):
        gn.Standardizer().measured(moments, "float32")


WIDE = {
    "timestamps of an hour": 1.4e9 + np.linspace(0, 3600, 400),
    "milliseconds of an hour": 1.7e12 + np.linspace(0, 3.6e6, 400),
    "metres": 4_864_840 + np.linspace(-2, 2, 400),
    "integers": 2**40 + np.arange(400),
    "huge": np.linspace(-1e200, 1e200, 400),
    "tiny": np.linspace(1e-200, 3e-200, 400),
}


@pytest.mark.parametrize("values", WIDE.values(), ids=WIDE)
def test_a_float32_network_reads_wide_numbers_before_it_rounds_them(values, backend):
    """Rounded to float32 first, they would be a few steps, or none."""
    name = backend.name
    placement = Placement(backend, backend.devices()[0])
    assert placement.has_float64()  # JAX too: the tests run it in its 64-bit mode
    X, y = values.reshape(-1, 1), (np.arange(400) >= 200).astype("float32").reshape(-1, 1)
    unit = np.abs(values - values[0]).max()
    mean, deviation = values.mean(), unit * ((values - values.mean()) / unit).std()
    for convert in (lambda a: a, lambda a: a.tolist(), placement.to_device):
        net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend=name, standardizer=gn.Standardizer())
        net.fit(convert(X), convert(y), optimizer=gn.Adam(1.0), epochs=40, batch_size=None)
        np.testing.assert_allclose(net.standardizer.deviation, deviation, rtol=1e-9)
        W, b = (backend.to_host(p).item() for p in net.parameters[0])
        exact = 1 / (1 + np.exp(-(W * (X - mean) / deviation + b)))
        np.testing.assert_allclose(net.predict(X), exact, rtol=1e-4, atol=1e-6)
        assert net.evaluate(X, y)["accuracy"] > 0.99


def test_narrow_numbers_are_not_widened():
    narrow = ("float32", "float16", "bfloat16", "bool", "int8", "uint8", "int16", "uint16")
    for dtype in (*narrow, "int32", "float64"):
        for name in (dtype, f"torch.{dtype}"):
            assert is_wide(SimpleNamespace(dtype=name)) == (dtype not in narrow)
    assert is_wide([[1.0]])


def test_sizes_that_differ_by_feature(backend):
    rows = np.random.default_rng(0).normal(2, 1, (50, 3)).astype("float32")
    rows *= np.array([1e-30, 1e25, 1e-24], dtype="float32")
    _, deviation = measured(backend, rows)
    np.testing.assert_allclose(deviation, rows.astype("float64").std(axis=0), rtol=1e-4)


def sparse_rows(m=400, n=6, dtype="float64", seed=0):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(seed)
    dense = rng.normal(3, 2, (m, n)) * (rng.random((m, n)) < 0.3)
    dense[:, 1], dense[:, 2] = 0.0, 4.0  # constant: without entries, and with one in each row
    return sparse.csr_array(dense.astype(dtype)), dense.astype(dtype)


@pytest.mark.parametrize("per", ["feature", "set"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1.0, 1e-30, 1e25])
def test_without_the_mean(per, dtype, size):
    """Dense and sparse rows get the same deviations, those from the mean; and what is 0 stays 0."""
    rows, dense = sparse_rows(dtype=dtype)
    rows, dense = (one * np.array(size, dtype) for one in (rows, dense))
    standardizer = gn.Standardizer(per, center=False)
    mean, deviation = standardizer.measure(np, dense, np.asarray, np.asarray)
    assert not mean.any()
    exact = dense.astype("float64")
    wanted = exact.std(axis=0) if per == "feature" else np.full(6, exact.std())
    if per == "feature":
        wanted[1:3] = 1.0
    np.testing.assert_allclose(deviation, wanted, rtol=1e-4 if dtype == "float32" else 1e-9)
    zero, measured = standardizer.measure_sparse(rows)
    np.testing.assert_allclose(measured, wanted, rtol=1e-9)
    assert not zero.any()
    standardizer.mean, standardizer.deviation = zero, measured
    before = rows.data.copy()
    scaled = standardizer.apply_sparse(rows)
    assert scaled.dtype == dtype
    assert np.array_equal(rows.data, before)
    np.testing.assert_allclose(scaled.toarray(), standardizer.apply(np, dense, np.asarray), rtol=1e-5)


def test_deviations_are_those_of_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rows, _ = sparse_rows()
    theirs = preprocessing.StandardScaler(with_mean=False).fit(rows)
    ours = gn.Standardizer(center=False)
    _, deviation = ours.measure_sparse(rows)
    np.testing.assert_allclose(deviation, theirs.scale_, rtol=1e-12)
    ours.mean, ours.deviation = np.zeros(6), deviation
    np.testing.assert_allclose(
        ours.apply_sparse(rows).toarray(), theirs.transform(rows).toarray(), rtol=1e-12
    )


def test_a_mean_would_fill_sparse_rows():
    rows, _ = sparse_rows()
    standardizer = gn.Standardizer()
    for call in (standardizer.measure_sparse, standardizer.apply_sparse):
        with pytest.raises(ValueError, match=r"Standardizer\(center=False\).*X\.toarray\(\)"):
            call(rows)


def test_networks_that_standardize_sparse_rows(tmp_path):
    rows, dense = sparse_rows(60)
    rows, dense = 1e3 * rows + 0 * rows, 1e3 * dense
    y = np.arange(60) % 2
    results = []
    for X in (rows, dense):
        net = gn.Network([gn.Dense(3, "tanh"), gn.Dense(1, "sigmoid")], seed=0, backend="numpy",
                         standardizer=gn.Standardizer(center=False))  # fmt: skip
        net.fit(X, y, epochs=2, validation_fraction=0.2)
        results.append(net.predict(X))
        net.save(tmp_path / "net.safetensors")
        loaded = gn.load(tmp_path / "net.safetensors")
        assert loaded.standardizer.center is False
        assert np.array_equal(loaded.predict(X), results[-1])
    np.testing.assert_allclose(*results, rtol=1e-5)
    net = gn.Network([gn.Dense(1, "sigmoid")], seed=0, backend="numpy", standardizer=gn.Standardizer())
    with pytest.raises(ValueError, match="center=False"):
        net.fit(rows, y)
    assert not net.standardizer.fitted
    net.fit(dense, y, epochs=1)
    with pytest.raises(ValueError, match="center=False"):
        net.predict(rows)


def test_how_center_prints_and_what_it_refuses():
    assert repr(gn.Standardizer(center=False)) == "Standardizer(per='feature', center=False)"
    assert gn.Standardizer().center is True
    with pytest.raises(TypeError, match="center must be True or False, got 0"):
        gn.Standardizer(center=0)
