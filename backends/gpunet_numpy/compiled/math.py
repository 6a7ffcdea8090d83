"""Activations and losses of one example: bias and g in one pass, δ in another, both in place.

The formulas are those of :mod:`gpunet.core.activations` and :mod:`gpunet.core.losses`, in the forms that need A only;
tests hold them against each other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from gpunet.core.activations import GELU_CUBIC, GELU_ROOT, LEAK, SELU_ALPHA, SELU_SCALE
from gpunet_numpy.compiled.codes import (
    CROSS_ENTROPY,
    ELU,
    GELU,
    IDENTITY,
    LEAKY_RELU,
    LOGISTIC,
    MISH,
    RELU,
    SELF_GATED,
    SELU,
    SIGMOID,
    SOFTPLUS,
    SQUARED_ERROR,
    TANH,
)
from gpunet_numpy.compiled.intrinsics import (
    INNER,
    bits_of,
    cast,
    float_of,
    inlined,
    inner,
    itemsize,
    noinline,
)

LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.0)
HIGHEST_DOUBLE = 709.0
LOG2_E = np.float32(1.4426950408889634)
ROUND = np.float32(1.5 * 2**23)  # adding it leaves the rounded number in the low bits
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is ln 2
# Minimax polynomial for (e^r − 1 − r)/r² on |r| ≤ ½ ln 2 (the coefficients of the Cephes library).
P0, P1, P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
P3, P4, P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
ONE = np.float32(1.0)
LN2, ROOT2 = np.float32(0.6931471805599453), np.float32(1.4142135623730951)
# Below it three terms of tanh's series after the first are exact to the last bit: in float32, and in float64.
NEAR, NEAR_DOUBLE = 0.1, 0.003
STEEP = 20.0  # from here on mish is z, in both precisions
FAR = 100.0  # from here on the others are z, or 0 for -z


def _exp_single(x):  # type: ignore[no-untyped-def]
    # x = n ln 2 + r, e^x = 2^n e^r
    if x < LOWEST:
        x = LOWEST
    if x > HIGHEST:
        x = HIGHEST
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = ((((P0 * r + P1) * r + P2) * r + P3) * r + P4) * r + P5
    power = float_of((bits_of(shifted) << np.int32(23)) + np.int32(0x3F800000))
    return (p * r * r + r + ONE) * power


def _exp_double(x):  # type: ignore[no-untyped-def]
    return math.exp(min(x, HIGHEST_DOUBLE))


def exp(x: Any) -> Any:
    """``e^x`` in x's precision; saturates at the ends of the range, keeps NaN."""
    return _exp_single(x) if isinstance(x, np.float32) else np.float64(_exp_double(x))


# Not with fast-math, which would undo the rounding by ROUND.
@overload(exp, inline="never", jit_options={**INNER, "fastmath": False})
def _exp(x):  # type: ignore[no-untyped-def]
    return _exp_single if x == types.float32 else _exp_double


@inner
def tanh(x: Any) -> Any:
    """``tanh x`` by way of ``e^−2|x|``; Taylor's series near 0, where that would cancel."""
    one, size = cast(1, x), abs(x)
    third, fifth, seventh = cast(-1 / 3, x), cast(2 / 15, x), cast(-17 / 315, x)
    near = cast(NEAR if itemsize(x) == 4 else NEAR_DOUBLE, x)
    e = exp(-(size + size))
    s = x * x
    series = size * (one + s * (third + s * (fifth + s * seventh)))
    far = (one - e) / (one + e)
    value = series if size < near else far
    return -value if x < 0 else value


@inner
def log1p(x: Any) -> Any:
    """``log(1 + x)`` for x from 0 to 1."""
    if itemsize(x) == 8:
        return cast(math.log1p(x), x)
    # 2 artanh s, s = x / (2 + x) ≤ ⅓: the first term left out is below a float32's last bit.
    s = x / (cast(2, x) + x)
    q = s * s
    total = cast(1 / 13, x)
    for n in range(11, 0, -2):
        total = total * q + cast(1.0 / n, x)
    return (s + s) * total


@inner
def log(x: Any) -> Any:
    """``log x`` for x from 1 on; of no use for NaN."""
    if itemsize(x) == 8:
        return cast(math.log(x), x)
    # x = 2^n y; 2 artanh s, s = (y − 1) / (y + 1), |s| ≤ 0.172: the first term left out is below a float32's last bit.
    one = cast(1, x)
    bits = bits_of(x)
    y = float_of((bits & np.int32(0x007FFFFF)) | np.int32(0x3F800000))
    n = cast((bits >> np.int32(23)) - np.int32(127), x)
    large = y > ROOT2
    y = cast(0.5, x) * y if large else y
    n = n + one if large else n
    s = (y - one) / (y + one)
    q = s * s
    total = cast(1 / 9, x)
    for k in range(7, 0, -2):
        total = total * q + cast(1.0 / k, x)
    return n * LN2 + (s + s) * total


