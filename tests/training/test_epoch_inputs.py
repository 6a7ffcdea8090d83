"""What an epoch draws: its order and its dropout keys, from the network's seed and the epoch's number alone."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import Program

M = 11


@pytest.mark.parametrize("shuffle", [True, False])
def test_order_and_keys_against_an_independent_draw(monkeypatch, shuffle):
    """First the order, then one 32-bit key for each step and layer, over the whole range of 32 bits."""
    backend, seen = gn.get_backend("numpy"), []

    def program_for(plan, device):
        class Spy(Program):
            name = "spy"

            def __call__(self, state, inputs):
                seen.append((inputs.order, inputs.dropout_keys))
                return state, np.zeros(plan.steps)

        return Spy(plan), "a test"

    monkeypatch.setattr(backend, "program_for", program_for)
    layers = [gn.Dense(5, "tanh"), gn.Dropout(0.5), gn.Dense(3, "softmax")]
    net = gn.Network(layers, seed=3, backend="numpy")
    net.fit(np.eye(M)[:, :4], np.arange(M) % 3, epochs=8, batch_size=1, shuffle=shuffle)

    assert len(seen) == 8
    for epoch, (order, keys) in enumerate(seen):
        rng = np.random.default_rng([3, epoch])
        if shuffle:
            np.testing.assert_array_equal(order, rng.permutation(M))
        else:
            assert order is None
        assert keys.dtype == np.int32
        np.testing.assert_array_equal(keys, rng.integers(-(2**31), 2**31, size=(M, 2), dtype=np.int32))
    drawn = np.concatenate([keys.ravel() for _, keys in seen])
    assert drawn.min() < -(2**30)
    assert drawn.max() > 2**30
