"""Update rules of the compiled programs.

The rules are those of :mod:`gpunet.core.optimizers`; tests hold them against each other. Plain descent and momentum are
linear in the gradient, so a product ``δ Aᵀ`` can be accumulated where it belongs without an array of gradients:
:class:`LinearStep` says how. Every program uses it, and :func:`update` does for those two rules.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gpunet_numpy.compiled.intrinsics import cast, inlined, inner, noinline
from gpunet_numpy.compiled.rules import ADAM, ADAM_RATE, ADAM_ROOT, MOMENTUM, NESTEROV, PLAIN


@inner
def shrinkage(rule: Any, c: Any) -> Any:
    """What weight decay leaves of W: ``1 − αλ``. For plain descent an L2 penalty is decay too, unless it is clipped."""
    if rule.penalized and rule.code == PLAIN and rule.clip_norm == 0:
        return cast(1, c) - c[0] * (rule.decay + c[c.size - 1])
    return cast(1, c) - c[0] * rule.decay


@inner
def penalty_factor(rule: Any, c: Any, in_place: Any) -> Any:
    """How often W is added to its complete gradient for an L2 penalty, or to its momentum where that stands for it.

    0 without a penalty, and where it is decay: see :func:`shrinkage`.
    """
    if not rule.penalized or (rule.code == PLAIN and rule.clip_norm == 0):
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
