"""Activations, losses and optimizers of the user's own are tried once before a run.

What they may do wrong would not stop it: other shapes are broadcast, float64 spreads to all weights of a float32
network, and what a function writes into its arguments is used after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.activations import Activation
from gpunet.core.checks import not_negative_int
from gpunet.core.layers import Dense
from gpunet.core.losses import Loss, LossLike
from gpunet.core.optimizers import OPTIMIZERS, Optimizer

Array = Any
Namespace = Any

EXAMPLES = 2  # of the arrays that they are tried with
VALUE, TARGET = 0.5, 0.25  # of the entries: inside the range of every loss; activations get −VALUE too
SHAPE = 3, 2  # of the parameter that an optimizer is tried with
PLANNED = 1000  # updates


def require_usable(
    xp: Namespace, layers: Sequence[Dense], loss: LossLike, optimizer: Optimizer | None, dtype: Any
) -> None:
    """Raise an error if a function of the user's own does not give new arrays of its argument's shape and dtype.

    Parameters
    ----------
    xp : Array API namespace
        The functions are called on its arrays, on the current device.
    layers : sequence of Dense
    loss : str or Loss
    optimizer : Optimizer or None
        None for one that the data decide on, of gpunet's own.
    dtype : dtype of `xp`

    Raises
    ------
    ValueError
        Naming the function.
    TypeError
        For an optimizer whose `update` gives no pair.
    """

    def full(shape: tuple[int, int], value: float) -> Array:
        return xp.full(shape, value, dtype=dtype)

    for layer in layers:
        own = layer.activation
        if isinstance(own, Activation):
            half = layer.units, EXAMPLES // 2
            Z = xp.concat([full(half, VALUE), full(half, -VALUE)], axis=1)
            A = _tried(f"forward of activation {own.name!r}", own.forward, xp, Z)
            dA = full((layer.units, EXAMPLES), VALUE)
            _tried(f"backward of activation {own.name!r}", own.backward, xp, dA, Z, A)
    if isinstance(loss, Loss):
        shape = layers[-1].units, EXAMPLES
        A, Y = full(shape, VALUE), full(shape, TARGET)
        _tried(f"value of loss {loss.name!r}", loss.value, xp, A, Y)
        _tried(f"gradient of loss {loss.name!r}", loss.gradient, xp, A, Y)
        if loss.value_from_Z is not None:
            _tried(f"value_from_Z of loss {loss.name!r}", loss.value_from_Z, xp, A, Y)
    if optimizer is not None and type(optimizer) not in OPTIMIZERS.values():
        _try_optimizer(xp, optimizer, full, dtype)


def _try_optimizer(xp: Namespace, optimizer: Optimizer, full: Callable[..., Array], dtype: Any) -> None:
    what = f"update of {optimizer!r}"
    count = not_negative_int(f"slots of {optimizer!r}", optimizer.slots)
    coefficients = [one[0] for one in optimizer.coefficients_of(range(1), PLANNED, 0)]
    theta, gradient = full(SHAPE, VALUE), full(SHAPE, TARGET)
    slots = tuple(full(SHAPE, VALUE) for _ in range(count))
    arrays = theta, gradient, *slots
    before = [xp.asarray(A, copy=True) for A in arrays]
    result: Any = optimizer.update(xp, theta, gradient, slots, xp.asarray(coefficients, dtype=dtype))
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise TypeError(f"{what} must return the pair (theta, slots), such as theta - c[0] * gradient, ()")
    new, new_slots = result
    if not isinstance(new_slots, tuple | list) or len(new_slots) != count:
        got = len(new_slots) if isinstance(new_slots, tuple | list) else "no tuple"
        raise ValueError(
            f"{what} must return a tuple of {count} slots beside theta, as the optimizer's slots says; got {got}"
        )
    for name, array in (("theta", new), *(("a slot", slot) for slot in new_slots)):
        _require_alike(f"{what}, {name},", array, theta)
    _require_unchanged(xp, what, arrays, before)


def _tried(what: str, function: Callable[..., Any], xp: Namespace, *arguments: Array) -> Array:
    """What a function gives for these arguments, checked."""
    before = [xp.asarray(A, copy=True) for A in arguments]
    result = function(xp, *arguments)
    _require_alike(what, result, arguments[0])
    _require_unchanged(xp, what, arguments, before)
    return result


def _require_alike(what: str, result: Any, argument: Array) -> None:
    shape = getattr(result, "shape", None)
    if shape is None or tuple(shape) != tuple(argument.shape):
        got = "no array" if shape is None else f"shape {tuple(shape)}"
        wanted = tuple(argument.shape)
        raise ValueError(f"{what} must give an array of its argument's shape, {wanted} here; it gave {got}")
    if result.dtype != argument.dtype:
        raise ValueError(
            f"{what} must give an array of its argument's dtype, {argument.dtype} here; it gave {result.dtype}. "
            "Numbers of NumPy's such as numpy.sqrt(2) make float64 of float32: write math.sqrt(2), or float(…)"
        )


def _require_unchanged(xp: Namespace, what: str, arguments: Sequence[Array], before: Sequence[Array]) -> None:
    for A, known in zip(arguments, before, strict=True):
        # What is NaN has come of an activation.
        if bool(xp.any((known != A) & ~xp.isnan(known))):
            raise ValueError(
                f"{what} must not write into its arguments, which are used after it: give a new array, as Z * Z does "
                "and Z *= Z does not"
            )
