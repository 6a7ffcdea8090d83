"""Dropout masks, and whole epochs written out step by step."""

import numpy as np
from numpy.testing import assert_allclose


def wellons_mask(key, n, m, rate):
    """The mask as the hash is published, with Python's unbounded integers."""
    kept = []
    for i in range(n * m):
        x = (i * 0x9E3779B9 + key) % 2**32
        x = (x ^ (x >> 16)) * 0x7FEB352D % 2**32
        x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
        x ^= x >> 16
        kept.append(1 / (1 - rate) if (x >> 8) / 2**24 >= rate else 0.0)
    return np.array(kept).reshape(n, m)


def check_dropout(room):
    """The mask bit by bit, its rate and its expectation."""
    like = np.zeros(1)
    for key, rate in ((0, 0.5), (12345, 0.25), (-7, 0.8)):
        mask = room.dropout.keep_mask(np, np.int32(key), (4, 5), rate, like=like)
        assert_allclose(mask, wellons_mask(key, 4, 5, rate), rtol=1e-15)
    big = room.dropout.keep_mask(np, np.int32(99), (300, 400), 0.3, like=like)
    assert_allclose(np.mean(big == 0), 0.3, atol=0.005)
    assert_allclose(big.mean(), 1.0, atol=0.01)


def small_plan(room, optimizer, m=7, batch_size=3, dropout=0.0, weighted=False):
    """Two layers, all sizes 3, so that nothing that is mixed up fails by its shape alone."""
    layers = (
        room.plan.Layer(3, 3, "tanh"),
        room.plan.Layer(3, 3, "identity", dropout),
    )
    return room.plan.Plan(layers, "squared_error", optimizer, m, batch_size, "float64", weighted)


def check_descent(room):
    """An epoch of the reference against loops over examples: order, remainder, rates, keys, weights."""
    rng = np.random.default_rng(3)
    m, B, rate = 7, 3, 0.4
    X, Y, w = rng.standard_normal((3, m)), rng.standard_normal((3, m)), rng.uniform(0.5, 2, (1, m))
    start = [(rng.standard_normal((3, 3)), rng.standard_normal((3, 1))) for _ in range(2)]
    order = rng.permutation(m).astype(np.int32)
    keys = rng.integers(-(2**31), 2**31, (3, 2), dtype=np.int32)
    rates = np.array([[0.1], [0.05], [0.2]])

    (W1, b1), (W2, b2) = ([p.copy() for p in layer] for layer in start)
    costs = []
    for t, first in enumerate(range(0, m, B)):
        batch = order[first : first + B]
        n = len(batch)  # the last batch is smaller, and its mean is over what it has
        mask = wellons_mask(int(keys[t, 1]), 3, n, rate)
        J, gradients = 0.0, [np.zeros_like(p) for p in (W1, b1, W2, b2)]
        for j, i in enumerate(batch):
            x, y = X[:, i : i + 1], Y[:, i : i + 1]
            a1 = np.tanh(W1 @ x + b1)
            h = a1 * mask[:, j : j + 1]
            error = W2 @ h + b2 - y
            J += w[0, i] * np.sum(error**2) / 2 / n
            d2 = w[0, i] * error / n
            d1 = W2.T @ d2 * mask[:, j : j + 1] * (1 - a1**2)
            for total, g in zip(gradients, (d1 @ x.T, d1, d2 @ h.T, d2), strict=True):
                total += g
        costs.append(J)
        W1, b1, W2, b2 = (p - rates[t, 0] * g for p, g in zip((W1, b1, W2, b2), gradients, strict=True))

    plan = small_plan(room, room.optimizers.GradientDescent(0.1), dropout=rate, weighted=True)
    assert plan.steps == 3
    assert plan.batches() == [(0, 3), (3, 6), (6, 7)]
    program = room.reference.Reference(np, plan)
    state = room.program.TrainState(start, [((), ()), ((), ())])
    (found, _), losses = program(state, room.program.EpochInputs(X, Y, w, order, rates, keys))
    assert_allclose(losses, costs, rtol=1e-12)
    for pair, true in zip(found, ((W1, b1), (W2, b2)), strict=True):
        for p, q in zip(pair, true, strict=True):
            assert_allclose(p, q, rtol=1e-12, atol=1e-14)


def check_stateful_descent(room):
    """The reference hands the optimizer's state on from batch to batch, for W and b apart (C20)."""
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((3, 7)), rng.standard_normal((3, 7))
    W, b = rng.standard_normal((3, 3)), rng.standard_normal((3, 1))
    layer = room.plan.Layer(3, 3, "identity")
    optimizer = room.optimizers.GradientDescent(0.1, momentum=0.9)
    plan = room.plan.Plan((layer,), "squared_error", optimizer, 7, 3, "float64")
    true_W, true_b = W, b
    vW, vb = np.zeros_like(W), np.zeros_like(b)
    for i in range(0, 7, 3):
        x, y = X[:, i : i + 3], Y[:, i : i + 3]
        error = (true_W @ x + true_b - y) / x.shape[1]
        vW, vb = 0.9 * vW + 0.1 * error @ x.T, 0.9 * vb + 0.1 * error.sum(axis=1, keepdims=True)
        true_W, true_b = true_W - 0.1 * vW, true_b - 0.1 * vb
    zero = [((np.zeros_like(W),), (np.zeros_like(b),))]
    program = room.reference.Reference(np, plan)
    inputs = room.program.EpochInputs(X, Y, None, None, np.full((3, 1), 0.1), None)
    ([(found_W, found_b)], [((found_vW,), (found_vb,))]), _ = program(
        room.program.TrainState([(W, b)], zero), inputs
    )
    for p, q in ((found_W, true_W), (found_b, true_b), (found_vW, vW), (found_vb, vb)):
        assert_allclose(p, q, rtol=1e-12, atol=1e-14)
