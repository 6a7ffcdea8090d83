"""Update rules of the compiled programs, over a range of the flat parameters.

The rules are those of :mod:`gpunet.optimizers`; tests hold them against each other. `numbers` holds
their constants in the parameters' precision: weight decay λ, then momentum β and Nesterov's flag, or Adam's β₁, β₂
and ε, or RMSprop's ρ and ε.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from gpunet.optimizers import Adam, GradientDescent, Optimizer, RMSprop
from gpunet_numpy.compiled.machine import INNER, apart

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
def decay_and_step(theta: Any, along: Any, first: Any, last: Any, rate: Any, decay: Any) -> None:
    """``θ ← (1 − αλ) θ − α v``."""
    apart()
    keep = theta.dtype.type(1) - rate * decay
    p, v = theta[first:last], along[first:last]
    for i in range(p.size):
        p[i] = keep * p[i] - rate * v[i]


@njit(**INNER)
def follow(
    rule: Any,
    theta: Any,
    slots: Any,
    gradient: Any,
    first: Any,
    last: Any,
    shift: Any,
    c: Any,
    numbers: Any,
    decays: Any,
) -> None:
    """One step of θ[first:last] along ``gradient[first + shift : last + shift]``."""
    apart()
    one = theta.dtype.type(1)
    p, g = theta[first:last], gradient[first + shift : last + shift]
    keep = one - c[0] * numbers[0] if decays else one
    rate = c[0]
    n = p.size
    if rule == 0:
        for i in range(n):
            p[i] = keep * p[i] - rate * g[i]
    elif rule == 1:
        beta = numbers[1]
        v = slots[0, first:last]
        for i in range(n):
            v[i] = beta * v[i] + (one - beta) * g[i]
            p[i] = keep * p[i] - rate * v[i]
    elif rule == 2:
        beta = numbers[1]
        v = slots[0, first:last]
        for i in range(n):
            v[i] = beta * v[i] + (one - beta) * g[i]
            p[i] = keep * p[i] - rate * (beta * v[i] + (one - beta) * g[i])
    elif rule == 3:
        beta1, beta2, epsilon = numbers[1], numbers[2], numbers[3]
        rate, root = c[1], c[2]
        v, s = slots[0, first:last], slots[1, first:last]
        for i in range(n):
            v[i] = beta1 * v[i] + (one - beta1) * g[i]
            s[i] = beta2 * s[i] + (one - beta2) * g[i] * g[i]
            p[i] = keep * p[i] - rate * v[i] / (root * math.sqrt(s[i]) + epsilon)
    else:
        rho, epsilon = numbers[1], numbers[3]
        s = slots[0, first:last]
        for i in range(n):
            s[i] = rho * s[i] + (one - rho) * g[i] * g[i]
            p[i] = keep * p[i] - rate * g[i] / (math.sqrt(s[i]) + epsilon)
