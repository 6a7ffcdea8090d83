"""Dropout masks: the same bits everywhere, the right rate, and nothing of one key in another."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import core_checks as checks
import gpunet as gn
from gpunet.core.dropout import keep_mask


def mask_of(backend, key, shape, rate, dtype="float64"):
    def to_device(a):
        return backend.from_host(a, backend.devices()[0])

    # As in a run: a key is an entry of an array.
    keys = to_device(np.array([key, 0], dtype="int32"))
    mask = keep_mask(backend.namespace(), keys[0], shape, rate, like=to_device(np.zeros(1, dtype)))
    return backend.to_host(mask)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("key", [0, 1, -1, 2**31 - 1, -(2**31), 123456789])
def test_identical_bits_on_every_backend(backend, key, dtype):
    """Against the hash as published, in Python's unbounded integers."""
    for rate in (0.1, 0.5, 0.9):
        found = mask_of(backend, key, (7, 9), rate, dtype)
        assert found.dtype == dtype
        assert_array_equal(found != 0, checks.wellons_mask(key, 7, 9, rate) != 0)
        kept = found[found != 0]
        assert_array_equal(kept, np.full_like(kept, np.ones(1, dtype)[0] / (1 - rate)))


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.8, 0.95])
def test_rate_and_expectation(rate):
    backend = gn.get_backend("numpy")
    size = 200 * 500
    for key in (3, -99):
        mask = mask_of(backend, key, (200, 500), rate)
        sigma = np.sqrt(rate * (1 - rate) / size)
        assert np.mean(mask == 0) == pytest.approx(rate, abs=5 * sigma)
        assert mask.mean() == pytest.approx(1.0, abs=5 * sigma / (1 - rate))
        # Evenly over features and over examples: no row or column is favoured.
        assert np.mean(mask == 0, axis=1).std() == pytest.approx(np.sqrt(rate * (1 - rate) / 500), rel=0.3)
        assert np.mean(mask == 0, axis=0).std() == pytest.approx(np.sqrt(rate * (1 - rate) / 200), rel=0.3)


def test_rate_zero_keeps_everything():
    assert_array_equal(mask_of(gn.get_backend("numpy"), 5, (3, 4), 0.0), np.ones((3, 4)))


def test_keys_are_independent():
    """Bits of neighbouring keys, and of keys drawn at random, agree as often as coins do."""
    backend = gn.get_backend("numpy")
    keys = [0, 1, 2, 3, -1, 1000, 1001, *np.random.default_rng(0).integers(-(2**31), 2**31, 9)]
    bits = np.array([mask_of(backend, int(k), (100, 100), 0.5).ravel() > 0 for k in keys], dtype=float)
    correlation = np.corrcoef(bits) - np.eye(len(keys))
    assert np.abs(correlation).max() < 5 / 100  # five deviations of 10⁴ coins
    # And neighbours within one mask.
    for lag in (1, 2, 100):
        assert abs(np.corrcoef(bits[0, :-lag], bits[0, lag:])[0, 1]) < 5 / 100


def test_a_new_mask_every_step_and_epoch():
    """The loss of a network that learns nothing is its masks' doing: it changes, and repeats with the seed."""
    X, y = np.ones((8, 50)), np.zeros(8)

    def losses(seed):
        net = gn.Network(
            [gn.Dropout(0.5), gn.Dense(1, initializer=gn.Constant(1.0))],
            inputs=50,
            seed=seed,
            backend="numpy",
            dtype="float64",
        )
        return net.fit(X, y, optimizer=gn.GradientDescent(1e-12), epochs=6, batch_size=4).loss

    assert len({round(loss, 6) for loss in losses(0)}) == 6
    assert losses(0) == losses(0)
    assert losses(0) != losses(1)


