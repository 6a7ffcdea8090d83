"""Mean and deviation block by block, beside those of NumPy and of the standardizer in memory."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.inputs.moments import Moments

SIZES = [1, 3, 1500, 496]


def in_blocks(rows):
    moments = Moments()
    for block in np.split(rows, np.cumsum(SIZES)[:-1]):
        moments.add(block)
    return moments


@pytest.fixture(params=["float32", "float64", "uint8"])
def rows(request, rng):
    rows = rng.normal(size=(2000, 4)) * [1.0, 20.0, 3.0, 8.0] + [0.0, 100.0, 30.0, 60.0]
    return np.clip(rows, 0, 255).astype(request.param)


def test_they_are_those_of_all_rows(rows):
    moments = in_blocks(rows)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0, dtype="float64"), rtol=1e-12)
    np.testing.assert_allclose(moments.deviation, rows.std(axis=0, dtype="float64"), rtol=1e-12)
    assert moments.count == len(rows)


def test_a_large_mean_costs_no_digits(rng):
    rows = 1e9 + rng.normal(size=(2000, 2))
    np.testing.assert_allclose(in_blocks(rows).deviation, rows.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("per", ["feature", "set"])
@pytest.mark.parametrize("center", [True, False])
def test_a_standardizer_takes_them(rows, per, center):
    rows = rows.astype("float64")
    rows[:, 2] = 0.1  # constant
    standardizer = gn.Standardizer(per, center)
    expected = standardizer.measure(np, rows, np.asarray, np.asarray)
    found = standardizer.measured(in_blocks(rows), rows.dtype)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    if per == "feature":
        assert found[1][2] == 1.0


def test_constant_features_have_deviation_1_however_large(rng):
    rows = np.full((2000, 1), 16777217.0 / 3)
    assert gn.Standardizer().measured(in_blocks(rows), rows.dtype)[1] == 1.0


@pytest.mark.parametrize("per", ["feature", "set"])
@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e150, 1e200, 1e307])
def test_very_small_and_very_large_numbers(scale, per, rng):
    """Their squares are no numbers of float64. Each block may hold larger ones than those before."""
    rows = rng.normal([0.0, 2.0, -1.0], size=(2000, 3)) * np.linspace(1e-5, 1, 2000)[:, None]
    expected = gn.Standardizer(per).measured(in_blocks(rows), rows.dtype)
    found = gn.Standardizer(per).measured(in_blocks(rows * scale), rows.dtype)
    whole = gn.Standardizer(per).measure(np, rows * scale, np.asarray, np.asarray)
    for one, two, other in zip(found, expected, whole, strict=True):
        np.testing.assert_allclose(one, scale * two, rtol=1e-12)
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_features_of_very_different_sizes(rng):
    sizes = np.array([1e-320, 1e-160, 1.0, 1e160, 0.0])
    rows = rng.uniform(size=(2000, 5)) * sizes
    moments = in_blocks(rows)
    np.testing.assert_allclose(moments.deviation[1:], sizes[1:] * np.sqrt(1 / 12), rtol=0.1)
    np.testing.assert_allclose(moments.deviation[0], 1e-320 * np.sqrt(1 / 12), rtol=0.1)
    assert moments.deviation[4] == 0.0


@pytest.mark.parametrize("per", ["feature", "set"])
def test_numbers_that_lie_too_far_apart(per):
    rows = np.resize([1.7e308, -1.7e308], (2000, 1))
    for read in (
        lambda one: one.measured(in_blocks(rows), rows.dtype),
        lambda one: one.measure(np, rows, np.asarray, np.asarray),
    ):
        with pytest.raises(
            ValueError, match="X holds numbers in column 0 that lie too far apart for float64"
        ):
            read(gn.Standardizer(per))
