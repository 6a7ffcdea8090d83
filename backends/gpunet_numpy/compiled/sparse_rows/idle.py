"""Updates of weights whose gradient is 0, many at a time.

With ``g = 0`` a slot only decays, ``v ← β v``, so after k updates it is ``βᵏ v``: powers that all weights share. The
weights follow, ``θ ← shrink · θ − step``. Momentum's step is ``α βᵏ v``, so that many steps are one multiple of v.
Adam's is

    α / (1 − β₁ᵗ) · β₁ᵏ v / (√(β₂ᵏ s) / √(1 − β₂ᵗ) + ε)

with ``√(β₂ᵏ s) = √β₂ᵏ √s``: one root for all steps, and a division for each. But for rounding these are the updates of
:func:`gpunet_numpy.compiled.updates.update`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet_numpy.compiled.gemv import add
from gpunet_numpy.compiled.intrinsics import cast, inlined, inner, noinline
from gpunet_numpy.compiled.updates import (
    ADAM,
    ADAM_RATE,
    ADAM_ROOT,
    NESTEROV,
    PLAIN,
    RMSPROP,
    Rule,
    shrinkage,
)

NEGLIGIBLE = 2.0**-64  # of a first step, for one of the later ones


def powers_of(rule: Rule, steps: int) -> Any:
    """``(2, steps + 2)``: what k updates leave of the first slot, βᵏ; and the root of what they leave of the second."""
    first = rule.beta2 if rule.code == RMSPROP else rule.beta1
    return np.array([[float(first)], [math.sqrt(float(rule.beta2))]]) ** np.arange(steps + 2)


@inner
def idle(rule: Any, coefficients: Any, powers: Any, row: Any, roots: Any, first: Any, last: Any) -> None:
    """The updates number `first` to `last` − 1 of ``row = (θ, v, s)``, without an L2 penalty.

    `coefficients` are those of all updates, `powers` what :func:`powers_of` returns; `roots` is overwritten.
    """
    noinline()
    theta, v, s = row
    k, at = last - first, first
    moves = rule.code != PLAIN and rule.code != RMSPROP and not all_zero(v)
    if moves and rule.code == ADAM:
        at = adam_steps(rule, coefficients, powers, row, roots, first, last)
    if rule.decay != 0:
        shrink = cast(1, theta)
        for t in range(at, last):
            shrink *= shrinkage(rule, coefficients[t])
        scale(theta, shrink)
    if moves and rule.code != ADAM:
        add(theta, -momentum_steps(rule, coefficients, powers, first, last), v)
    if rule.code != PLAIN:
        scale(v, cast(powers[0, k], v))
    if rule.code == ADAM:
        scale(s, cast(powers[1, k] * powers[1, k], s))


@inner
def momentum_steps(rule: Any, coefficients: Any, powers: Any, first: Any, last: Any) -> Any:
    """Which multiple of v these steps of momentum take from θ."""
    total, one = cast(0, coefficients), cast(1, coefficients)
    ahead = int(rule.code == NESTEROV)  # its step is along the v that comes next
    for t in range(first, last):
        total = shrinkage(rule, coefficients[t]) * total
        total += coefficients[t, 0] * cast(powers[0, t - first + 1 + ahead], one)
    return total


@inner
def adam_steps(rule: Any, coefficients: Any, powers: Any, row: Any, roots: Any, first: Any, last: Any) -> Any:
    """Adam's steps and decay of θ, until a step is negligible; at which one that is, or `last`."""
    noinline()
    theta, v, s = row
    for i in range(theta.size):
        roots[i] = math.sqrt(s[i])
    for t in range(first, last):
        k, c = t - first + 1, coefficients[t]
        if powers[0, k] < NEGLIGIBLE * powers[1, k]:
            return t
        rate = c[ADAM_RATE] * cast(powers[0, k], theta)
        root = c[ADAM_ROOT] * cast(powers[1, k], theta)
        shrink = shrinkage(rule, c)
        for i in range(theta.size):
            theta[i] = shrink * theta[i] - rate * v[i] / (root * roots[i] + rule.epsilon)
    return last


@inlined
def scale(x: Any, factor: Any) -> None:
    """``x ← factor · x``."""
    for i in range(x.size):
        x[i] *= factor


@inner
def all_zero(v: Any) -> Any:
    """Whether a vector is 0."""
    other = 0
    for i in range(v.size):
        other += v[i] != 0
    return other == 0
