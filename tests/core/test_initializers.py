"""Initializers: the published variances, seeds, and the same start on every backend (C16, C17)."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import core_checks as checks
import gpunet as gn
from gpunet.core.activations import ACTIVATIONS
from gpunet.core.initializers import INITIALIZERS


@pytest.mark.parametrize("name", sorted(INITIALIZERS))
@pytest.mark.parametrize(("n", "k"), [(784, 256), (100, 1000)])
def test_published_variance(name, n, k):
    W = np.broadcast_to(INITIALIZERS[name](np.random.default_rng(0), k, n), (k, n))
    true = checks.VARIANCES[name](n, k)
    assert W.var() == pytest.approx(true, rel=0.02)
    assert abs(W.mean()) <= 5 * math.sqrt(true / W.size)
    if name.endswith("uniform"):
        assert np.abs(W).max() <= math.sqrt(3 * true)
    elif name.endswith("normal"):
        # A normal draw, not a uniform one of the same variance: 4.55 % lie beyond two deviations.
        assert np.mean(np.abs(W) > 2 * math.sqrt(true)) == pytest.approx(0.0455, abs=0.003)


def test_every_initializer_has_a_published_variance():
    assert INITIALIZERS.keys() == checks.VARIANCES.keys()


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_default_start_suits_the_activation(name):
    suits = {"relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "mish"}
    expected = "he_normal" if name in suits else "lecun_normal"
    assert gn.Dense(3, name).start is INITIALIZERS[expected]


def test_biases_start_at_zero_and_the_seed_decides(backend):
    def start(seed):
        net = gn.Network([gn.Dense(5, "relu"), gn.Dense(3)], inputs=4, seed=seed, backend=backend.name)
        return [[backend.to_host(p) for p in layer] for layer in net.parameters]

    layers = start(7)
    for (W, b), (again, _) in zip(layers, start(7), strict=True):
        assert_array_equal(W, again)
        assert_array_equal(b, np.zeros_like(b))
        assert W.dtype == np.float32
    assert np.abs(layers[0][0] - start(8)[0][0]).max() > 0.01
    # The same draw, whatever the library.
    rng = np.random.default_rng(7)
    assert_array_equal(layers[0][0], INITIALIZERS["he_normal"](rng, 5, 4).astype("float32"))
    assert_array_equal(layers[1][0], INITIALIZERS["lecun_normal"](rng, 3, 5).astype("float32"))


def test_layers_do_not_share_their_draw():
    net = gn.Network([gn.Dense(4), gn.Dense(4)], inputs=4, seed=0, backend="numpy")
    (first, _), (second, _) = net.parameters
    assert np.abs(first - second).max() > 0.1


def test_constant_zeros_and_a_callable_of_ones_own():
    def ramp(rng, n_out, n_in):
        return np.arange(n_out * n_in).reshape(n_out, n_in)

    layers = [gn.Dense(2, initializer=start) for start in (gn.Constant(0.5), "zeros", ramp)]
    (a, _), (b, _), (c, _) = gn.Network(layers, inputs=2, seed=0, backend="numpy").parameters
    assert_array_equal(a, np.full((2, 2), 0.5))
    assert_array_equal(b, np.zeros((2, 2)))
    assert_array_equal(c, [[0, 1], [2, 3]])


def test_an_unknown_initializer_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="he_normal"):
        gn.Dense(2, initializer="he_norml")