@inlined
def sigmoid(x: Any) -> Any:
    """``1 / (1 + e^−x)``."""
    one = cast(1, x)
    return one / (one + exp(-x))


@inlined
def relu(x: Any) -> Any:
    """x, or 0 below 0."""
    return cast(0, x) if x < 0 else x


@inlined
def leaky_relu(x: Any) -> Any:
    """x, or a small part of it below 0."""
    return cast(LEAK, x) * x if x < 0 else x


@inlined
def expm1(x: Any) -> Any:
    """``e^x − 1`` for x ≤ 0, as ``2t / (1 − t)`` with ``t = tanh(x/2)``: nothing cancels near 0."""
    one = cast(1, x)
    t = tanh(x / (one + one))
    return (t + t) / (one - t)


@inlined
def elu(x: Any) -> Any:
    """x, or ``e^x − 1`` below 0."""
    return expm1(x) if x < 0 else x


@inlined
def selu(x: Any) -> Any:
    """``λ x``, or ``λ α (e^x − 1)`` below 0."""
    return cast(SELU_SCALE, x) * (cast(SELU_ALPHA, x) * expm1(x) if x < 0 else x)


@inlined
def softplus(x: Any) -> Any:
    """``log(1 + e^x)``."""
    return relu(x) + log1p(exp(-abs(x)))


@inner
def activate(activation: Any, z: Any, b: Any) -> None:
    """``z ← g(z + b)``."""
    noinline()
    n = z.size
    if activation == IDENTITY:
        for i in range(n):
            z[i] = z[i] + b[i]
    elif activation == SIGMOID:
        for i in range(n):
            z[i] = sigmoid(z[i] + b[i])
    elif activation == TANH:
        for i in range(n):
            z[i] = tanh(z[i] + b[i])
    elif activation == RELU:
        for i in range(n):
            z[i] = relu(z[i] + b[i])
    elif activation == LEAKY_RELU:
        for i in range(n):
            z[i] = leaky_relu(z[i] + b[i])
    elif activation == ELU:
        for i in range(n):
            z[i] = elu(z[i] + b[i])
    elif activation == SELU:
        for i in range(n):
            z[i] = selu(z[i] + b[i])
    elif activation == SOFTPLUS:
        for i in range(n):
            z[i] = softplus(z[i] + b[i])
    else:
        top, total = z[0] + b[0], cast(0, z)
        for i in range(n):
            z[i] = z[i] + b[i]
            top = z[i] if z[i] > top else top
        for i in range(n):
            z[i] = exp(z[i] - top)
            total += z[i]
        for i in range(n):
            z[i] = z[i] / total


@inner
def activate_all(activation: Any, z: Any) -> None:
    """``z ← g(z)`` of numbers that have their bias; softmax couples them and is not among these."""
    noinline()
    n = z.size
    if activation == SIGMOID:
        for i in range(n):
            z[i] = sigmoid(z[i])
    elif activation == TANH:
        for i in range(n):
            z[i] = tanh(z[i])
    elif activation == RELU:
        for i in range(n):
            z[i] = relu(z[i])
    elif activation == LEAKY_RELU:
        for i in range(n):
            z[i] = leaky_relu(z[i])
    elif activation == ELU:
        for i in range(n):
            z[i] = elu(z[i])
    elif activation == SELU:
        for i in range(n):
            z[i] = selu(z[i])
    elif activation == SOFTPLUS:
        for i in range(n):
            z[i] = softplus(z[i])


