"""Scaling is exact where numbers are large, small, close together or far apart."""

from fractions import Fraction

import numpy as np
import pytest

from gpunet.tables import TableEncoder
from gpunet.tables.scaling import moments, robust_moments, scaled, smooth_clip

M = 400
COLUMNS = {
    "timestamps within an hour": 1.4e9 + np.linspace(0, 3600, M),
    "milliseconds within an hour": np.round(1.7e12 + np.linspace(0, 3.6e6, M)),
    "meters": 4_864_840.0 + np.linspace(-2, 2, M),
    "1e30": 1e30 * np.linspace(1, 2, M),
    "1e-30": 1e-30 * np.linspace(1, 2, M),
    "1e18 and a little": 1e18 + 1e6 * np.arange(M),
    "1e-24": 1e-24 * np.sin(np.arange(M)),
    "1e300": 1e300 * np.cos(np.arange(M)),
    "the largest": np.linspace(-1, 1, M) * np.finfo(float).max,
    "two neighbors": np.where(np.arange(M) % 3 == 0, 1.0, np.nextafter(1.0, 2.0)),
    "integers": np.arange(M) % 7,
}


def exact_moments(x):
    """Mean and deviation in rational arithmetic."""
    values = [Fraction(float(value)) for value in x]
    mean = sum(values) / len(values)
    unit = Fraction(float(np.abs(x).max()))
    variance = sum(((value - mean) / unit) ** 2 for value in values) / len(values)
    return float(mean), float(Fraction(np.sqrt(float(variance * 2**200))) / 2**100 * unit), values, mean


@pytest.mark.parametrize("name", COLUMNS)
def test_moments_are_exact(name):
    x = COLUMNS[name].astype(float)
    mean, deviation, _, _ = exact_moments(x)
    got_mean, got_deviation = moments(x)
    assert abs(got_mean / 2 - mean / 2) <= 4 * np.finfo(float).eps * max(abs(mean), deviation) / 2
    np.testing.assert_allclose(got_deviation, deviation, rtol=1e-6 if name == "two neighbors" else 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_size_come_out_standardised(name, dtype):
    x = COLUMNS[name]
    X = TableEncoder("standard").fit_transform({"x": x}, dtype)[:, 0]
    _, deviation, values, mean = exact_moments(x)
    expected = [float((value - mean) / Fraction(deviation)) for value in values]
    assert X.dtype == dtype
    rounding = 4 * np.finfo(float).eps * max(abs(float(mean)), 1e-300) / deviation  # of the mean itself
    np.testing.assert_allclose(X, expected, rtol=1e-6, atol=1e-6 + rounding)


def test_a_row_does_not_depend_on_the_dtype_until_the_end():
    data = {"x": COLUMNS["milliseconds within an hour"]}
    encoder = TableEncoder("standard").fit(data)
    np.testing.assert_array_equal(
        encoder.transform(data, "float32"), encoder.transform(data, "float64").astype("float32")
    )


def test_robust_scaling_is_realmlps():
    x = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 1000])
    assert robust_moments(x) == (4.0, 4.0)
    X = TableEncoder("robust").fit_transform({"x": x}, "float64")[:, 0]
    z = (x - 4) / 4
    np.testing.assert_allclose(X, z / np.sqrt(1 + (z / 3) ** 2))
    assert X[-1] < 3 and X[-2] == pytest.approx(0.75 / np.sqrt(1.0625))
    assert robust_moments(np.array([0.0, 0, 0, 0, 0, 1])) == (0.0, 0.5)  # the quartiles are equal
    assert robust_moments(np.array([-1.0, 0, 0, 0, 0, 0, 0, 3])) == (0.0, 2.0)
    assert robust_moments(np.full(5, 7.0)) == (7.0, 0.0)


@pytest.mark.parametrize("name", COLUMNS)
def test_robust_scaling_of_every_size(name):
    X = TableEncoder("robust").fit_transform({"x": COLUMNS[name]}, "float64")
    assert np.abs(X).max() <= 3 and np.ptp(X) > 0.9


def test_an_outlier_does_no_harm_to_the_others():
    x = np.append(np.linspace(0, 1, 99), 1e12)
    others = TableEncoder("robust").fit_transform({"x": x})[:99, 0]
    assert np.ptp(others) > 1.5
    assert np.ptp(TableEncoder("standard").fit_transform({"x": x})[:99, 0]) < 1e-6  # what it is compared with


def test_nothing_overflows():
    big = np.finfo(float).max
    assert np.isfinite(scaled(np.array([big, -big]), -big, 1e-300)).all()
    np.testing.assert_array_equal(scaled(np.array([big, 0, -big]), -big, big), [2, 1, 0])
    assert smooth_clip(np.array([1e300]))[0] == pytest.approx(3)
    encoder = TableEncoder("standard").fit({"x": [1e-30, 2e-30, 3e-30]})
    assert np.isfinite(encoder.transform({"x": [1e300, -1e300]})).all()
    assert (encoder.transform({"x": [1e300, -1e300]})[:, 0] * [1, -1] > 1e38).all()


def test_no_scaled_number_is_beyond_1e300():
    """A network's float64 can compute with it."""
    np.testing.assert_array_equal(scaled(np.array([1.0, -1.0, 0.5]), 0.5, 1e-305), [1e300, -1e300, 0])
