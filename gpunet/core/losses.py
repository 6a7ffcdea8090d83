"""Losses: how far ``A[L]`` is from ``Y`` (C2 to C5, C8), and ``δ[L] = ∂J/∂Z[L]`` (C9).

A loss sums over the outputs of one example; the cost averages over examples, ``J = (1/m) Σ_i L(i)``.
All arrays are ``(n[L], m)``, columns as examples.

Most losses have a *canonical* output activation, with which ``∂L/∂Z = A − Y``: sigmoid and logistic, softmax
and cross-entropy (of targets that sum to 1), identity and squared error. There the loss is computed from Z, which
stays exact where A has already rounded to 0 or 1. Every other pairing goes through ``∂L/∂A`` and the chain rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpunet.core.activations import ACTIVATIONS, ActivationLike
from gpunet.core.checks import function, own_name

Array = Any
Namespace = Any


@dataclass(frozen=True)
class Loss:
    """A loss function and its gradient.

    One of your own is passed to the network, ``Network(layers, loss=Loss("huber", value, gradient))``, and runs on
    the reference program.

    Attributes
    ----------
    name : str
    value : callable
        ``(xp, A, Y) -> L``: from outputs and targets to the loss of each output, all ``(n[L], m)``, one column per
        example. ``xp`` is the Array API namespace of the arrays: ``xp.log(A)`` works with every library. The sum over
        the outputs and the mean over the examples are taken afterwards.
    gradient : callable
        ``(xp, A, Y) -> ∂L/∂A``, ``(n[L], m)``.
    canonical : str, Activation or None
        The output activation with which ``∂L/∂Z = A − Y``, if there is one.
    value_from_Z : callable or None
        ``(xp, Z, Y) -> L`` for the canonical activation, stable for any Z.
    outputs : frozenset of str or None
        Names of the output activations that the loss can be used with; None for all. An activation of your own counts
        as one of them if its values lie between 0 and 1.

    Raises
    ------
    ValueError, TypeError
        For an empty name, what is no function, and `canonical` or `outputs` of another type.
    """

    name: str
    value: Callable[[Namespace, Array, Array], Array]
    gradient: Callable[[Namespace, Array, Array], Array]
    canonical: ActivationLike | None = None
    value_from_Z: Callable[[Namespace, Array, Array], Array] | None = None
    outputs: frozenset[str] | None = None

    def __post_init__(self) -> None:
        own_name("a loss", self.name)
        function("value", self.value, "(xp, A, Y) -> L", 3)
        function("gradient", self.gradient, "(xp, A, Y) -> ∂L/∂A", 3)
        if self.canonical is not None and not isinstance(self.canonical, ActivationLike):
            raise TypeError(
                f"canonical must be the name of an activation or an Activation, got {self.canonical!r}"
            )
        if self.value_from_Z is not None:
            function("value_from_Z", self.value_from_Z, "(xp, Z, Y) -> L", 3)
        if self.outputs is not None and not isinstance(self.outputs, frozenset):
            raise TypeError(f"outputs must be a frozenset of names of activations, got {self.outputs!r}")

    def __str__(self) -> str:
        return self.name


def _inside(xp: Namespace, A: Array) -> Array:
    """A, clipped to one rounding unit from 0 and 1, so that logarithms and quotients stay finite."""
    eps = float(xp.finfo(A.dtype).eps)
    return xp.clip(A, eps, 1.0 - eps)  # NumPy 2.0 names these otherwise


def logistic(xp: Namespace, A: Array, Y: Array) -> Array:
    """``L = −[y log a + (1 − y) log(1 − a)]`` (C2); summed over outputs, the loss of independent detectors (C3)."""
    A = _inside(xp, A)
    return -(Y * xp.log(A) + (1.0 - Y) * xp.log1p(-A))


def logistic_gradient(xp: Namespace, A: Array, Y: Array) -> Array:
    """``∂L/∂a = (a − y) / (a (1 − a))``."""
    A = _inside(xp, A)
    return (A - Y) / (A * (1.0 - A))


def logistic_from_Z(xp: Namespace, Z: Array, Y: Array) -> Array:
    """The same with ``a = σ(z)``: ``L = max(z, 0) − z y + log(1 + e^−|z|)``."""
    return xp.maximum(Z, 0.0) - Z * Y + xp.log1p(xp.exp(-xp.abs(Z)))


def cross_entropy(xp: Namespace, A: Array, Y: Array) -> Array:
    """``L = −Σ_k y_k log a_k`` (C4): ``L_k = −y_k log a_k``, one term for each output."""
    return -Y * xp.log(_inside(xp, A))


def cross_entropy_gradient(xp: Namespace, A: Array, Y: Array) -> Array:
    """``∂L/∂a_k = −y_k / a_k``."""
    return -Y / _inside(xp, A)


def cross_entropy_from_Z(xp: Namespace, Z: Array, Y: Array) -> Array:
    """The same with ``a = softmax(z)``: ``log a_k = z_k − max z − log Σ_j e^{z_j − max z}``."""
    Z = Z - xp.max(Z, axis=0, keepdims=True)
    return -Y * (Z - xp.log(xp.sum(xp.exp(Z), axis=0, keepdims=True)))


def squared_error(xp: Namespace, A: Array, Y: Array) -> Array:
    """``L = ½ (a − y)²`` (C5)."""
    return 0.5 * (A - Y) * (A - Y)


def squared_error_gradient(xp: Namespace, A: Array, Y: Array) -> Array:
    """``∂L/∂a = a − y``."""
    return A - Y


def absolute_error(xp: Namespace, A: Array, Y: Array) -> Array:
    """``L = |a − y|`` (C5)."""
    return xp.abs(A - Y)


def absolute_error_gradient(xp: Namespace, A: Array, Y: Array) -> Array:
    """``∂L/∂a = sign(a − y)``, 0 where they meet."""
    return xp.sign(A - Y)


class LossTable(dict[Any, Loss]):
    """gpunet's losses by name; one of the user's own is not in it, and stands for itself."""

    def __missing__(self, key: Any) -> Loss:
        if isinstance(key, Loss):
            return key
        raise KeyError(key)


LossLike = str | Loss  # the name of one of gpunet's, or one of the user's own

LOSSES = LossTable(
    (loss.name, loss)
    for loss in (
        Loss(
            "logistic",
            logistic,
            logistic_gradient,
            canonical="sigmoid",
            value_from_Z=logistic_from_Z,
            outputs=frozenset({"sigmoid", "softmax"}),
        ),
        Loss(
            "cross_entropy",
            cross_entropy,
            cross_entropy_gradient,
            canonical="softmax",
            value_from_Z=cross_entropy_from_Z,
            outputs=frozenset({"softmax"}),
        ),
        Loss(
            "squared_error",
            squared_error,
            squared_error_gradient,
            canonical="identity",
            value_from_Z=squared_error,
        ),
        Loss("absolute_error", absolute_error, absolute_error_gradient),
    )
)


def cost(
    xp: Namespace, loss: Loss, activation: ActivationLike, Z: Array, A: Array, Y: Array, weights: Array | None
) -> Array:
    """``J = (1/m) Σ_i w(i) Σ_k L_k(i)`` (C8), a 0-d array.

    Parameters
    ----------
    xp : Array API namespace
    loss : Loss
    activation : str or Activation
        Of the output, ``A = g(Z)``.
    Z, A, Y : array, ``(n[L], m)``
    weights : array ``(1, m)`` or None
        Weight of each example; None for 1.
    """
    if activation == loss.canonical and loss.value_from_Z is not None:
        L = loss.value_from_Z(xp, Z, Y)
    else:
        L = loss.value(xp, A, Y)
    if weights is not None:
        L = L * weights
    return xp.sum(L) / Y.shape[1]


def output_delta(
    xp: Namespace, loss: Loss, activation: ActivationLike, Z: Array, A: Array, Y: Array, weights: Array | None
) -> Array:
    """``δ[L] = ∂J/∂Z[L]`` (C9): ``(A − Y)/m`` for a canonical pair, else ``∂J/∂A ∘ g′(Z)``.

    Softmax with another loss is multiplied by its full Jacobian. The column of example i is multiplied by its weight
    w(i). Parameters as for :func:`cost`; returns ``(n[L], m)``.
    """
    if activation == loss.canonical:
        delta = A - Y
    else:
        delta = ACTIVATIONS[activation].backward(xp, loss.gradient(xp, A, Y), Z, A)
    if weights is not None:
        delta = delta * weights
    return delta / Y.shape[1]
