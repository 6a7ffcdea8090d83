"""The table of activations: bounds that are reached, and initializers."""

import numpy as np
import pytest

from gpunet.core.activations import ACTIVATIONS


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_bounds_are_reached(name):
    """Bounds too wide would let targets pass that no output can reach."""
    g = ACTIVATIONS[name]
    A = g.forward(np, np.linspace(-50.0, 50.0, 100_001)[None, :])
    for bound, reached in ((g.low, A.min()), (g.high, A.max())):
        if np.isinf(bound):
            assert abs(reached) >= 0.5  # leaky ReLU falls by 0.01 z
            assert np.sign(reached) == np.sign(bound)
        else:
            assert reached == pytest.approx(bound, abs=2e-4)


def test_softmax_is_bounded_as_its_sum_tells():
    assert (ACTIVATIONS["softmax"].low, ACTIVATIONS["softmax"].high) == (0.0, 1.0)


def test_initializers_by_activation():
    """He's for the ReLU and functions of its shape, LeCun's for all others (C16)."""
    he = {name for name, g in ACTIVATIONS.items() if g.initializer == "he_normal"}
    assert he == {"relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "mish"}
    assert {g.initializer for name, g in ACTIVATIONS.items() if name not in he} == {"lecun_normal"}
