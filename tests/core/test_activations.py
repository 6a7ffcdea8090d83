"""Activations on every backend: values, derivatives' bounds, bounds of the output, extremes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import core_checks as checks
from gpunet.core.activations import ACTIVATIONS

Z = np.array([[-30.0, -4.0, -0.7, -1e-3, 0.0], [1e-3, 0.4, 1.0, 5.0, 30.0], [2.0, -1.0, 0.5, -0.5, 3.0]])


def sent(backend, array):
    return backend.from_host(array, backend.devices()[0])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_values_on_every_backend(backend, name, dtype):
    xp, g = backend.namespace(), ACTIVATIONS[name]
    here, tolerance = Z.astype(dtype), 3e-6 if dtype == "float32" else 1e-13
    there = sent(backend, here)
    A = g.forward(xp, there)
    dZ = g.backward(xp, there + 1.0, there, A)
    true = g.forward(np, here)
    assert backend.to_host(A).dtype == dtype
    assert backend.to_host(dZ).dtype == dtype
    assert_allclose(backend.to_host(A), true, rtol=tolerance, atol=tolerance)
    assert_allclose(
        backend.to_host(dZ), g.backward(np, here + 1, here, true), rtol=tolerance, atol=20 * tolerance
    )


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_extreme_logits_stay_finite(backend, name):
    xp, g = backend.namespace(), ACTIVATIONS[name]
    extreme = sent(backend, np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype="float32"))
    A = g.forward(xp, extreme)
    dZ = g.backward(xp, extreme, extreme, A)
    assert np.isfinite(backend.to_host(A)).all()
    assert np.isfinite(backend.to_host(dZ)).all()


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_output_stays_within_its_bounds(name):
    g = ACTIVATIONS[name]
    grid = np.linspace(-50, 50, 20000).reshape(2, -1)
    A = g.forward(np, grid)
    assert A.min() >= g.low
    assert A.max() <= g.high
    # The lower bound is no idle promise: the output comes close to it.
    if np.isfinite(g.low):
        assert A.min() < g.low + 1e-3


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_slope_at_single_points(name):
    g = ACTIVATIONS[name]
    z = np.array([[-2.0, -0.3, 0.6, 4.0]])
    h = 1e-3
    values = [checks.FORMULAS[name](float(v) + k * h) for v in z[0] for k in (-2, -1, 1, 2)]
    minus2, minus1, plus1, plus2 = np.array(values).reshape(-1, 4).T
    true = (8 * (plus1 - minus1) - (plus2 - minus2)) / (12 * h)
    found = g.backward(np, np.ones_like(z), z, g.forward(np, z))
    assert_allclose(found[0], true, rtol=1e-9, atol=1e-11)


def test_kinks_take_the_left_slope():
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    assert ACTIVATIONS["relu"].backward(np, one, zero, zero)[0, 0] == 0.0
    assert ACTIVATIONS["leaky_relu"].backward(np, one, zero, zero)[0, 0] == 0.01
    assert ACTIVATIONS["selu"].backward(np, one, zero, zero)[0, 0] == pytest.approx(1.7580993408473766)


def test_softmax_columns_sum_to_one_and_ignore_a_shift(rng):
    softmax = ACTIVATIONS["softmax"].forward
    logits = rng.standard_normal((5, 8)) * 20
    assert_allclose(softmax(np, logits).sum(axis=0), 1.0, rtol=1e-14)
    assert_allclose(softmax(np, logits + 3e3), softmax(np, logits), rtol=1e-10)


def test_softmax_has_its_full_jacobian(rng):
    """Against the Jacobian written out as a matrix, one example at a time."""
    g = ACTIVATIONS["softmax"]
    logits, dA = rng.standard_normal((2, 4, 3))
    A = g.forward(np, logits)
    for i in range(3):
        a = A[:, i]
        jacobian = np.diag(a) - np.outer(a, a)
        assert_allclose(g.backward(np, dA, logits, A)[:, i], jacobian.T @ dA[:, i], rtol=1e-12)


def test_against_scipy():
    special = pytest.importorskip("scipy.special")
    for name, function in (("sigmoid", special.expit), ("softplus", lambda z: np.logaddexp(0, z))):
        assert_allclose(ACTIVATIONS[name].forward(np, Z), function(Z), rtol=1e-14)
    assert_allclose(ACTIVATIONS["softmax"].forward(np, Z), special.softmax(Z, axis=0), rtol=1e-13)
    # GELU is the tanh form; the form with the error function is this near.
    exact = Z * special.ndtr(Z)
    assert_allclose(ACTIVATIONS["gelu"].forward(np, Z), exact, atol=5e-4)


def test_against_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    peers = {
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": f.relu,
        "leaky_relu": f.leaky_relu,
        "elu": f.elu,
        "selu": f.selu,
        "softplus": lambda z: f.softplus(z, threshold=1e9),
        "silu": f.silu,
        "gelu": lambda z: f.gelu(z, approximate="tanh"),
        "mish": f.mish,
        "softmax": lambda z: f.softmax(z, dim=0),
    }
    assert peers.keys() == ACTIVATIONS.keys() - {"identity"}
    for name, peer in peers.items():
        found = ACTIVATIONS[name].forward(np, Z)
        assert_allclose(found, peer(torch.tensor(Z)).numpy(), rtol=1e-12, atol=1e-15, err_msg=name)