def test_prediction_drops_nothing_and_needs_no_rescaling():
    layers = [gn.Dense(6, "tanh"), gn.Dropout(0.5), gn.Dense(2)]
    with_dropout = gn.Network(layers, inputs=3, seed=4, backend="numpy")
    without = gn.Network([layers[0], layers[2]], inputs=3, seed=4, backend="numpy")
    X = np.random.default_rng(0).standard_normal((5, 3))
    assert_array_equal(with_dropout.predict(X), without.predict(X))
    assert_array_equal(with_dropout.gradients(X, X[:, :2])[1][0][0], without.gradients(X, X[:, :2])[1][0][0])


def test_a_dropped_input_moves_no_weight():
    """One step: columns of W whose input was dropped for every example stay as they were."""
    X, y = np.ones((1, 40)), np.ones(1)
    net = gn.Network([gn.Dropout(0.5), gn.Dense(1)], inputs=40, seed=2, backend="numpy", dtype="float64")
    before = net.parameters[0][0]
    net.fit(X, y, epochs=1, batch_size=1)
    moved = (net.parameters[0][0] != before)[0]
    assert 8 < moved.sum() < 32


def test_expectation_through_a_linear_layer():
    """Averaged over many keys, the layer sees what it would see without dropout."""
    backend = gn.get_backend("numpy")
    masks = np.mean([mask_of(backend, k, (5, 4), 0.25) for k in range(4000)], axis=0)
    assert_allclose(masks, 1.0, atol=5 * np.sqrt(0.25 / 0.75 / 4000))


def test_all_24_bits_are_compared_with_the_rate():
    """With its own hash as the rate an entry is kept, with the next larger rate it is dropped."""
    backend = gn.get_backend("numpy")
    for key in range(-20, 20):
        x = key % 2**32
        x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
        x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
        top = (x ^ (x >> 16)) >> 8
        assert mask_of(backend, key, (1, 1), top / 2**24)[0, 0] > 0
        assert mask_of(backend, key, (1, 1), (top + 1) / 2**24)[0, 0] == 0


@pytest.mark.parametrize("traced", [False, True])
def test_positions_are_int32_on_the_arrays_device(traced):
    """int32 alone exists in every library; an array that is being traced has no device."""
    asked = {}

    class Namespace:
        def __getattr__(self, name):
            return getattr(np, name)

        def arange(self, stop, **more):
            asked.update(more)
            return np.arange(stop, **more)

    like = SimpleNamespace(dtype=np.float32, **({} if traced else {"device": "cpu"}))
    for columns in (None, (1, 2)):
        asked.clear()
        keep_mask(Namespace(), np.array(1, "int32"), (2, 3), 0.5, like=like, columns=columns)
        assert asked == {"dtype": np.int32, "device": None if traced else "cpu"}


@pytest.mark.parametrize("columns", [(0, 9), (0, 4), (3, 8), (8, 9), (5, 5)])
def test_some_columns_of_a_mask_are_those_of_all_of_it(backend, columns):
    like = backend.from_host(np.zeros(1), backend.devices()[0])
    key = backend.from_host(np.array([77], "int32"), backend.devices()[0])[0]
    some = keep_mask(backend.namespace(), key, (7, 9), 0.4, like=like, columns=columns)
    assert_array_equal(backend.to_host(some), mask_of(backend, 77, (7, 9), 0.4)[:, columns[0] : columns[1]])


@pytest.mark.parametrize(("m", "first"), [(2**31 + 3, 0), (2**33 + 1, 2**32 - 3), (2**20, 2**20 - 6)])
def test_columns_of_a_mask_that_is_larger_than_memory(backend, m, first):
    """Positions are counted with wrap-around; the hash as published."""
    like = backend.from_host(np.zeros(1), backend.devices()[0])
    key = backend.from_host(np.array([77], "int32"), backend.devices()[0])[0]
    columns = first, first + 6
    found = keep_mask(backend.namespace(), key, (5000, m), 0.4, like=like, columns=columns)
    x = (
        np.arange(5000, dtype=np.uint64)[:, None] * np.uint64(m) + np.arange(*columns, dtype=np.uint64)
    ) % 2**32
    x = (x * 0x9E3779B9 + 77) % 2**32
    x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    x ^= x >> 16
    assert_array_equal(backend.to_host(found) != 0, (x >> 8) / 2**24 >= 0.4)
