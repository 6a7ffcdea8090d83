"""Activations ``A = g(Z)`` and their part of the backward pass (C2, C4, C5, C9, C11, C12).

Every activation is a pair of pure functions on ``(n, m)`` arrays, columns as examples:

``forward(xp, Z) -> A``
    the activation itself;
``backward(xp, dA, Z, A) -> dZ``
    from ``∂J/∂A`` to ``∂J/∂Z``. For an elementwise g this is ``dA ∘ g′(Z)``; softmax, whose outputs
    are coupled, multiplies by its full Jacobian.

``xp`` is the Array API namespace of the arrays. Where g′ is cheaper from A than from Z, A is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpunet.core.checks import function, number, own_name

Array = Any
Namespace = Any

LEAK = 0.01  # slope of leaky ReLU below zero (Maas et al. 2013)
# SELU's constants keep mean 0 and variance 1 through depth (Klambauer et al. 2017, eq. 14).
SELU_ALPHA = 1.6732632423543772848
SELU_SCALE = 1.0507009873554804934
# GELU's cubic form (Hendrycks and Gimpel 2016): the Array API has no error function.
GELU_ROOT = math.sqrt(2.0 / math.pi)
GELU_CUBIC = 0.044715


@dataclass(frozen=True)
class Activation:
    """An activation function g and its derivative: ``A = g(Z)``.

    One of your own is passed to a layer, ``Dense(10, Activation("square", forward, backward))``, and runs on the
    reference program. An example's activation may depend on that example alone.

    Attributes
    ----------
    name : str
    forward : callable
        ``(xp, Z) -> A``: from the weighted sums of a layer of n units to its outputs, both ``(n, m)``, one column per
        example. ``xp`` is the Array API namespace of the arrays: ``xp.exp(Z)`` works with every library.
    backward : callable
        ``(xp, dA, Z, A) -> dZ``: from ``∂J/∂A`` to ``∂J/∂Z``, both ``(n, m)``; ``dA * g′(Z)`` where g is elementwise.
    low, high : float
        Bounds of the values that A can take; a target outside of them can never be reached.
    initializer : str
        The default initializer of W in a layer with this activation, by name (C16).

    Raises
    ------
    ValueError, TypeError
        For an empty name, what is no function, and bounds that are no numbers.
    """

    name: str
    forward: Callable[[Namespace, Array], Array]
    backward: Callable[[Namespace, Array, Array, Array], Array]
    low: float = -math.inf
    high: float = math.inf
    initializer: str = "lecun_normal"

    def __post_init__(self) -> None:
        own_name("an activation", self.name)
        function("forward", self.forward, "(xp, Z) -> A", 2)
        function("backward", self.backward, "(xp, dA, Z, A) -> dZ", 4)
        if not number("low", self.low) < number("high", self.high):
            raise ValueError(f"low must be less than high, got low={self.low} and high={self.high}")

    def __str__(self) -> str:
        return self.name


def identity(xp: Namespace, Z: Array) -> Array:
    """``g(z) = z`` (C12)."""
    return Z


def identity_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = 1``."""
    return dA


def sigmoid(xp: Namespace, Z: Array) -> Array:
    """``σ(z) = 1 / (1 + e^−z)`` (C2), written so that no exponential overflows."""
    return xp.exp(xp.minimum(Z, 0.0)) / (1.0 + xp.exp(-xp.abs(Z)))


def sigmoid_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``σ′ = a (1 − a) ≤ ¼`` (C11)."""
    return dA * A * (1.0 - A)


def tanh(xp: Namespace, Z: Array) -> Array:
    """``tanh z``."""
    return xp.tanh(Z)


def tanh_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``tanh′ = 1 − a²`` (C11)."""
    return dA * (1.0 - A * A)


def relu(xp: Namespace, Z: Array) -> Array:
    """``max(z, 0)``."""
    return xp.maximum(Z, 0.0)


def relu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = 1`` where ``z > 0``, else 0."""
    return xp.where(Z > 0, dA, 0.0)


def leaky_relu(xp: Namespace, Z: Array) -> Array:
    """``z`` where ``z > 0``, else ``0.01 z`` (Maas et al. 2013)."""
    return xp.where(Z > 0, Z, LEAK * Z)


def leaky_relu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = 1`` where ``z > 0``, else 0.01."""
    return xp.where(Z > 0, dA, LEAK * dA)


def elu(xp: Namespace, Z: Array) -> Array:
    """``z`` where ``z > 0``, else ``e^z − 1`` (Clevert et al. 2016)."""
    return xp.where(Z > 0, Z, xp.expm1(xp.minimum(Z, 0.0)))


