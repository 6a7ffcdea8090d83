"""exp, tanh and log1p to the last bits; every activation and loss as in the core."""

import array_api_compat.numpy as xp
import numpy as np
import pytest
from numba import njit

from gpunet.core import losses
from gpunet.core.activations import ACTIVATIONS
from gpunet_numpy.compiled import codes, gemv
from gpunet_numpy.compiled import math as kernel_math
from gpunet_numpy.compiled.intrinsics import OPTIONS

pytestmark = pytest.mark.slow

DTYPES = ("float32", "float64")
SELF_GATED = [name for name, code in codes.ACTIVATION.items() if code >= codes.SELF_GATED]
FROM_OUTPUTS = sorted(set(codes.ACTIVATION) - set(SELF_GATED))  # their slopes are functions of a


@pytest.fixture(scope="module")
def of_each():
    """``of_each(function)(x)``: a compiled function of a number, for every number of x."""
    made = {}

    def compiled(function):
        if function not in made:

            @njit(**OPTIONS)
            def call(x, out):
                for i in range(x.size):
                    out[i] = function(x[i])

            def apply(x):
                out = np.empty_like(x)
                call(x, out)
                return out

            made[function] = apply
        return made[function]

    return compiled


def ulps(found, exact):
    """Largest error in units of the last place."""
    exact = np.asarray(exact, dtype=np.longdouble)
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(found.dtype))))


def spread(low, high, dtype, seed=0):
    """Numbers all over a range, and very close to its middle and 0."""
    rng = np.random.default_rng(seed)
    near = 10.0 ** rng.uniform(-12, 0, 20_000) * rng.choice([-1, 1], 20_000)
    x = np.concatenate([np.linspace(low, high, 200_001), near])
    return x[(x >= low) & (x <= high)].astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "most"), [("float32", -87, 88, 1.5), ("float64", -700, 709, 1.5)]
)
def test_exp(dtype, low, high, most, of_each):
    x = spread(low, high, dtype)
    assert ulps(of_each(kernel_math.exp)(x), np.exp(x.astype(np.longdouble))) < most


def test_exp_saturates_and_keeps_nan(of_each):
    exp = of_each(kernel_math.exp)
    beyond = np.array([-87.3, -88, -90, -1e4, -np.inf, 88.0, 89, 90, 1e4, np.inf, np.nan], "float32")
    found = exp(beyond)
    assert 0 < found[0] < 2e-38
    assert (found[1:5] == found[0]).all()
    assert 1e38 < found[5] < np.inf
    assert (found[6:10] == found[5]).all()
    assert np.isnan(found[10])
    found = exp(np.array([-1e4, 709, 710, np.inf, np.nan]))
    assert found[0] == 0
    assert np.isfinite(found[1])
    assert (found[2:4] == found[1]).all()
    assert np.isnan(found[4])


@pytest.mark.parametrize(("dtype", "most"), [("float32", 3.5), ("float64", 80)])  # it cancels near 0.003
def test_tanh(dtype, most, of_each):
    x = spread(-25, 25, dtype)
    assert ulps(of_each(kernel_math.tanh)(x), np.tanh(x.astype(np.longdouble))) < most
    ends = of_each(kernel_math.tanh)(np.array([0, 1e4, -1e4, np.inf, -np.inf, np.nan], dtype))
    assert (ends[:5] == [0, 1, -1, 1, -1]).all()
    assert np.isnan(ends[5])


@pytest.mark.parametrize(("dtype", "most"), [("float32", 3), ("float64", 1)])
def test_log1p(dtype, most, of_each):
    x = spread(0, 1, dtype)
    assert ulps(of_each(kernel_math.log1p)(x), np.log1p(x.astype(np.longdouble))) < most


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FROM_OUTPUTS)
def test_activations(name, dtype, from_python):
    rng = np.random.default_rng(1)
    activate = from_python(kernel_math.activate)
    for n in (1, 7, 40):
        z, b = (3 * rng.standard_normal(n)).astype(dtype), rng.standard_normal(n).astype(dtype)
        z[0] = -b[0]  # the kink
        expected = ACTIVATIONS[name].forward(xp, (z + b)[:, None])[:, 0]
        activate(codes.ACTIVATION[name], z, b)
        assert np.allclose(z, expected, rtol=2e-6 if dtype == "float32" else 1e-14, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(FROM_OUTPUTS) - {"softmax"}))
def test_activations_of_many_rows(name, dtype, from_python):
    """Bit for bit those of each row, whose bias is 0 then."""
    z = (3 * np.random.default_rng(1).standard_normal(301)).astype(dtype)
    z[:4] = 0, -0.0, np.inf, -np.inf
    alone, together = z.copy(), z.copy()
    from_python(kernel_math.activate)(codes.ACTIVATION[name], alone, np.zeros_like(z))
    from_python(kernel_math.activate_all)(codes.ACTIVATION[name], together)
    assert np.array_equal(alone, together, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_sums_of_rows(rows, dtype, from_python):
    rng = np.random.default_rng(rows)
    x, D = rng.standard_normal(5).astype(dtype), rng.standard_normal((rows, 5)).astype(dtype)
    expected = x + D.sum(axis=0)
    from_python(gemv.add_rows)(x, D)
    assert np.allclose(x, expected, rtol=1e-5 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(FROM_OUTPUTS) - {"softmax"}))
