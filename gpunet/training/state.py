"""The state that training changes: drawn, checked or moved to another device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from gpunet.core.initializers import BY_ROWS
from gpunet.core.layers import Dense
from gpunet.core.program import TrainState
from gpunet.core.propagation import Parameters
from gpunet.devices.host_memory import host_memory
from gpunet.devices.placement import Placement
from gpunet.errors import OutOfMemory
from gpunet.inputs.arrays import require_finite, to_device_array

Array = Any

DRAWN = 2**20  # weights that are drawn at a time: 8 MiB


def with_zero_slots(parameters: Parameters, slots: int, placement: Placement) -> TrainState:
    """A state with these parameters, and `slots` arrays of zeros for each of them."""

    def zeros(p: Array) -> tuple[Array, ...]:
        # Not `zeros_like`: NumPy writes those, and gets these from the system as they are.
        make = placement.xp.zeros
        return tuple(make(p.shape, dtype=p.dtype, device=device(p)) for _ in range(slots))

    return TrainState(parameters, [(zeros(W), zeros(b)) for W, b in parameters])


def copied(xp: Any, parameters: Parameters) -> list[tuple[Array, Array]]:
    """Copies of ``[(W, b), …]``: a view, alone, would keep all of a state in memory."""
    return [(xp.asarray(W, copy=True), xp.asarray(b, copy=True)) for W, b in parameters]


def moved(state: TrainState, placement: Placement, dtype: str) -> TrainState:
    """The same state on another library or device."""

    def move(p: Array) -> Array:
        return to_device_array("parameters", p, placement, dtype)

    return TrainState(
        [(move(W), move(b)) for W, b in state.parameters],
        [(tuple(map(move, of_W)), tuple(map(move, of_b))) for of_W, of_b in state.slots],
    )


def initial_state(
    layers: Sequence[Dense], inputs: int, seed: int, placement: Placement, dtype: str
) -> TrainState:
    """Parameters as the initializers draw them, on the host, in the layers' order (C16).

    Raises
    ------
    ValueError
        If an initializer draws what is not finite, or of another shape.
    OutOfMemory
        If this process may use less memory than the weights of a layer take. Nothing has been allocated.
    """
    rng = np.random.default_rng(seed)
    parameters = []
    n_in = inputs
    for l, layer in enumerate(layers, start=1):
        _require_memory(l, layer.units, n_in)
        W = _drawn(l, layer, rng, n_in, dtype)
        if not np.isfinite(W).all():
            raise ValueError(
                f"layer {l}: the initializer {layer.initializer!r} gives weights that are not finite"
            )
        b = np.zeros((layer.units, 1), dtype=dtype)
        parameters.append((placement.to_device(W), placement.to_device(b)))
        n_in = layer.units
    return with_zero_slots(parameters, 0, placement)


def _drawn(l: int, layer: Dense, rng: np.random.Generator, n_in: int, dtype: str) -> Any:
    """The weights of layer `l`. Initializers draw float64, which takes much memory where there are many features."""
    shape, start = (layer.units, n_in), layer.start
    if any(start is known for known in BY_ROWS):
        W, rows = np.empty(shape, dtype), max(DRAWN // n_in, 1)
        for first in range(0, layer.units, rows):
            W[first : first + rows] = start(rng, min(rows, layer.units - first), n_in)
        return W
    values = start(rng, *shape)
    try:
        return np.array(np.broadcast_to(np.asarray(values), shape), dtype=dtype)
    except (TypeError, ValueError):
        raise ValueError(
            f"layer {l}: the initializer {layer.initializer!r} must give numbers of shape {shape}, or one "
            f"number for all; got {type(values).__name__} {getattr(values, 'shape', '')}"
        ) from None


def _require_memory(l: int, units: int, n_in: int) -> None:
    """Raise OutOfMemory if the weights of layer `l`, which are drawn in float64, are larger than all memory."""
    size, memory = 8 * units * n_in, host_memory()
    if size > memory:
        raise OutOfMemory(
            f"layer {l} has {units} × {n_in} weights, which take {size / 2**30:.0f} GiB while they are drawn; this "
            f"process may use {memory / 2**30:.0f} GiB. Use fewer units"
        )


def checked_state(
    parameters: Any, layers: Sequence[Dense], inputs: int | None, placement: Placement, dtype: str
) -> TrainState:
    """A state of copies of ``[(W, b), …]``, arrays of any library.

    Raises
    ------
    ValueError, TypeError
        If they do not fit the layers, or hold what is not finite.
    """
    try:
        given = [tuple(pair) for pair in parameters]
    except TypeError:
        given = []
    if len(given) != len(layers) or any(len(pair) != 2 for pair in given):
        raise ValueError(
            f"parameters must be [(W, b), …], {len(layers)} pairs, one for each dense layer; "
            f"got {len(given)} items"
        )
    xp, copied = placement.xp, []
    n_in = inputs
    for l, ((W, b), layer) in enumerate(zip(given, layers, strict=True), start=1):
        W = to_device_array(f"W[{l}]", W, placement, dtype)
        b = to_device_array(f"b[{l}]", b, placement, dtype)
        if n_in is None and len(W.shape) == 2:
            n_in = int(W.shape[1])
        for name, array, wanted in (("W", W, (layer.units, n_in)), ("b", b, (layer.units, 1))):
            if tuple(array.shape) != wanted:
                hint = f" It looks transposed: pass {name}.T." if array.shape == wanted[::-1] else ""
                raise ValueError(f"{name}[{l}] must have shape {wanted}, got {tuple(array.shape)}.{hint}")
            require_finite(xp, f"{name}[{l}]", array)
        copied.append((xp.asarray(W, copy=True), xp.asarray(b, copy=True)))
        n_in = layer.units
    return with_zero_slots(copied, 0, placement)