def elu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = 1`` where ``z > 0``, else ``e^z = a + 1``."""
    return xp.where(Z > 0, dA, dA * (A + 1.0))


def selu(xp: Namespace, Z: Array) -> Array:
    """``λ z`` where ``z > 0``, else ``λ α (e^z − 1)``; λ = 1.0507, α = 1.6733 (Klambauer et al. 2017)."""
    return SELU_SCALE * xp.where(Z > 0, Z, SELU_ALPHA * xp.expm1(xp.minimum(Z, 0.0)))


def selu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = λ`` where ``z > 0``, else ``λ α e^z = a + λ α``."""
    return dA * xp.where(Z > 0, SELU_SCALE, A + SELU_SCALE * SELU_ALPHA)


def softplus(xp: Namespace, Z: Array) -> Array:
    """``log(1 + e^z)`` (Dugas et al. 2001), a smooth ReLU."""
    return xp.maximum(Z, 0.0) + xp.log1p(xp.exp(-xp.abs(Z)))


def softplus_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = σ(z)``."""
    return dA * sigmoid(xp, Z)


def silu(xp: Namespace, Z: Array) -> Array:
    """``z σ(z)``, also called swish (Elfwing et al. 2017)."""
    return Z * sigmoid(xp, Z)


def silu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = σ + z σ (1 − σ)``."""
    S = sigmoid(xp, Z)
    return dA * (S + A * (1.0 - S))


def _gelu_tanh(xp: Namespace, Z: Array) -> Array:
    """``t = tanh(√(2/π) (z + 0.044715 z³))``, of GELU and its slope."""
    return xp.tanh(GELU_ROOT * (Z + GELU_CUBIC * Z * Z * Z))


def gelu(xp: Namespace, Z: Array) -> Array:
    """``½ z (1 + t)``, ``t = tanh(√(2/π) (z + 0.044715 z³))`` (Hendrycks and Gimpel 2016)."""
    return 0.5 * Z * (1.0 + _gelu_tanh(xp, Z))


def gelu_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = ½ (1 + t) + ½ z (1 − t²) u′`` with ``t = tanh u`` and ``u = √(2/π) (z + 0.044715 z³)``."""
    T = _gelu_tanh(xp, Z)
    slope = GELU_ROOT * (1.0 + 3.0 * GELU_CUBIC * Z * Z)
    return dA * 0.5 * (1.0 + T + Z * (1.0 - T * T) * slope)


def mish(xp: Namespace, Z: Array) -> Array:
    """``z tanh(log(1 + e^z))`` (Misra 2019)."""
    return Z * xp.tanh(softplus(xp, Z))


def mish_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = t + z (1 − t²) σ(z)`` with ``t = tanh(softplus z)``."""
    T = xp.tanh(softplus(xp, Z))
    return dA * (T + Z * (1.0 - T * T) * sigmoid(xp, Z))


def softmax(xp: Namespace, Z: Array) -> Array:
    """``a_k = e^{z_k} / Σ_j e^{z_j}`` down each column (C4); shifted by the largest z to be stable."""
    E = xp.exp(Z - xp.max(Z, axis=0, keepdims=True))
    return E / xp.sum(E, axis=0, keepdims=True)


def softmax_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """The full Jacobian ``∂a_i/∂z_j = a_i ([i = j] − a_j)``, transposed, times ``∂J/∂A`` (C9)."""
    return A * (dA - xp.sum(A * dA, axis=0, keepdims=True))


class ActivationTable(dict[Any, Activation]):
    """gpunet's activations by name; one of the user's own is not in it, and stands for itself."""

    def __missing__(self, key: Any) -> Activation:
        if isinstance(key, Activation):
            return key
        raise KeyError(key)


ActivationLike = str | Activation  # the name of one of gpunet's, or one of the user's own

ACTIVATIONS = ActivationTable(
    (activation.name, activation)
    for activation in (
        Activation("identity", identity, identity_backward),
        Activation("sigmoid", sigmoid, sigmoid_backward, 0.0, 1.0),
        Activation("tanh", tanh, tanh_backward, -1.0, 1.0),
        Activation("relu", relu, relu_backward, 0.0, initializer="he_normal"),
        Activation("leaky_relu", leaky_relu, leaky_relu_backward, initializer="he_normal"),
        Activation("elu", elu, elu_backward, -1.0, initializer="he_normal"),
        Activation("selu", selu, selu_backward, -SELU_SCALE * SELU_ALPHA),
        Activation("softplus", softplus, softplus_backward, 0.0, initializer="he_normal"),
        # The lowest points of the next three are minima of z·(…), found numerically and rounded down.
        Activation("silu", silu, silu_backward, -0.2785, initializer="he_normal"),
        Activation("gelu", gelu, gelu_backward, -0.1701, initializer="he_normal"),
        Activation("mish", mish, mish_backward, -0.3089, initializer="he_normal"),
        Activation("softmax", softmax, softmax_backward, 0.0, 1.0),
    )
)
