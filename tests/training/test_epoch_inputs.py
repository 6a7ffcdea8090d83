"""What an epoch draws: its order and its dropout keys, from the network's seed and the epoch's number alone."""

import numpy as np
import pytest

import gpunet as gn
from gpunet.core.program import Program
from gpunet.training import feed

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
            np.testing.assert_array_equal(order, np.arange(M))
        assert keys.dtype == np.int32
        np.testing.assert_array_equal(keys, rng.integers(-(2**31), 2**31, size=(M, 2), dtype=np.int32))
    drawn = np.concatenate([keys.ravel() for _, keys in seen])
    assert drawn.min() < -(2**30)
    assert drawn.max() > 2**30


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_first_order_of_the_next_run_is_drawn_while_a_gpu_works(monkeypatch, asynchronous, kept):
    """Runs of one epoch each are one run; what takes much memory is not kept for the next one."""
    monkeypatch.setattr(type(gn.get_backend("numpy")), "asynchronous", asynchronous)
    monkeypatch.setattr(feed, "CHUNK_EXAMPLES", M if kept else M - 1)
    X, y = np.random.default_rng(0).normal(size=(M, 4)), np.arange(M) % 3

    def network():
        layers = [gn.Dense(5, "tanh"), gn.Dropout(0.5), gn.Dense(3, "softmax")]
        return gn.Network(layers, seed=3, backend="numpy")

    given = {"batch_size": 2, "optimizer": gn.GradientDescent(0.1)}
    feed.drawn.cache_clear()
    loop, once = network(), network()
    for _ in range(4):
        loop.fit(X, y, epochs=1, **given)
    found = feed.drawn.cache_info()
    assert found.hits == (3 if asynchronous and kept else 0)
    assert found.misses == (5 if asynchronous else 4) * kept
    other = network()
    other.seed = 4  # another network's run between them has orders of its own
    other.fit(X, y, epochs=3, **given)
    loop.fit(X, y, epochs=2, **given)
    once.fit(X, y, epochs=6, **given)
    for a, b in zip(loop.parameters, once.parameters, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    order, keys = feed.drawn(3, 7, M, (M, 2))
    assert feed.drawn(3, 7, 0, (M, 2))[0] is None and feed.drawn(3, 7, M, None)[1] is None
    np.testing.assert_array_equal(feed.drawn(3, 7, M, None)[0], order)
    assert not np.array_equal(feed.drawn(3, 8, M, (M, 2))[1], keys)
