"""Where a network stands: its parameters, and what the optimizer keeps for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet.devices.placement import Home
from gpunet.core.layers import Dense
from gpunet.inputs.arrays import bring, require_finite

Array = Any


class Weights(NamedTuple):
    """``[(W, b), …]`` and, for each of them, the slots of the optimizer. Arrays are never written to."""

    parameters: Sequence[tuple[Array, Array]]
    state: Sequence[tuple[tuple[Array, ...], tuple[Array, ...]]]

    def with_slots(self, slots: int, home: Home) -> Weights:
        """The same parameters, with `slots` arrays of 0 for each."""

        def zeros(p: Array) -> tuple[Array, ...]:
            return tuple(home.xp.zeros_like(p) for _ in range(slots))

        return Weights(self.parameters, [(zeros(W), zeros(b)) for W, b in self.parameters])

    def moved(self, home: Home, dtype: str) -> Weights:
        """The same on another library or device."""

        def over(p: Array) -> Array:
            return bring("parameters", p, home, dtype)

        return Weights(
            [(over(W), over(b)) for W, b in self.parameters],
            [(tuple(map(over, of_W)), tuple(map(over, of_b))) for of_W, of_b in self.state],
        )


def initial_weights(layers: Sequence[Dense], inputs: int, seed: int, home: Home, dtype: str) -> Weights:
    """Weights as the initializers draw them, on the host, in the layers' order (C16)."""
    rng = np.random.default_rng(seed)
    parameters = []
    n_in = inputs
    for layer in layers:
        values = np.asarray(layer.start(rng, layer.units, n_in))
        W = np.array(np.broadcast_to(values, (layer.units, n_in)), dtype=dtype)
        b = np.zeros((layer.units, 1), dtype=dtype)
        parameters.append((home.send(W), home.send(b)))
        n_in = layer.units
    return Weights(parameters, []).with_slots(0, home)


def given_weights(
    parameters: Any, layers: Sequence[Dense], inputs: int | None, home: Home, dtype: str
) -> Weights:
    """Copies of ``[(W, b), …]`` that somebody passed in, from any library.

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
    xp, copied = home.xp, []
    n_in = inputs
    for l, ((W, b), layer) in enumerate(zip(given, layers, strict=True), start=1):
        W = bring(f"W[{l}]", W, home, dtype)
        b = bring(f"b[{l}]", b, home, dtype)
        if n_in is None and len(W.shape) == 2:
            n_in = int(W.shape[1])
        for name, array, wanted in (("W", W, (layer.units, n_in)), ("b", b, (layer.units, 1))):
            if tuple(array.shape) != wanted:
                hint = f" It looks transposed: pass {name}.T." if array.shape == wanted[::-1] else ""
                raise ValueError(f"{name}[{l}] must have shape {wanted}, got {tuple(array.shape)}.{hint}")
            require_finite(xp, f"{name}[{l}]", array)
        copied.append((xp.asarray(W, copy=True), xp.asarray(b, copy=True)))
        n_in = layer.units
    return Weights(copied, []).with_slots(0, home)
