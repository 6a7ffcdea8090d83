"""Update rules of the compiled programs, over a range of parameters.

The rules are those of :mod:`gpunet.optimizers`; tests hold them against each other. `numbers` holds
their constants in the parameters' precision: weight decay λ, then momentum β and Nesterov's flag, or Adam's β₁, β₂
and ε, or RMSprop's ρ and ε.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from gpunet.optimizers import Adam, GradientDescent, Optimizer, RMSprop
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
def decay_and_step(p: Any, v: Any, n: Any, rate: Any, decay: Any, one: Any) -> None:
    """``θ ← (1 − αλ) θ − α v`` for the n numbers at each address."""
    apart()
    keep = one - rate * decay
    theta, along = reals(p, n, one), reals(v, n, one)
    for i in range(n):
        theta[i] = keep * theta[i] - rate * along[i]


@njit(**INNER)
def follow(
    rule: Any, p: Any, slots: Any, slot: Any, g: Any, n: Any, c: Any, numbers: Any, decays: Any, one: Any
) -> None:
    """One step of the n parameters at `p` along their gradient at `g`.

    The rule's slots for them lie at ``slots``, each `slot` bytes after the one before.
    """
    apart()
    theta, gradient = reals(p, n, one), reals(g, n, one)
    keep = one - c[0] * numbers[0] if decays else one
    rate = c[0]
    if rule == PLAIN:
        for i in range(n):
            theta[i] = keep * theta[i] - rate * gradient[i]
        return
    v = reals(slots, n, one)
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
        s = reals(slots + slot, n, one)
        for i in range(n):
            v[i] = beta1 * v[i] + (one - beta1) * gradient[i]
            s[i] = beta2 * s[i] + (one - beta2) * gradient[i] * gradient[i]
            theta[i] = keep * theta[i] - rate * v[i] / (root * math.sqrt(s[i]) + epsilon)
    else:
        rho, epsilon = numbers[1], numbers[3]
        for i in range(n):
            v[i] = rho * v[i] + (one - rho) * gradient[i] * gradient[i]
            theta[i] = keep * theta[i] - rate * gradient[i] / (math.sqrt(v[i]) + epsilon)
