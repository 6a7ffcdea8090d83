"""Update rules of the compiled programs, over a range of parameters.

The rules are those of :mod:`gpunet.core.optimizers`; tests hold them against each other. `numbers` holds
their constants in the parameters' precision: weight decay λ, then momentum β and Nesterov's flag, or Adam's β₁, β₂
and ε, or RMSprop's ρ and ε.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from gpunet.core.optimizers import Adam, GradientDescent, Optimizer, RMSprop
from gpunet_numpy.compiled.machine import INNER, apart, reals

PLAIN, MOMENTUM, NESTEROV, ADAM, RMSPROP = range(5)


def rule_of(optimizer: Optimizer) -> tuple[int, tuple[float, ...]]:
    """The rule's code and its `numbers`."""
    if isinstance(optimizer, GradientDescent):
        code = (NESTEROV if optimizer.nesterov else MOMENTUM) if optimizer.momentum else PLAIN
        return code, (optimizer.weight_decay, optimizer.momentum, 0.0, 0.0)
    if isinstance(optimizer, RMSprop):
        return RMSPROP, (optimizer.weight_decay, optimizer.decay, 0.0, optimizer.epsilon)
    assert isinstance(optimizer, Adam)
    return ADAM, (optimizer.weight_decay, optimizer.beta1, optimizer.beta2, optimizer.epsilon)


@njit(**INNER)
def goal(
    rule: Any, in_place: Any, W: Any, slot: Any, G: Any, first: Any, c: Any, numbers: Any, one: Any
) -> Any:
    """Where a product ``δ Aᵀ`` goes: ``out ← keep · out + factor · δ Aᵀ``; returns ``(out, keep, factor)``.

    Plain descent goes into W, momentum into its v, `slot` bytes further on, and all else into a gradient at G,
    which the first piece of a batch begins.
    """
    if in_place and rule == PLAIN:
        return W, one - c[0] * numbers[0], -c[0]
    if in_place:
        return W + slot, numbers[1], one - numbers[1]
    return G, one - one if first else one, one


@njit(**INNER)
def finish(
    rule: Any, in_place: Any, W: Any, slot: Any, G: Any, n: Any, c: Any, numbers: Any, one: Any
) -> None:
    """What is left to do for n weights when their batch's products are where they go."""
    if not in_place:
        follow(rule, W, slot, G, n, c, numbers, True, one)
    elif rule == MOMENTUM:  # W ← (1 − αλ) W − α v
        keep = one - c[0] * numbers[0]
        theta, v = reals(W, one), reals(W + slot, one)
        for i in range(n):
            theta[i] = keep * theta[i] - c[0] * v[i]


@njit(**INNER)
def follow(rule: Any, p: Any, slot: Any, g: Any, n: Any, c: Any, numbers: Any, decays: Any, one: Any) -> None:
    """One step of the n parameters at `p` along their gradient at `g`.

    The rule's first slot for them lies `slot` bytes further on, its second as much again.
    """
    apart()
    theta, gradient = reals(p, one), reals(g, one)
    keep = one - c[0] * numbers[0] if decays else one
    rate = c[0]
    if rule == PLAIN:
        for i in range(n):
            theta[i] = keep * theta[i] - rate * gradient[i]
        return
    v = reals(p + slot, one)
    if rule == MOMENTUM:
        beta = numbers[1]
        for i in range(n):
            v[i] = beta * v[i] + (one - beta) * gradient[i]
            theta[i] = keep * theta[i] - rate * v[i]
    elif rule == NESTEROV:
        beta = numbers[1]
        for i in range(n):
            v[i] = beta * v[i] + (one - beta) * gradient[i]
            theta[i] = keep * theta[i] - rate * (beta * v[i] + (one - beta) * gradient[i])
    elif rule == ADAM:
        beta1, beta2, epsilon = numbers[1], numbers[2], numbers[3]
        rate, root = c[1], c[2]
        s = reals(p + slot + slot, one)
        for i in range(n):
            v[i] = beta1 * v[i] + (one - beta1) * gradient[i]
            s[i] = beta2 * s[i] + (one - beta2) * gradient[i] * gradient[i]
            theta[i] = keep * theta[i] - rate * v[i] / (root * math.sqrt(s[i]) + epsilon)
    else:
        rho, epsilon = numbers[1], numbers[3]
        for i in range(n):
            v[i] = rho * v[i] + (one - rho) * gradient[i] * gradient[i]
            theta[i] = keep * theta[i] - rate * gradient[i] / (math.sqrt(v[i]) + epsilon)
