"""Label smoothing: targets of classes that leave some probability to the others (Szegedy et al. 2016)."""

from __future__ import annotations

from typing import Any

from gpunet.core.activations import ActivationLike

Array = Any


def smoothed(Y: Array, epsilon: float, kind: str, activation: ActivationLike) -> Array:
    """``Y ← (1 − ε) Y + ε/k`` for k classes; ``(1 − ε) Y + ε/2`` for sigmoid outputs, which have two each.

    Parameters
    ----------
    Y : array, ``(n[L], m)``
    epsilon : float
        ε, in ``[0, 1)``.
    kind : str
        What the targets mean; see :class:`gpunet.inputs.targets.Targets`.
    activation : str or Activation
        Of the output.

    Raises
    ------
    ValueError
        If ε is not 0, and the targets are no classes.
    """
    if not epsilon:
        return Y
    if kind == "values":
        raise ValueError(
            f"label_smoothing={epsilon:g} needs classes or labels as targets; these are real values: leave it out"
        )
    return (1.0 - epsilon) * Y + epsilon / (2 if activation == "sigmoid" else Y.shape[0])
