"""Optimizers and schedules against their rules, written out for one number."""

import math

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

GRADIENTS = [math.sin(1.7 * t + 0.3) * (1 + t) for t in range(10)]


def _descend(rule, steps=10, theta=0.7):
    """θ after each step of `rule`, a generator that is sent gradients and yields movements."""
    run, trajectory = rule(), []
    next(run)
    for g in GRADIENTS[:steps]:
        theta -= run.send(g)
        trajectory.append(theta)
    return trajectory


def _plain(rate):
    g = yield
    while True:
        g = yield rate * g


def _momentum(rate, beta, nesterov=False):
    v, g = 0.0, (yield)
    while True:
        v = beta * v + (1 - beta) * g
        g = yield rate * (beta * v + (1 - beta) * g if nesterov else v)


def _rmsprop(rate, rho, eps):
    s, g = 0.0, (yield)
    while True:
        s = rho * s + (1 - rho) * g**2
        g = yield rate * g / (math.sqrt(s) + eps)


def _adam(rate, beta1, beta2, eps):
    v = s = 0.0
    t, g = 0, (yield)
    while True:
        t += 1
        v = beta1 * v + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        g = yield rate * (v / (1 - beta1**t)) / (math.sqrt(s / (1 - beta2**t)) + eps)


def optimizer_trajectories(room):
    """Each rule, and θ after each of GRADIENTS as published."""
    o = room.optimizers
    return [
        (o.GradientDescent(0.3), _descend(lambda: _plain(0.3))),
        (o.GradientDescent(0.3, momentum=0.8), _descend(lambda: _momentum(0.3, 0.8))),
        (
            o.GradientDescent(0.3, momentum=0.8, nesterov=True),
            _descend(lambda: _momentum(0.3, 0.8, True)),
        ),
        (o.RMSprop(0.01, decay=0.9), _descend(lambda: _rmsprop(0.01, 0.9, 1e-8))),
        (o.RMSprop(0.02, decay=0.6, epsilon=0.05), _descend(lambda: _rmsprop(0.02, 0.6, 0.05))),
        (o.Adam(0.01), _descend(lambda: _adam(0.01, 0.9, 0.999, 1e-8))),
        (
            o.Adam(0.01, beta1=0.7, beta2=0.9, epsilon=0.1),
            _descend(lambda: _adam(0.01, 0.7, 0.9, 0.1)),
        ),
        (
            o.AdamW(0.01, weight_decay=0.0),
            _descend(lambda: _adam(0.01, 0.9, 0.999, 1e-8)),
        ),
    ]


def check_optimizers(room):
    """Ten steps of every rule against its published form, one number at a time (C19, C20)."""
    for optimizer, true in optimizer_trajectories(room):
        theta, slots = np.full((1, 1), 0.7), (np.zeros((1, 1)),) * optimizer.slots
        for t, g in enumerate(GRADIENTS):
            c = np.array(optimizer.coefficients(t, 10, t))
            theta, slots = optimizer.update(np, theta, np.full((1, 1), g), slots, c)
            assert_allclose(theta, true[t], rtol=1e-12, err_msg=f"{optimizer}, step {t}")


def check_weight_decay(room):
    """W shrinks by ``1 − αλ`` *before* the step; the gradient is the one at the old W; b is left (C21)."""
    o = room.optimizers
    W, b = np.array([[2.0, -3.0]]), np.array([[5.0]])
    dW, db = np.array([[0.5, 0.25]]), np.array([[-1.0]])
    for optimizer in (
        o.GradientDescent(0.1, weight_decay=0.4),
        o.GradientDescent(0.1, momentum=0.5, weight_decay=0.4),
        o.RMSprop(0.1, weight_decay=0.4),
        o.Adam(0.1, weight_decay=0.4),
    ):
        c = np.array(optimizer.coefficients(0, 1, 0))
        state = [tuple((np.zeros_like(p),) * optimizer.slots for p in (W, b))]
        [(new_W, new_b)], _ = o.update_all(np, optimizer, [(W, b)], [(dW, db)], state, c)
        step_W, _ = optimizer.update(np, W * (1 - 0.1 * 0.4), dW, state[0][0], c)
        step_b, _ = optimizer.update(np, b, db, state[0][1], c)
        assert_allclose(new_W, step_W, rtol=1e-14)
        assert_allclose(new_b, step_b, rtol=1e-14)
    # Once in plain numbers, and with a gradient that depends on where it is taken.
    plain = o.GradientDescent(0.1, weight_decay=0.4)
    [(new_W, new_b)], _ = o.update_all(np, plain, [(W, b)], [(dW, db)], [((), ())], np.array([0.1]))
    assert_allclose(new_W, [[2.0 * 0.96 - 0.05, -3.0 * 0.96 - 0.025]], rtol=1e-14)
    assert_allclose(new_b, [[5.1]], rtol=1e-14)


def check_clipping(room):
    """The gradient of all parameters together is shortened to the norm asked for, and never lengthened."""
    gradients = [(np.array([[3.0, 0.0]]), np.array([[4.0]])), (np.array([[12.0]]), np.array([[0.0]]))]
    for longest, factor in ((1.3, 0.1), (13.0, 1.0), (20.0, 1.0)):  # the norm is 13
        for pair, clipped in zip(gradients, room.optimizers.clip(np, gradients, longest), strict=True):
            for g, short in zip(pair, clipped, strict=True):
                assert_allclose(short, factor * g, rtol=1e-14)
    zero = [(np.zeros((1, 2)), np.zeros((1, 1)))]
    assert_array_equal(room.optimizers.clip(np, zero, 1.0)[0][0], np.zeros((1, 2)))


def check_schedules(room):
    """Schedules at points that can be worked out in the head."""
    s = room.schedules
    cosine = s.Cosine(0.4, final=0.1)
    assert_allclose([cosine(t, 100) for t in (0, 50, 100)], [0.4, 0.25, 0.1], rtol=1e-12)
    assert_allclose(cosine(25, 100), 0.25 + 0.15 * math.sqrt(0.5), rtol=1e-12)
    warm = s.Cosine(0.4, warmup=0.1)
    assert_allclose([warm(t, 100) for t in (0, 4, 9, 10)], [0.4 * k / 11 for k in (1, 5, 10, 11)])
    halving = s.Exponential(0.8, factor=0.5, every=10)
    assert_allclose([halving(t, 0) for t in (0, 10, 20)], [0.8, 0.4, 0.2], rtol=1e-12)
    assert_allclose(halving(5, 0), 0.8 * math.sqrt(0.5), rtol=1e-12)
    stairs = s.Exponential(0.8, factor=0.5, every=10, stairs=True)
    assert_allclose([stairs(t, 0) for t in (0, 9, 10, 19)], [0.8, 0.8, 0.4, 0.4], rtol=1e-12)
    inverse = s.InverseTime(0.6, half_life=50)
    assert_allclose([inverse(t, 0) for t in (0, 50, 100)], [0.6, 0.3, 0.2], rtol=1e-12)
