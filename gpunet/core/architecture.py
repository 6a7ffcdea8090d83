"""Whether layers and loss make a network: the checks of construction."""

from __future__ import annotations

from typing import Any, cast

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.checks import known_name, named_or_own, no_function
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES, Loss, LossLike
from gpunet.core.other_names import LOSSES_ELSEWHERE


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


def loss_for(output: Dense, loss: LossLike | None) -> LossLike:
    """The loss, checked against the output activation; None takes the canonical one.

    Raises
    ------
    ValueError, TypeError
        If they do not go together, and for a layer.
    """
    if isinstance(loss, Dense | Dropout):
        raise TypeError(
            f"layers go into one list, Network([Dense(…), Dense(…)]); got {loss!r} beside it, in the place of the loss"
        )
    if output.activation == "softmax" and output.units == 1:
        raise ValueError(
            "softmax over one unit is always 1; use Dense(1, 'sigmoid') with 'logistic', or one unit "
            "for each class"
        )
    if loss is None:
        fitting = [name for name, one in LOSSES.items() if one.canonical == output.activation]
        return fitting[0] if fitting else "squared_error"
    if isinstance(loss, Loss):
        loss = cast("LossLike", named_or_own("loss", loss, LOSSES))
    else:
        no_function("loss", loss, "a gpunet.Loss(name, value, gradient)")
        known_name("loss", loss, LOSSES, LOSSES_ELSEWHERE)
    outputs, own = LOSSES[loss].outputs, ACTIVATIONS[output.activation]
    between_0_and_1 = output.activation not in ACTIVATIONS and own.low >= 0.0 and own.high <= 1.0
    if outputs is not None and output.activation not in outputs and not between_0_and_1:
        raise ValueError(
            f"{loss} needs an output between 0 and 1"
            + (" that sums to 1" if loss == "cross_entropy" else "")
            + f": {' or '.join(sorted(outputs))}; the last layer is {output.activation}."
            + (" Independent sigmoids go with 'logistic'." if output.activation == "sigmoid" else "")
        )
    return loss
