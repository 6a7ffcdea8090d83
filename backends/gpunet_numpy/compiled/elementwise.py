"""Activations and losses of the compiled programs: bias and g in one pass, δ in another, both in place.

Vectors are addresses, of n numbers of one example. The formulas are those of :mod:`gpunet.core.activations` and
:mod:`gpunet.core.losses`, in the forms that need A only; tests hold them against each other.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from gpunet.core.activations import LEAK
from gpunet_numpy.compiled.machine import INNER, apart, bytes_of, exp, real, reals

ACTIVATION = {"identity": 0, "sigmoid": 1, "tanh": 2, "relu": 3, "leaky_relu": 4, "softmax": 5}
# Below it three terms of tanh's series after the first are exact to the last bit: in float32, and in float64.
NEAR, NEAR_DOUBLE = 0.1, 0.003
LOSS = {"cross_entropy": 0, "logistic": 1, "squared_error": 2, "absolute_error": 3}


@njit(**INNER)
def activate(code: Any, at_z: Any, at_b: Any, n: Any, one: Any) -> None:
    """``z ← g(z + b)``."""
    apart()
    z, b, zero = reals(at_z, one), reals(at_b, one), one - one
    if code == 0:
        for i in range(n):
            z[i] = z[i] + b[i]
    elif code == 1:
        for i in range(n):
            z[i] = one / (one + exp(-(z[i] + b[i])))
    elif code == 2:
        third, fifth, seventh = real(-1 / 3, one), real(2 / 15, one), real(-17 / 315, one)
        near = real(NEAR if bytes_of(one) == 4 else NEAR_DOUBLE, one)
        for i in range(n):
            z[i] = _tanh(z[i] + b[i], one, near, third, fifth, seventh)
    elif code == 3:
        for i in range(n):
            x = z[i] + b[i]
            z[i] = zero if x < zero else x
    elif code == 4:
        leak = real(LEAK, one)
        for i in range(n):
            x = z[i] + b[i]
            z[i] = leak * x if x < zero else x
    else:
        top = z[0] + b[0]
        for i in range(n):
            z[i] = z[i] + b[i]
            top = z[i] if z[i] > top else top
        total = zero
        for i in range(n):
            z[i] = exp(z[i] - top)
            total += z[i]
        for i in range(n):
            z[i] = z[i] / total


@njit(**INNER)
def _tanh(x: Any, one: Any, near: Any, third: Any, fifth: Any, seventh: Any) -> Any:
    """``tanh x`` by way of ``e^−2|x|``; Taylor's series near 0, where that would cancel."""
    size = abs(x)
    e = exp(-(size + size))
    s = x * x
    series = size * (one + s * (third + s * (fifth + s * seventh)))
    far = (one - e) / (one + e)
    value = series if size < near else far
    return -value if x < 0 else value


@njit(**INNER)
def _log1p(x: Any, one: Any) -> Any:
    """``log(1 + x)`` for x from 0 to 1."""
    if bytes_of(one) == 8:
        return real(math.log1p(x), one)
    # 2 artanh s, s = x / (2 + x) ≤ ⅓: the first term left out is below a float32's last bit.
    s = x / (one + one + x)
    q = s * s
    total = real(1 / 13, one)
    for n in range(11, 0, -2):
        total = total * q + real(1.0 / n, one)
    return (s + s) * total


@njit(**INNER)
def slope(code: Any, at_d: Any, at_a: Any, n: Any, one: Any) -> None:
    """``d ← d ∘ g′``, from ``a = g(z)``."""
    apart()
    d, a, zero = reals(at_d, one), reals(at_a, one), one - one
    if code == 1:
        for i in range(n):
            d[i] = d[i] * a[i] * (one - a[i])
    elif code == 2:
        for i in range(n):
            d[i] = d[i] * (one - a[i] * a[i])
    elif code == 3:
        for i in range(n):
            d[i] = d[i] if a[i] > zero else zero
    elif code == 4:
        leak = real(LEAK, one)
        for i in range(n):
            d[i] = d[i] if a[i] > zero else leak * d[i]
    elif code == 5:
        dot = zero
        for i in range(n):
            dot += d[i] * a[i]
        for i in range(n):
            d[i] = a[i] * (d[i] - dot)


@njit(**INNER)
def output(code: Any, loss: Any, at_z: Any, at_b: Any, at_y: Any, at_d: Any, n: Any, one: Any) -> Any:
    """Output and error of one example: ``z ← a = g(z + b)``, ``d ← ∂L/∂z``; returns L.

    The natural pairs take L from z and have ``∂L/∂z = a − y`` (C9).
    """
    apart()
    z, b, y, d, zero = reals(at_z, one), reals(at_b, one), reals(at_y, one), reals(at_d, one), one - one
    L = 0.0
    if loss == 0:
        top = z[0] + b[0]
        for k in range(n):
            z[k] = z[k] + b[k]
            top = max(top, z[k])
        weight, total = zero, zero
        for k in range(n):
            x = z[k] - top
            L -= y[k] * x
            weight += y[k]
            z[k] = exp(x)
            total += z[k]
        for k in range(n):
            z[k] = z[k] / total
            d[k] = z[k] - y[k]
        return L + weight * math.log(float(total))
    if loss == 1:
        for k in range(n):
            x = z[k] + b[k]
            e = exp(-abs(x))
            L += max(x, zero) - x * y[k] + _log1p(e, one)
            z[k] = (one if x >= zero else e) / (one + e)
            d[k] = z[k] - y[k]
        return L
    activate(code, at_z, at_b, n, one)
    if loss == 2:
        for k in range(n):
            d[k] = z[k] - y[k]
            L += 0.5 * d[k] * d[k]
    else:
        for k in range(n):
            e = z[k] - y[k]
            L += abs(e)
            d[k] = one if e > zero else (-one if e < zero else zero * e)
    slope(code, at_d, at_z, n, one)
    return L
