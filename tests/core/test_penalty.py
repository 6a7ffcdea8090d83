"""The L2 penalty against PyTorch's autograd, and on every backend's programs in tests/backends."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import gpunet as gn
import random_plans
from gpunet.core.penalty import add_gradients, penalty
from gpunet.core.reference import Reference


def test_cost_and_gradients_are_those_of_autograd(rng):
    torch = pytest.importorskip("torch")
    parameters = [
        (rng.standard_normal((3, 4)), rng.standard_normal((3, 1))),
        (rng.standard_normal((2, 3)), rng.standard_normal((2, 1))),
    ]
    known = [tuple(torch.tensor(p, requires_grad=True) for p in pair) for pair in parameters]
    J = sum(0.5 * 0.7 * (W**2).sum() for W, _ in known)
    J.backward()
    found = penalty(np, parameters, 0.7)
    assert_allclose(found, J.item(), rtol=1e-12)
    gradients = [(np.full_like(W, 5.0), np.full_like(b, 6.0)) for W, b in parameters]
    for (dW, db), (W, _) in zip(add_gradients(gradients, parameters, 0.7), known, strict=True):
        assert_allclose(dW, 5.0 + W.grad.numpy(), rtol=1e-12)
        assert (db == 6.0).all()


def test_plain_descent_with_a_penalty_is_weight_decay():
    """``W − α (g + λ W) = (1 − αλ) W − α g``."""
    plan = random_plans.plan_of("three-hidden", gn.GradientDescent(0.05), 75)
    state, inputs = random_plans.draw(plan)
    decayed = replace(plan, optimizer=gn.GradientDescent(0.05, weight_decay=0.4))
    expected, losses = Reference(np, decayed)(state, inputs)
    plan, inputs = random_plans.with_penalty(plan, inputs)
    found, with_penalty = Reference(np, plan)(state, inputs)
    for (W, b), (X, c) in zip(found.parameters, expected.parameters, strict=True):
        assert_allclose(W, X, rtol=1e-12)
        assert_allclose(b, c, rtol=1e-12)
    assert_allclose(with_penalty, losses + penalty(np, state.parameters, 0.4), rtol=1e-12)


def test_adam_sees_the_penalty():
    plan = random_plans.plan_of("softmax", gn.Adam(0.01), 32)
    state, inputs = random_plans.draw(plan)
    without, _ = Reference(np, plan)(state, inputs)
    plan, inputs = random_plans.with_penalty(plan, inputs)
    with_one, _ = Reference(np, plan)(state, inputs)
    assert np.abs(without.parameters[0][0] - with_one.parameters[0][0]).max() > 1e-3
