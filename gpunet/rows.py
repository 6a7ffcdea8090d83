"""From rows to columns: what people pass in, checked, and turned into what the math room works on.

People hold examples as rows, ``(m, n)``; the lecture holds them as columns, ``(n, m)``. The turn is made here
and nowhere else, as a transposed view. Every check runs before any weight changes, on the device that
holds the data.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpunet.activations import ACTIVATIONS
from gpunet.backend import Backend, owner

Array = Any


class Home(NamedTuple):
    """The library and device that an array came from; where results go back to."""

    backend: Backend
    device: str


class Targets(NamedTuple):
    """Targets as columns, and what they mean."""

    Y: Array  # (n[L], m)
    kind: str  # "classes": argmax counts; "labels": each output counts at ½; "values": no accuracy


def home_of(arrays: dict[str, Any]) -> Home | None:
    """The one library and device of the given arrays; None if all are lists.

    Raises
    ------
    ValueError
        If they come from different libraries or devices.
    """
    found: dict[str, Home] = {}
    for name, array in arrays.items():
        backend = owner(array)
        if backend is not None:
            found[name] = Home(backend, backend.device_of(array))
    if len({(home.backend.name, home.device) for home in found.values()}) > 1:
        said = ", ".join(f"{n} in {h.backend.name} on {h.device}" for n, h in found.items())
        raise ValueError(f"all arrays of one call must be of one library and device; got {said}")
    return next(iter(found.values()), None)


def bring(name: str, array: Any, target: Home, dtype: str | None) -> Array:
    """`array` (any library, or lists) on the target device, cast to `dtype` (None: as it is).

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    """
    source = owner(array)
    if source is not None and source.name == target.backend.name:
        moved = target.backend.move(array, target.device)
    else:
        host = source.to_host(array) if source is not None else _from_lists(name, array)
        _real(name, host.dtype)
        if dtype is not None and host.dtype.kind == "f":
            # Cast before the transfer: half the traffic for float64 data, and libraries that have no
            # float64 never see it.
            host = host.astype(dtype, copy=False)
        moved = target.backend.from_host(np.ascontiguousarray(host), target.device)
    xp = target.backend.namespace()
    if not xp.isdtype(moved.dtype, ("bool", "integral", "real floating")):
        _real(name, moved.dtype)
    return moved if dtype is None else xp.astype(moved, getattr(xp, dtype), copy=False)


def _from_lists(name: str, values: Any) -> Any:
    if hasattr(values, "to_numpy"):  # a pandas or polars table
        return np.asarray(values.to_numpy())
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is ragged: its rows have different lengths ({error})") from None


def _real(name: str, dtype: Any) -> None:
    if getattr(dtype, "kind", "O") in "biuf":
        return
    hint = (
        " Class names become numbers with numpy.unique(y, return_inverse=True)."
        if getattr(dtype, "kind", "O") in "OUS" and name.endswith("y")
        else ""
    )
    raise TypeError(f"{name} must hold real numbers, it holds {dtype}.{hint}")


def shape_of(name: str, X: Any, inputs: int | None) -> tuple[int, int]:
    """``(m, n)`` of X once images are flattened; checked against the network's inputs.

    Raises
    ------
    ValueError
        For a shape that is not rows of examples.
    """
    shape = tuple(X.shape) if hasattr(X, "shape") else _from_lists(name, X).shape
    if len(shape) not in (2, 3, 4):
        hint = f" One example alone is {name}.reshape(1, -1)." if len(shape) == 1 else ""
        raise ValueError(
            f"{name} must be rows of examples, (m, n), or images, (m, height, width[, channels]); "
            f"got shape {shape}.{hint}"
        )
    m, n = shape[0], math.prod(shape[1:])
    if m == 0 or n == 0:
        raise ValueError(f"{name} is empty: its shape is {shape}")
    if inputs is not None and n != inputs:
        columns = len(shape) == 2 and m == inputs
        hint = f" These look like columns: pass {name}.T." if columns else ""
        raise ValueError(
            f"{name} has {n} features an example (shape {shape}), the network takes {inputs}.{hint}"
        )
    return m, n


def features(name: str, X: Any, target: Home, dtype: str, inputs: int | None) -> Array:
    """X as rows ``(m, n)`` on the target device, images flattened (C1), every number finite.

    Raises
    ------
    ValueError, TypeError
        For a wrong shape or dtype, or the first row that holds NaN or infinity.
    """
    m, n = shape_of(name, X, inputs)
    rows = bring(name, X, target, dtype)
    xp = target.backend.namespace()
    if len(rows.shape) != 2:
        rows = xp.reshape(rows, (m, n))
    require_finite(xp, name, rows)
    return rows


def require_finite(xp: Any, name: str, rows: Array) -> None:
    """Raise a ValueError that names the first row with NaN or infinity."""
    # The sum is finite if all numbers are, short of overflow: one pass, nothing allocated.
    with np.errstate(all="ignore"):
        if bool(xp.isfinite(xp.sum(rows))):
            return
    good = xp.isfinite(rows)
    if len(rows.shape) == 2:
        good = xp.all(good, axis=1)
    if bool(xp.all(good)):
        return
    row = int(xp.argmax(xp.astype(~good, xp.int8)))
    raise ValueError(
        f"{name} holds NaN or infinity, first in row {row}. Remove or fill such rows before training."
    )


def _first(xp: Any, bad: Array) -> int:
    return int(xp.argmax(xp.astype(bad, xp.int8)))


def targets(
    name: str, y: Any, target: Home, dtype: str, m: int, units: int, activation: str, loss: str
) -> Targets:
    """Y as columns ``(n[L], m)``: class numbers become one-hot, everything is in reach of the output.

    Parameters
    ----------
    name : str
        What to call it in messages.
    y : array or list
        Class numbers ``(m,)``, one-hot or multi-label rows ``(m, k)``, or real targets ``(m, k)``; ``(m,)`` where
        there is one output.
    target : Home
    dtype : str
    m, units : int
        Examples, and outputs ``n[L]``.
    activation, loss : str
        Of the output.

    Raises
    ------
    ValueError, TypeError
        Naming the first row at fault.
    """
    xp = target.backend.namespace()
    y = bring(name, y, target, None)
    shape = tuple(y.shape)
    by_class = len(shape) == 1 and units > 1
    if by_class:
        if shape != (m,):
            raise ValueError(f"{name} has {shape[0]} labels for {m} examples")
        rows = _one_hot(xp, name, y, units, getattr(xp, dtype))
    else:
        rows = xp.astype(y, getattr(xp, dtype), copy=False)
        if len(shape) == 1 and units == 1 and shape == (m,):
            rows = xp.reshape(rows, (m, 1))
        elif shape != (m, units):
            raise ValueError(_wrong_target_shape(name, shape, m, units))
        require_finite(xp, name, rows)
        _reachable(xp, name, rows, activation, loss)
    if by_class or activation == "softmax":
        kind = "classes"
    else:
        kind = "labels" if activation == "sigmoid" else "values"
    return Targets(rows.T, kind)


def _wrong_target_shape(name: str, shape: tuple[int, ...], m: int, units: int) -> str:
    wanted = f"({m}, {units})" + (f" or ({m},)" if units == 1 else f", or class numbers ({m},)")
    if shape == (units, m) and shape != (m, units):
        hint = f" These look like columns: pass {name}.T."
    elif units > 1 and shape == (m, 1):
        hint = f" Class numbers are flat: pass {name}[:, 0]."
    elif len(shape) == 2 and shape[0] == m:
        hint = f" The last layer has {units} units: give it {shape[1]}, or mend the targets."
    elif len(shape) in (1, 2) and shape[0] != m:
        hint = f" X has {m} examples."
    else:
        hint = ""
    return f"{name} must have shape {wanted} for this network; got {shape}.{hint}"


def _one_hot(xp: Any, name: str, y: Array, units: int, dtype: Any) -> Array:
    if xp.isdtype(y.dtype, "bool"):
        y = xp.astype(y, xp.int32)
    if xp.isdtype(y.dtype, "real floating"):
        require_finite(xp, name, y)
        fractional = y != xp.floor(y)
        if bool(xp.any(fractional)):
            row = _first(xp, fractional)
            raise ValueError(
                f"{name} must hold class numbers 0 to {units - 1}; row {row} is {float(y[row]):g}. "
                f"Real targets for {units} outputs have shape (m, {units})."
            )
    # Compared in a signed type: an unsigned one can't be negative, and has no room to say so.
    y = xp.astype(y, xp.int32 if xp.isdtype(y.dtype, "real floating") else _signed(xp, y.dtype))
    outside = (y < 0) | (y >= units)
    if bool(xp.any(outside)):
        row = _first(xp, outside)
        hint = " Count classes from 0." if int(y[row]) == units else ""
        raise ValueError(
            f"{name} must hold class numbers 0 to {units - 1}, one for each of the network's {units} "
            f"outputs; row {row} is {int(y[row])}.{hint}"
        )
    classes = xp.arange(units, dtype=y.dtype, device=y.device)
    return xp.astype(y[:, None] == classes[None, :], dtype)


def _signed(xp: Any, dtype: Any) -> Any:
    return xp.int32 if xp.isdtype(dtype, "unsigned integer") else dtype


def _reachable(xp: Any, name: str, rows: Array, activation: str, loss: str) -> None:
    """Refuse a target that the output can never be."""
    low, high = ACTIVATIONS[activation].low, ACTIVATIONS[activation].high
    if loss in ("logistic", "cross_entropy"):
        low, high = max(low, 0.0), min(high, 1.0)
    bad = xp.any((rows < low) | (rows > high), axis=1)
    if bool(xp.any(bad)):
        row = _first(xp, bad)
        values = rows[row, :]
        off = values[_first(xp, (values < low) | (values > high))]
        bounds = f"from {low:g} up" if high == math.inf else f"from {low:g} to {high:g}"
        raise ValueError(
            f"{name} holds {float(off):g} in row {row}, which a {activation} output with {loss} loss can't "
            f"reach: it gives values {bounds}. Scale the targets, or use an identity output with "
            "squared_error."
        )
    if loss == "cross_entropy":
        total = xp.sum(rows, axis=1)
        bad = xp.abs(total - 1.0) > 1e-3
        if bool(xp.any(bad)):
            row = _first(xp, bad)
            raise ValueError(
                f"{name} must sum to 1 in each row for cross_entropy, where exactly one class is true; row "
                f"{row} sums to {float(total[row]):g}. For several at once use sigmoid outputs with the "
                "logistic loss."
            )


def example_weights(
    sample_weight: Any, class_weight: Any, Y: Array, kind: str, target: Home, dtype: str
) -> Array | None:
    """Weights of the examples, ``(1, m)``: ``sample_weight`` times the weight of each one's class.

    Raises
    ------
    ValueError, TypeError
        For a wrong length, negative or non-finite weights, or class weights where there are no classes.
    """
    xp = target.backend.namespace()
    k, m = Y.shape
    weights = None
    if sample_weight is not None:
        w = bring("sample_weight", sample_weight, target, dtype)
        if tuple(w.shape) != (m,):
            raise ValueError(f"sample_weight must have shape ({m},), got {tuple(w.shape)}")
        require_finite(xp, "sample_weight", w)
        if bool(xp.any(w < 0)):
            raise ValueError(f"sample_weight is negative in row {_first(xp, w < 0)}")
        weights = xp.reshape(w, (1, m))
    if class_weight is not None:
        if kind == "values" or (kind == "labels" and k > 1):
            raise ValueError("class_weight needs classes; use sample_weight for these targets")
        count = max(k, 2)
        given = class_weight if isinstance(class_weight, dict) else dict(enumerate(class_weight))
        unknown = [c for c in given if c not in range(count)]
        if unknown:
            raise ValueError(f"class_weight names class {unknown[0]!r}; classes are 0 to {count - 1}")
        row = np.array([given.get(c, 1.0) for c in range(count)], dtype=dtype)
        if not np.all(np.isfinite(row)) or np.any(row < 0):
            raise ValueError(f"class weights must be finite and not negative, got {class_weight!r}")
        per_class = target.backend.from_host(row, target.device)
        if k == 1:
            of_class = per_class[0] * (1.0 - Y) + per_class[1] * Y
        else:
            of_class = xp.reshape(per_class, (1, k)) @ Y
        weights = of_class if weights is None else weights * of_class
    return weights
