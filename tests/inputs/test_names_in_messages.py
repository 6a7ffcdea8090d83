"""Errors of the input pipeline name the argument that is wrong."""

import numpy as np
import pytest

import gpunet as gn

X, Y = np.ones((6, 3), "float32"), np.arange(6) % 2


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"validation_fraction": 1.5}, ValueError, "validation_fraction must lie in"),
        ({"epochs": 0}, ValueError, "epochs must be"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be"),
    ],
)
def test_arguments_of_fit(wrong, error, said):
    net = gn.Network([gn.Dense(2, "softmax")], seed=0, backend="numpy")
    with pytest.raises(error, match=f"^{said}"):
        net.fit(X, Y, **{"batch_size": 2, **wrong})
