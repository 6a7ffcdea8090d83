"""Activations and losses of the user's own are called once before a run: wrong shapes would be broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.core.activations import Activation
from gpunet.core.layers import Dense
from gpunet.core.losses import Loss, LossLike

Array = Any
Namespace = Any

EXAMPLES = 2  # of the arrays that they are tried with
VALUE = 0.5  # of all entries: inside the range of every activation, and of every loss for one


def require_shapes(xp: Namespace, layers: Sequence[Dense], loss: LossLike, dtype: Any) -> None:
    """Raise a ValueError if a function of the user's own does not give an array of its argument's shape.

    Parameters
    ----------
    xp : Array API namespace
        The functions are called on its arrays, on the current device.
    layers : sequence of Dense
    loss : str or Loss
    dtype : dtype of `xp`
    """
    for layer in layers:
        own = layer.activation
        if isinstance(own, Activation):
            Z = xp.full((layer.units, EXAMPLES), VALUE, dtype=dtype)
            A = own.forward(xp, Z)
            _require(f"forward of activation {own.name!r}", A, Z)
            _require(f"backward of activation {own.name!r}", own.backward(xp, Z, Z, A), Z)
    if isinstance(loss, Loss):
        A = xp.full((layers[-1].units, EXAMPLES), VALUE, dtype=dtype)
        _require(f"value of loss {loss.name!r}", loss.value(xp, A, A), A)
        _require(f"gradient of loss {loss.name!r}", loss.gradient(xp, A, A), A)


def _require(what: str, result: Any, argument: Array) -> None:
    shape = getattr(result, "shape", None)
    if shape is None or tuple(shape) != tuple(argument.shape):
        got = "no array" if shape is None else f"shape {tuple(shape)}"
        wanted = tuple(argument.shape)
        raise ValueError(f"{what} must give an array of its argument's shape, {wanted} here; it gave {got}")
