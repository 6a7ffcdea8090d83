"""Targets, checked against what the output can be."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.core.activations import ACTIVATIONS, ActivationLike
from gpunet.core.losses import LossLike
from gpunet.devices.checks import Reach
from gpunet.devices.placement import Placement
from gpunet.devices.registry import backend_of
from gpunet.inputs.arrays import first_true, from_lists, require_finite, require_real, to_device_array

Array = Any


class Targets(NamedTuple):
    """Targets as columns, and what they mean."""

    Y: Array  # (n[L], m)
    kind: str  # "classes": argmax counts; "labels": each output counts at ½; "values": no accuracy


def targets(
    name: str,
    y: Any,
    placement: Placement,
    dtype: str,
    m: int,
    units: int,
    activation: ActivationLike,
    loss: LossLike,
    first_row: int = 0,
    check: bool = True,
) -> Targets:
    """Y as columns ``(n[L], m)``: class numbers become one-hot, everything is in reach of the output.

    Parameters
    ----------
    name : str
        Of y, in messages.
    y : array or list
        Class numbers ``(m,)`` or ``(m, 1)``, one-hot or multi-label rows ``(m, k)``, or real targets ``(m, k)``;
        ``(m,)`` where there is one output.
    placement : Placement
    dtype : str
    m, units : int
        Examples, and outputs ``n[L]``.
    activation : str or Activation
        Of the output.
    loss : str or Loss
    first_row : int
        The number of the first row, in messages.
    check : bool
        False leaves what the numbers may be to the caller; what comes of others is not defined.

    Raises
    ------
    ValueError, TypeError
        Naming the first row at fault.
    """
    xp = placement.xp
    if backend_of(y) is None or getattr(y.dtype, "kind", "") == "O":
        y = from_lists(name, y)
        require_real(name, y.dtype)
    shape = tuple(y.shape)
    by_class = are_class_numbers(shape, m, units)
    if by_class:
        if shape[0] != m:
            raise ValueError(f"{name} has {shape[0]} labels for {m} examples")
        numbers = _class_numbers(name, y, units, first_row) if check else y.reshape(m)
        rows = placement.backend.one_hot(to_device_array(name, numbers, placement, None), units, dtype)
    else:
        if shape not in ((m, units), (m,)):
            raise ValueError(_wrong_shape(name, shape, m, units))
        rows = xp.reshape(to_device_array(name, y, placement, dtype), (m, units))
        if check:
            require_finite(xp, name, rows, first_row)
            _require_reachable(xp, name, rows, activation, loss, first_row)
    if by_class or activation == "softmax":
        kind = "classes"
    else:
        kind = "labels" if activation == "sigmoid" else "values"
    return Targets(rows.T, kind)


def are_class_numbers(shape: tuple[int, ...], m: int, units: int) -> bool:
    """Whether targets of this shape are class numbers, for m examples and so many outputs."""
    return units > 1 and (len(shape) == 1 or shape == (m, 1))


def reach_of(classes: bool, units: int, activation: ActivationLike, loss: LossLike) -> Reach:
    """What class numbers, or rows of targets, may be."""
    if classes:
        return Reach(True, 0, units - 1)
    return Reach(False, ACTIVATIONS[activation].low, ACTIVATIONS[activation].high, loss == "cross_entropy")


def _wrong_shape(name: str, shape: tuple[int, ...], m: int, units: int) -> str:
    wanted = f"({m}, {units})" + (f" or ({m},)" if units == 1 else f", or class numbers ({m},)")
    if shape == (units, m) and shape != (m, units):
        hint = f" These look like columns: pass {name}.T."
    elif len(shape) == 2 and shape[0] == m:
        several = "s" if units > 1 else ""
        hint = f" The last layer has {units} unit{several}: give it {shape[1]}, or correct the targets."
    elif len(shape) in (1, 2) and shape[0] != m:
        hint = f" X has {m} examples."
    else:
        hint = ""
    return f"{name} must have shape {wanted} for this network; got {shape}.{hint}"


def _class_numbers(name: str, y: Any, units: int, first_row: int) -> Any:
    """Class numbers, checked in the library and type that they came in, as int32."""
    source = backend_of(y)
    xp = np if source is None else source.namespace()
    y = xp.reshape(y, (y.shape[0],))
    if not xp.isdtype(y.dtype, ("bool", "integral", "real floating")):
        require_real(name, y.dtype)
    if xp.isdtype(y.dtype, "real floating"):
        require_finite(xp, name, y, first_row)
        fractional = y != xp.floor(y)
        if bool(xp.any(fractional)):
            row = first_true(xp, fractional)
            raise ValueError(
                f"{name} must hold class numbers 0 to {units - 1}; row {first_row + row} is {float(y[row]):g}. "
                f"Real targets for {units} outputs have shape (m, {units})."
            )
    elif source is not None and xp.isdtype(y.dtype, "unsigned integer") and xp.iinfo(y.dtype).bits >= 32:
        y, xp = source.to_host(y), np  # PyTorch has no comparisons of these
    elif xp.isdtype(y.dtype, "bool") or xp.iinfo(y.dtype).bits < 32:
        y = xp.astype(y, xp.int32)  # the number of units may not fit into a byte
    outside = (y < 0) | (y >= units)
    if bool(xp.any(outside)):
        row = first_true(xp, outside)
        hint = " Count classes from 0." if int(y[row]) == units else ""
        raise ValueError(
            f"{name} must hold class numbers 0 to {units - 1}, one for each of the network's {units} "
            f"outputs; row {first_row + row} is {int(y[row])}.{hint}"
        )
    return xp.astype(y, xp.int32, copy=False)


def _require_reachable(
    xp: Any, name: str, rows: Array, activation: ActivationLike, loss: LossLike, first_row: int
) -> None:
    """Raise a ValueError for a target outside the range of the output, as one below 0 of a ReLU (C5)."""
    _, low, high, sum_to_one = reach_of(False, rows.shape[1], activation, loss)
    bad = xp.any((rows < low) | (rows > high), axis=1)
    if bool(xp.any(bad)):
        row = first_true(xp, bad)
        values = rows[row, :]
        off = float(values[first_true(xp, (values < low) | (values > high))])
        bounds = f"from {low:g} up" if high == math.inf else f"from {low:g} to {high:g}"
        raise ValueError(
            f"{name} holds {off:g} in row {first_row + row}, which a {activation} output with {loss} loss can't "
            f"reach: it gives values {bounds}. {_advice(off, loss)}"
        )
    if sum_to_one:
        total = xp.sum(rows, axis=1)
        bad = xp.abs(total - 1.0) > 1e-3
        if bool(xp.any(bad)):
            row = first_true(xp, bad)
            raise ValueError(
                f"{name} must sum to 1 in each row for cross_entropy, where exactly one class is true; row "
                f"{first_row + row} sums to {float(total[row]):g}. For several at once use sigmoid outputs with the "
                "logistic loss."
            )


def _advice(off: float, loss: LossLike) -> str:
    if loss in ("logistic", "cross_entropy"):
        if off == -1.0:
            return "Write the two classes as 0 and 1."
        if off == int(off) and off > 1.0:
            return "Class numbers need a softmax output with one unit for each class, and shape (m,)."
    return "Scale the targets, or use an identity output with squared_error."
