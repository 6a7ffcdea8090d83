"""Counts as targets: the Poisson deviance, and the exponential output that goes with it."""

from __future__ import annotations

from typing import Any

from gpunet.core.activations import Activation
from gpunet.core.losses import Loss

Array = Any
Namespace = Any


def exp(xp: Namespace, Z: Array) -> Array:
    """``e^z``."""
    return xp.exp(Z)


def exp_backward(xp: Namespace, dA: Array, Z: Array, A: Array) -> Array:
    """``g′ = e^z = a``."""
    return dA * A


def deviance(xp: Namespace, A: Array, Y: Array) -> Array:
    """``L = y log(y / a) − y + a``, half of the Poisson deviance; 0 where ``a = y`` (McCullagh and Nelder 1989)."""
    return _y_log_y(xp, Y) - Y * xp.log(A) - Y + A


def deviance_gradient(xp: Namespace, A: Array, Y: Array) -> Array:
    """``∂L/∂a = 1 − y / a``."""
    return 1.0 - Y / A


def deviance_from_Z(xp: Namespace, Z: Array, Y: Array) -> Array:
    """The same with ``a = e^z``: ``L = y log y − y z − y + e^z``."""
    return _y_log_y(xp, Y) - Y * Z - Y + xp.exp(Z)


def _y_log_y(xp: Namespace, Y: Array) -> Array:
    """``y log y``, 0 for 0."""
    return Y * xp.log(xp.where(Y > 0, Y, 1.0))


EXP = Activation("exp", exp, exp_backward, low=0.0)
POISSON = Loss("poisson", deviance, deviance_gradient, canonical=EXP, value_from_Z=deviance_from_Z)
