"""Whether layers make a network."""

from __future__ import annotations

from typing import Any

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.layers import Dense, Dropout


def dense_and_dropouts(layers: Any) -> tuple[tuple[Dense, ...], tuple[float, ...]]:
    """The dense layers, and the dropout rate of each one's inputs.

    Raises
    ------
    ValueError, TypeError
        If these layers make no network.
    """
    if isinstance(layers, Dense | Dropout):
        layers = [layers]
    if isinstance(layers, str | dict) or not hasattr(layers, "__iter__"):
        raise TypeError(f"layers must be a list such as [Dense(10, 'softmax')], got {layers!r}")
    dense: list[Dense] = []
    rates: list[float] = []
    rate = 0.0
    for layer in layers:
        if isinstance(layer, Dropout):
            # Two in a row keep an input with the product of their probabilities; one alone keeps its rate exactly.
            rate = 1.0 - (1.0 - rate) * (1.0 - layer.rate) if rate else layer.rate
        elif isinstance(layer, Dense):
            dense.append(layer)
            rates.append(rate)
            rate = 0.0
        else:
            raise TypeError(f"a layer must be a Dense or a Dropout, got {layer!r}.{_meant(layer)}")
    if not dense:
        raise ValueError("a network needs at least one Dense layer, its output")
    if rate:
        raise ValueError("Dropout after the last layer would drop predictions; put it before")
    return tuple(dense), tuple(rates)


def _meant(layer: Any) -> str:
    """What was probably meant by something that is no layer."""
    if layer is Dense or layer is Dropout:
        return f" Give it its size: {layer.__name__}({'10' if layer is Dense else '0.2'})."
    if isinstance(layer, str) and layer in ACTIVATIONS:
        return f" An activation belongs to its layer: Dense(10, {layer!r})."
    if isinstance(layer, int):
        return f" Dense({layer}, 'relu') is a layer of {layer} units."
    return ""