def test_slopes(name, dtype, from_python):
    rng = np.random.default_rng(2)
    z, dA = (2 * rng.standard_normal(50)).astype(dtype), rng.standard_normal(50).astype(dtype)
    z[:2] = 0
    a = ACTIVATIONS[name].forward(xp, z)
    d = dA.copy()
    from_python(kernel_math.multiply_slope)(codes.ACTIVATION[name], d, a, np.full_like(a, np.nan))
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-13, "atol": 1e-15}
    assert np.allclose(d, ACTIVATIONS[name].backward(xp, dA, z, a), **near)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SELF_GATED)
def test_self_gated_activations(name, dtype, from_python):
    """Both g and g′ in one pass, held against the core's in float64."""
    rng = np.random.default_rng(4)
    z = np.concatenate([[0.0, -0.0], 3 * rng.standard_normal(301), np.linspace(-40, 40, 401)]).astype(dtype)
    Z, dA = z.astype("float64"), rng.standard_normal(z.size).astype(dtype)
    expected = ACTIVATIONS[name].forward(xp, Z)
    slope = ACTIVATIONS[name].backward(xp, np.ones_like(Z), Z, expected)
    slopes = np.empty_like(z)
    from_python(kernel_math.activate_self_gated)(codes.ACTIVATION[name], z, slopes)
    rounding = np.finfo(dtype).eps
    assert (np.abs(z - expected) <= 3 * rounding * np.abs(Z)).all()
    assert np.allclose(slopes, slope, rtol=0, atol=50 * rounding)
    d = dA.copy()
    from_python(kernel_math.multiply_slope)(codes.ACTIVATION[name], d, z, slopes)
    assert np.array_equal(d, dA * slopes)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SELF_GATED)
def test_self_gated_activations_far_out(name, dtype, from_python):
    """They are z or 0 there, with slope 1 or 0, and NaN stays NaN."""
    z = np.array([100, 1e6, 1e12, -100, -1e6, -1e12, np.nan], dtype)
    a, slopes = z.copy(), np.empty_like(z)
    from_python(kernel_math.activate_self_gated)(codes.ACTIVATION[name], a, slopes)
    assert np.allclose(a[:3], z[:3], rtol=np.finfo(dtype).eps, atol=0)
    assert np.allclose(slopes[:3], 1, rtol=np.finfo(dtype).eps, atol=0)
    assert (np.abs(a[3:6]) < 1e-20).all()
    assert (np.abs(slopes[3:6]) < 1e-12).all()
    assert np.isnan([a[6], slopes[6]]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_sigmoids(dtype, from_python):
    """Far out, 1 / (1 + e^−z) is 0 or 1 and never wraps around."""
    z = np.array([-90, -89, -1000, 90, 1000, -87.5], dtype)
    from_python(kernel_math.activate)(codes.SIGMOID, z, np.zeros_like(z))
    assert (z[[0, 1, 2, 5]] < 1e-37).all()
    assert (z[[0, 1, 2, 5]] >= 0).all()
    assert (z[3:5] == 1).all()


PAIRS = [
    ("cross_entropy", "softmax"),
    ("logistic", "sigmoid"),
    *((loss, name) for loss in ("squared_error", "absolute_error") for name in FROM_OUTPUTS),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "name"), [pair for pair in PAIRS if pair[1] != "softmax" or pair[0][0] == "c"]
)
def test_losses(loss, name, dtype, from_python):
    rng = np.random.default_rng(3)
    output_error = from_python(kernel_math.output_error)
    for n, size in ((1, 1), (9, 1), (20, 60)):  # also far out
        z, b, y = ((size * rng.standard_normal(n)).astype(dtype) for _ in range(3))
        if loss == "cross_entropy":
            y = (0.7 * rng.dirichlet(np.ones(n))).astype(dtype)  # need not add up to 1
        if loss == "logistic":
            y = rng.integers(0, 2, n).astype(dtype)
        if loss == "absolute_error":
            y[0] = ACTIVATIONS[name].forward(xp, z[:1] + b[:1])[0]  # no error
        Z = (z + b)[:, None]
        A = ACTIVATIONS[name].forward(xp, Z)
        args = (xp, losses.LOSSES[loss], name, Z, A, y[:, None], None)
        a, d = z.copy(), np.empty_like(z)
        L = output_error(codes.ACTIVATION[name], codes.LOSS[loss], a, b, y, d)
        near = {"rtol": 2e-5, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
        if name == "selu":  # a + λα cancels where both are nearly 0, in the core as well
            near["atol"] = max(near["atol"], 1e-12)
        assert np.allclose(L, losses.cost(*args), **near)
        assert np.allclose(a, A[:, 0], **near)
        expected = losses.output_delta(*args)[:, 0]
        if loss == "absolute_error":
            meets = np.abs(A[:, 0] - y) < 1e-5
            assert (np.abs(d[meets]) <= (1.051 if name == "selu" else 1)).all()
            d, expected = d[~meets], expected[~meets]
        assert np.allclose(d, expected, **near)


def test_no_error_has_no_gradient(from_python):
    z, y, d = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.5]), np.empty(3)
    identity = codes.ACTIVATION["identity"]
    from_python(kernel_math.output_error)(identity, codes.ABSOLUTE_ERROR, z, np.zeros(3), y, d)
    assert (d == [0, -1, 1]).all()
