"""Update rules of the compiled programs.

The rules are those of :mod:`gpunet.core.optimizers`; tests hold them against each other. Plain descent and momentum are
linear in the gradient, so a product ``δ Aᵀ`` can be accumulated where it belongs without an array of gradients:
:class:`LinearStep` says how. Every program uses it, and :func:`update` does for those two rules.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.optimizers import Adam, AdamW, GradientDescent, Optimizer, RMSprop
from gpunet_numpy.compiled.intrinsics import cast, inlined, inner, noinline

PLAIN, MOMENTUM, NESTEROV, ADAM, RMSPROP = range(5)
ADAM_RATE, ADAM_ROOT = 1, 2  # of Adam's coefficients: α / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ)


class Rule(NamedTuple):
    """A rule and its constants, in the precision of the parameters."""

    code: int
    decay: Any  # λ
    beta1: Any  # β of momentum, β₁ of Adam
    beta2: Any  # β₂ of Adam, ρ of RMSprop
    epsilon: Any
    penalized: int  # whether a step's last coefficient is the strength of an L2 penalty


def rule_of(optimizer: Optimizer, dtype: str = "float64", penalized: bool = False) -> Rule | None:
    """The rule of an optimizer, or None: a subclass may have an update of its own."""
    code, beta1, beta2, epsilon = PLAIN, 0.0, 0.0, 0.0
    if type(optimizer) is GradientDescent:
        if optimizer.momentum:
            code, beta1 = (NESTEROV if optimizer.nesterov else MOMENTUM), optimizer.momentum
    elif type(optimizer) is RMSprop:
        code, beta2, epsilon = RMSPROP, optimizer.decay, optimizer.epsilon
    elif type(optimizer) is Adam or type(optimizer) is AdamW:
        code, beta1, beta2, epsilon = ADAM, optimizer.beta1, optimizer.beta2, optimizer.epsilon
    else:
        return None
    decay, beta1, beta2, epsilon = np.array([optimizer.weight_decay, beta1, beta2, epsilon], dtype=dtype)
    return Rule(code, decay, beta1, beta2, epsilon, int(penalized))


@inner
def shrinkage(rule: Any, c: Any) -> Any:
    """What weight decay leaves of W: ``1 − αλ``. For plain descent an L2 penalty is decay too."""
    if rule.penalized and rule.code == PLAIN:
        return cast(1, c) - c[0] * (rule.decay + c[c.size - 1])
    return cast(1, c) - c[0] * rule.decay


@inner
def penalty_factor(rule: Any, c: Any, in_place: Any) -> Any:
    """How often W is added to its complete gradient for an L2 penalty, or to its momentum where that stands for it.

    0 without a penalty, and for plain descent: see :func:`shrinkage`.
    """
    if not rule.penalized or rule.code == PLAIN:
        return cast(0, c)
    strength = c[c.size - 1]
    return (cast(1, c) - rule.beta1) * strength if in_place else strength


class LinearStep(NamedTuple):
    """One step of a rule that is linear in the gradient g: plain descent or momentum.

    ``target ← keep · target + factor · g``, the target being v if there is momentum, else θ. Then, with momentum,
    ``θ ← shrink · θ − rate · v``: see :func:`follow`.
    """

    momentum: Any  # bool
    keep: Any
    factor: Any
    shrink: Any
    rate: Any


@inner
def linear_step(rule: Any, c: Any, shrink: Any) -> Any:
    """The step of weights, or of biases with a `shrink` of 1, from the rule and its coefficients."""
    if rule.code == MOMENTUM:
        return LinearStep(True, rule.beta1, cast(1, c) - rule.beta1, shrink, c[0])
    return LinearStep(False, shrink, -c[0], shrink, c[0])


@inlined
def follow(step: Any, theta: Any, v: Any) -> None:
    """``θ ← shrink · θ − α v``, the second half of a step with momentum."""
    for i in range(theta.size):
        theta[i] = step.shrink * theta[i] - step.rate * v[i]


@inner
def update(rule: Any, c: Any, shrink: Any, theta: Any, v: Any, s: Any, g: Any) -> None:
    """One step of the parameters θ along their gradient g.

    v and s are the rule's first and second slot. `shrink` is :func:`shrinkage` for weights, 1 for biases.
    """
    noinline()
    one, rate = cast(1, c), c[0]
    if rule.code <= MOMENTUM:
        step = linear_step(rule, c, shrink)
        target = v if step.momentum else theta
        for i in range(g.size):
            target[i] = step.keep * target[i] + step.factor * g[i]
        if step.momentum:
            follow(step, theta, v)
    elif rule.code == NESTEROV:
        beta = rule.beta1
        for i in range(g.size):
            v[i] = beta * v[i] + (one - beta) * g[i]
            theta[i] = shrink * theta[i] - rate * (beta * v[i] + (one - beta) * g[i])
    elif rule.code == ADAM:
        beta1, beta2 = rule.beta1, rule.beta2
        for i in range(g.size):
            v[i] = beta1 * v[i] + (one - beta1) * g[i]
            s[i] = beta2 * s[i] + (one - beta2) * g[i] * g[i]
            theta[i] = shrink * theta[i] - c[ADAM_RATE] * v[i] / (
                c[ADAM_ROOT] * math.sqrt(s[i]) + rule.epsilon
            )
    else:
        rho = rule.beta2
        for i in range(g.size):
            v[i] = rho * v[i] + (one - rho) * g[i] * g[i]
            theta[i] = shrink * theta[i] - rate * g[i] / (math.sqrt(v[i]) + rule.epsilon)
