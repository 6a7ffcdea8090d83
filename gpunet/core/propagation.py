"""Forward and backward through a network (C6, C7, C9, C10), columns as examples.

Shapes: ``A[l−1] (n[l−1], m)``, ``W[l] (n[l], n[l−1])``, ``b[l] (n[l], 1)``, ``Z[l], A[l] (n[l], m)``; each
gradient has the shape of what it belongs to.

Activations between the layers let a network separate what a line cannot (C13). The product of the layers' Jacobians,
of ``W[l+1]ᵀ`` and ``g′(Z[l])``, can make gradients vanish or explode with depth (C14). The tests compare every gradient
with central differences (C22).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gpunet.core.activations import ACTIVATIONS, ActivationLike
from gpunet.core.losses import LOSSES, LossLike, cost, output_delta

Array = Any
Namespace = Any
Parameters = Sequence[tuple[Array, Array]]
Gradients = Sequence[tuple[Array, Array] | None]  # None for a frozen layer


class Cache(NamedTuple):
    """The values of one layer's forward pass that the backward pass needs (C10)."""

    inputs: Array  # A[l−1], after dropout
    Z: Array
    A: Array


def forward(
    xp: Namespace,
    activations: Sequence[ActivationLike],
    parameters: Parameters,
    X: Array,
    masks: Sequence[Array | None] | None = None,
) -> tuple[Array, list[Cache]]:
    """``Z[l] = W[l] A[l−1] + b[l]``, ``A[l] = g[l](Z[l])``, ``A[0] = X`` (C6).

    Parameters
    ----------
    xp : Array API namespace
    activations : sequence of str or Activation
        ``g[l]`` of each layer.
    parameters : sequence of ``(W, b)``
    X : array, ``(n[0], m)``
    masks : sequence of array or None
        Dropout masks for each layer's inputs; None leaves them as they are.

    Returns
    -------
    A : array, ``(n[L], m)``
    caches : list of Cache, one per layer
    """
    A = X
    caches = []
    for l, (W, b) in enumerate(parameters):
        inputs = A if masks is None or masks[l] is None else A * masks[l]
        Z = W @ inputs + b
        A = ACTIVATIONS[activations[l]].forward(xp, Z)
        caches.append(Cache(inputs, Z, A))
    return A, caches


def backward(
    xp: Namespace,
    activations: Sequence[ActivationLike],
    parameters: Parameters,
    caches: Sequence[Cache],
    delta: Array,
    masks: Sequence[Array | None] | None = None,
    *,
    skip: int = 0,
    trainable: Sequence[bool] | None = None,
) -> tuple[Gradients, Array]:
    """The gradients of J from ``δ[L] = ∂J/∂Z[L]`` and the cache (C9).

    ``∂J/∂W[l] = δ[l] A[l−1]ᵀ``, ``∂J/∂b[l] = Σ_i δ[l](i)``, ``δ[l] = (W[l+1]ᵀ δ[l+1]) ∘ g′(Z[l])``. No product
    of the forward pass is repeated, and ``∂J/∂X`` is not computed. Below the lowest trainable layer nothing is.

    Parameters
    ----------
    xp, activations, parameters, masks
        As for :func:`forward`.
    caches : sequence of Cache
        What :func:`forward` returned.
    delta : array, ``(n[L], m)``
    skip : int
        The first `skip` layers get no gradients.
    trainable : sequence of bool, or None
        Whether each layer gets gradients; None stands for all.

    Returns
    -------
    gradients : list of ``(dW, db)`` or None, one per layer that is not skipped, shaped as ``(W, b)``
    delta : array
        ``δ[l]`` of the last layer that is skipped; of the first trainable layer if none is.
    """
    gradients: list[tuple[Array, Array] | None] = []
    learns = [True] * len(parameters) if trainable is None else list(trainable)
    lowest = max(skip - 1, learns.index(True))
    for l in range(len(parameters) - 1, -1, -1):
        if l >= skip:
            dW_db = (delta @ caches[l].inputs.T, xp.sum(delta, axis=1, keepdims=True)) if learns[l] else None
            gradients.append(dW_db)
        if l > lowest:
            dA = parameters[l][0].T @ delta
            if masks is not None and masks[l] is not None:
                dA = dA * masks[l]
            _, Z, A = caches[l - 1]
            delta = ACTIVATIONS[activations[l - 1]].backward(xp, dA, Z, A)
    return gradients[::-1], delta


def cost_and_gradients(
    xp: Namespace,
    activations: Sequence[ActivationLike],
    loss: LossLike,
    parameters: Parameters,
    X: Array,
    Y: Array,
    weights: Array | None = None,
    masks: Sequence[Array | None] | None = None,
    trainable: Sequence[bool] | None = None,
) -> tuple[Array, Gradients]:
    """``J`` and ``[(∂J/∂W[l], ∂J/∂b[l])]`` for one batch: forward, loss, backward.

    Parameters
    ----------
    xp, activations, parameters, X, masks
        As for :func:`forward`.
    trainable
        As for :func:`backward`.
    loss : str or Loss
    Y : array, ``(n[L], m)``
    weights : array ``(1, m)`` or None
    """
    A, caches = forward(xp, activations, parameters, X, masks)
    output = (xp, LOSSES[loss], activations[-1], caches[-1].Z, A, Y, weights)
    J = cost(*output)
    delta = output_delta(*output)
    gradients, _ = backward(xp, activations, parameters, caches, delta, masks, trainable=trainable)
    return J, gradients