@inner
def activate_self_gated(activation: Any, z: Any, slopes: Any) -> None:
    """``slopes ← g′(z)``, ``z ← g(z)`` of numbers that have their bias, where g is z times a gate of z."""
    noinline()
    one, n = cast(1, z), z.size
    if activation == MISH:
        # With w = e^z, tanh(log(1 + w)) = q/(q + 2) for q = w (w + 2), and (1 − tanh²) σ(z) = 4 w (1 + w)/(q + 2)².
        two, steep = cast(2, z), cast(STEEP, z)
        for i in range(n):
            x = z[i]
            x = steep if x > steep else x
            w = exp(x)
            q = w * (w + two)
            share = one / (q + two)
            slopes[i] = (q + x * (two + two) * w * (one + w) * share) * share
            z[i] = z[i] * q * share
        return
    # SiLU is z σ(z). GELU's ½ z (1 + tanh u) is z σ(2u). So g = z σ(k) with k = z (linear + cubic z²).
    gelu = activation == GELU
    linear = cast(2 * GELU_ROOT, z) if gelu else one
    cubic = cast(2 * GELU_ROOT * GELU_CUBIC, z) if gelu else one - one
    far = cast(FAR, z)
    for i in range(n):
        x = z[i]
        x = far if x > far else (-far if x < -far else x)
        square = x * x
        gate = sigmoid(x * (linear + cubic * square))
        slopes[i] = gate + gate * (one - gate) * x * (linear + cast(3, x) * cubic * square)
        z[i] = z[i] * gate


@inner
def multiply_slope(activation: Any, d: Any, a: Any, slopes: Any) -> None:
    """``d ← d ∘ g′``, from ``a = g(z)``; from `slopes` where g is self-gated, which holds g′ then."""
    noinline()
    one, zero = cast(1, d), cast(0, d)
    n = d.size
    if activation == SIGMOID:
        for i in range(n):
            d[i] = d[i] * a[i] * (one - a[i])
    elif activation == TANH:
        for i in range(n):
            d[i] = d[i] * (one - a[i] * a[i])
    elif activation == RELU:
        for i in range(n):
            d[i] = d[i] if a[i] > zero else zero
    elif activation == LEAKY_RELU:
        leak = cast(LEAK, d)
        for i in range(n):
            d[i] = d[i] if a[i] > zero else leak * d[i]
    elif activation == ELU:
        for i in range(n):
            d[i] = d[i] if a[i] > zero else d[i] * (a[i] + one)
    elif activation == SELU:
        scale, bottom = cast(SELU_SCALE, d), cast(SELU_SCALE * SELU_ALPHA, d)
        for i in range(n):
            d[i] = d[i] * (scale if a[i] > zero else a[i] + bottom)
    elif activation == SOFTPLUS:
        for i in range(n):
            d[i] = d[i] * -expm1(-a[i])
    elif activation >= SELF_GATED:
        for i in range(n):
            d[i] = d[i] * slopes[i]


# Cross-entropy of a softmax in three passes: the one between the others is the same for all examples of a batch.


@inlined
def centred(z: Any, b: Any, y: Any) -> Any:
    """``z ← z + b − max(z + b)``; returns ``−yᵀ z``."""
    top, L = z[0] + b[0], 0.0
    for k in range(z.size):
        z[k] = z[k] + b[k]
        top = max(top, z[k])
    for k in range(z.size):
        z[k] = z[k] - top
        L -= y[k] * z[k]
    return L


@inlined
def exponentials(z: Any) -> None:
    """``z ← e^z``."""
    for k in range(z.size):
        z[k] = exp(z[k])


@inlined
def normalized(z: Any, y: Any, d: Any) -> Any:
    """``z ← a = z / Σ z``, ``d ← a − y``; returns ``Σ y · log Σ z``, what the loss lacks."""
    weight, total = cast(0, z), cast(0, z)
    for k in range(z.size):
        weight += y[k]
        total += z[k]
    for k in range(z.size):
        z[k] = z[k] / total
        d[k] = z[k] - y[k]
    return weight * math.log(float(total))


@inner
def output_error(activation: Any, loss: Any, z: Any, b: Any, y: Any, d: Any) -> Any:
    """Output and error of one example: ``z ← a = g(z + b)``, ``d ← ∂L/∂z``; returns L.

    Canonical pairs take L from z and have ``∂L/∂z = a − y`` (C9).
    """
    noinline()
    one, zero = cast(1, z), cast(0, z)
    n = z.size
    L = 0.0
    if loss == CROSS_ENTROPY:
        L = centred(z, b, y)
        exponentials(z)
        return L + normalized(z, y, d)
    if loss == LOGISTIC:
        for k in range(n):
            x = z[k] + b[k]
            e = exp(-abs(x))
            L += max(x, zero) - x * y[k] + log1p(e)
            z[k] = (one if x >= zero else e) / (one + e)
            d[k] = z[k] - y[k]
        return L
    activate(activation, z, b)
    if loss == SQUARED_ERROR:
        for k in range(n):
            d[k] = z[k] - y[k]
            L += 0.5 * d[k] * d[k]
    else:
        for k in range(n):
            e = z[k] - y[k]
            L += abs(e)
            d[k] = one if e > zero else (-one if e < zero else zero * e)
    multiply_slope(activation, d, z, z)
    return L
