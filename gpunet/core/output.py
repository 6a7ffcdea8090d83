"""Which output layer goes with which targets, and which loss with which output layer."""

from __future__ import annotations

from typing import cast

from gpunet.core.activations import ACTIVATIONS
from gpunet.core.checks import known_name, named_or_own, no_function
from gpunet.core.layers import Dense, Dropout
from gpunet.core.losses import LOSSES, Loss, LossLike
from gpunet.core.other_names import LOSSES_ELSEWHERE


def output_for(kind: str, count: int) -> Dense:
    """The output layer for such targets: softmax for classes, and one sigmoid where there are only two (C2).

    Parameters
    ----------
    kind : {"classes", "labels", "values"}
        Exclusive classes; labels, of which any number is true at once, which get a sigmoid each; real values, which get
        the identity.
    count : int
        How many classes, labels or values there are.
    """
    if kind == "values":
        return Dense(count, "identity")
    if kind == "labels":
        return Dense(count, "sigmoid")
    return Dense(count, "softmax") if count > 2 else Dense(1, "sigmoid")


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
