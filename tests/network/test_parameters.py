"""Parameters of a network: copies going out, and what coming in tells about the inputs."""

import numpy as np
import pytest

import gpunet as gn


def test_each_array_is_a_copy():
    net = gn.Network([gn.Dense(2, "tanh"), gn.Dense(1)], inputs=3, seed=0, backend="numpy")
    before = [p.copy() for pair in net.parameters for p in pair]
    for pair in net.parameters:
        for p in pair:
            p += 1.0
    for p, q in zip(before, [p for pair in net.parameters for p in pair], strict=True):
        np.testing.assert_array_equal(p, q)


def test_set_parameters_tells_the_number_of_inputs():
    net = gn.Network([gn.Dense(2)], seed=0, backend="numpy")
    net.set_parameters([(np.ones((2, 3)), np.zeros((2, 1)))])
    assert net.inputs == 3
    with pytest.raises(ValueError, match="X has 4 features per example"):
        net.predict(np.ones((1, 4)))
