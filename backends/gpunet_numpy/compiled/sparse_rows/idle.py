"""Updates of weights whose gradient is 0, many at a time.

With ``g = 0`` a slot only decays, ``v ← β v``, so after k updates it is ``βᵏ v``: powers that all weights share. The
weights follow, ``θ ← shrink · θ − step``. Momentum's step is ``α βᵏ v``, so that many steps are one multiple of v.
Adam's k-th step is

    a v / (b √s + ε)    a = α β₁ᵏ / (1 − β₁ᵗ)    b = √(β₂ᵏ / (1 − β₂ᵗ))

with v and s as they are before the first: one root for all steps. Values of b that follow each other differ by little.
With c in the middle of some of them, and ``ρ = c √s / (c √s + ε)``, which lies between 0 and 1,

    a v / (b √s + ε) = a v / (c √s + ε) · (1 − δρ + δ²ρ² − …)    δ = b / c − 1

The sums of ``a δʲ`` are numbers that all weights share, so that many steps take one division and a polynomial in ρ.
But for rounding these are the updates of :func:`gpunet_numpy.compiled.updates.update`.
"""

from __future__ import annotations

import math
from typing import Any

from gpunet_numpy.compiled.gemv import add
from gpunet_numpy.compiled.intrinsics import cast, inlined, inner, itemsize, noinline
from gpunet_numpy.compiled.rules import ADAM, ADAM_RATE, ADAM_ROOT, NESTEROV, PLAIN, RMSPROP
from gpunet_numpy.compiled.updates import shrinkage

NEGLIGIBLE = 2.0**-64  # of a first step, for one of the later ones
SMALLEST = 2.0**-100  # value of b that can be compared with another: it may have underflowed
WORTH_A_SERIES = 3  # steps
WIDTH, WIDTH_DOUBLE = 2.0**-4, 2.0**-9  # of δ: δ⁶ is less than rounding


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
    at = first
    while at < last:
        if negligible(powers, at - first + 1):
            return at
        rate, root = step_of(coefficients, powers, at, first, theta)
        end = at + 1
        if root > SMALLEST:
            end = series_end(coefficients, powers, first, at, last, root)
        if end - at < WORTH_A_SERIES:
            shrink = shrinkage(rule, coefficients[at])
            for i in range(theta.size):
                theta[i] = shrink * theta[i] - rate * v[i] / (root * roots[i] + rule.epsilon)
            at += 1
        else:
            series(rule, coefficients, powers, (theta, v, roots), first, at, end)
            at = end
    return last


@inlined
def negligible(powers: Any, k: Any) -> Any:
    """Whether the k-th step is, against the first."""
    return powers[0, k] < NEGLIGIBLE * powers[1, k]


@inlined
def step_of(coefficients: Any, powers: Any, t: Any, first: Any, like: Any) -> Any:
    """The a and b of step t, where v and s are those before step `first`; see the module's docstring."""
    k, c = t - first + 1, coefficients[t]
    return c[ADAM_RATE] * cast(powers[0, k], like), c[ADAM_ROOT] * cast(powers[1, k], like)


@inlined
def series_end(coefficients: Any, powers: Any, first: Any, at: Any, last: Any, b: Any) -> Any:
    """Up to where the steps from `at` on, whose b is given, have ones close enough for :func:`series`."""
    one, width = cast(1, b), cast(WIDTH if itemsize(b) == 4 else WIDTH_DOUBLE, b)
    smallest, end = b * (one - width) / (one + width), at + 1  # b falls from step to step
    while end < last and not negligible(powers, end - first + 1):
        if step_of(coefficients, powers, end, first, b)[1] < smallest:
            return end
        end += 1
    return end


@inner
def series(rule: Any, coefficients: Any, powers: Any, row: Any, first: Any, at: Any, end: Any) -> None:
    """The steps from `at` to `end` with one division; see the module's docstring.

    `row` is ``(θ, v, √s)``.
    """
    theta, v, roots = row
    one, zero = cast(1, theta), cast(0, theta)
    _, begin = step_of(coefficients, powers, at, first, theta)
    _, stop = step_of(coefficients, powers, end - 1, first, theta)
    c = (begin + stop) / cast(2, theta)
    s0, s1, s2, s3, s4, s5, shrink = zero, zero, zero, zero, zero, zero, one
    for t in range(at, end):
        a, b = step_of(coefficients, powers, t, first, theta)
        d, left = b / c - one, shrinkage(rule, coefficients[t])
        shrink *= left
        s0 = left * s0 + a
        a *= d
        s1 = left * s1 + a
        a *= d
        s2 = left * s2 + a
        a *= d
        s3 = left * s3 + a
        a *= d
        s4 = left * s4 + a
        a *= d
        s5 = left * s5 + a
    for i in range(theta.size):
        q = one / (c * roots[i] + rule.epsilon)
        x = rule.epsilon * q - one  # −ρ
        total = s0 + x * (s1 + x * (s2 + x * (s3 + x * (s4 + x * s5))))
        theta[i] = shrink * theta[i] - v[i] * total * q


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
