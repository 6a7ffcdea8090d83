"""Updates are counted from the optimizer's first one: Adam's bias correction depends on the count."""

import numpy as np
import pytest

import gpunet as gn


def test_each_step_of_adam_is_its_learning_rate_while_the_gradient_stays():
    net = gn.Network([gn.Dense(1)], inputs=1, loss="absolute_error", backend="numpy", dtype="float64")
    net.set_parameters([(np.zeros((1, 1)), np.zeros((1, 1)))])
    X, y = np.ones((1, 1)), np.full(1, -100.0)
    bias = 0.0
    # The gradient is 1 in each step: so is m / √v once both are corrected for the count.
    for optimizer in (gn.Adam(0.5), gn.Adam(0.25), gn.Adam(0.25), gn.Adam(0.125)):
        net.fit(X, y, optimizer=optimizer, epochs=3)
        bias -= 3 * optimizer.learning_rate
        assert net.parameters[0][1][0, 0] == pytest.approx(bias, rel=1e-6)
