"""Descent: the mini-batch algorithm of the lecture (C18, C19), for every array library.

For each batch: forward, backward, update. With one example a batch this is stochastic descent, with all of
them full-batch descent. This page defines what a backend's faster program must compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gpunet.core.dropout import keep_mask
from gpunet.core.optimizers import update_all
from gpunet.core.plan import Plan
from gpunet.core.propagation import cost_and_gradients

Array = Any
Namespace = Any
Parameters = Sequence[tuple[Array, Array]]
State = Sequence[tuple[tuple[Array, ...], tuple[Array, ...]]]


class Program(Protocol):
    """One epoch (or the first part of one) of a plan, as one call.

    Parameters
    ----------
    parameters : sequence of ``(W, b)``
    state : sequence of ``(slots of W, slots of b)``
        What the optimizer keeps.
    X : array, ``(n[0], m)``
        The training set, columns as examples; a transposed view of rows in memory.
    Y : array, ``(n[L], m)``
        Targets, likewise.
    weights : array ``(1, m)`` or None
    order : int32 array or None
        Columns in the order in which they are used; None for as they stand. May be shorter than m.
    coefficients : array, ``(steps, k)``
        The optimizer's numbers for each step.
    keys : int32 array ``(steps, L)`` or None
        Keys of the dropout masks.

    Returns
    -------
    parameters, state
        New ones; those passed in are never changed.
    losses : array, ``(steps,)``
        J of each batch before its update.
    """

    name: str

    def __call__(
        self,
        parameters: Parameters,
        state: State,
        X: Array,
        Y: Array,
        weights: Array | None,
        order: Array | None,
        coefficients: Array,
        keys: Array | None,
    ) -> tuple[Parameters, State, Array]:
        """Run it."""
        ...


def step(
    xp: Namespace,
    plan: Plan,
    parameters: Parameters,
    state: State,
    X: Array,
    Y: Array,
    weights: Array | None,
    coefficients: Array,
    keys: Array | None,
) -> tuple[Parameters, State, Array]:
    """One update from one batch: forward, backward, ``W[l] ← W[l] − α ∂J/∂W[l]`` (C19)."""
    masks = None
    if keys is not None:
        masks = [
            keep_mask(xp, keys[l], (layer.inputs, X.shape[1]), layer.dropout, like=X)
            if layer.dropout
            else None
            for l, layer in enumerate(plan.layers)
        ]
    J, gradients = cost_and_gradients(xp, plan.activations, plan.loss, parameters, X, Y, weights, masks)
    parameters, state = update_all(xp, plan.optimizer, parameters, gradients, state, coefficients)
    return parameters, state, J


class Reference:
    """The program that this page spells out, for a plan on any Array API namespace.

    Parameters
    ----------
    xp : Array API namespace
    plan : Plan
    """

    name = "reference"

    def __init__(self, xp: Namespace, plan: Plan) -> None:
        self.xp = xp
        self.plan = plan

    def __call__(
        self,
        parameters: Parameters,
        state: State,
        X: Array,
        Y: Array,
        weights: Array | None,
        order: Array | None,
        coefficients: Array,
        keys: Array | None,
    ) -> tuple[Parameters, State, Array]:
        """See :class:`Program`."""
        losses = []
        used = X.shape[1] if order is None else order.shape[0]
        for t, (first, last) in enumerate(self.plan.batches(used)):
            chosen = slice(first, last) if order is None else order[first:last]
            parameters, state, J = step(
                self.xp,
                self.plan,
                parameters,
                state,
                columns(self.xp, X, chosen),
                columns(self.xp, Y, chosen),
                None if weights is None else columns(self.xp, weights, chosen),
                coefficients[t, :],
                None if keys is None else keys[t, :],
            )
            losses.append(J)
        return parameters, state, self.xp.stack(losses)


def columns(xp: Namespace, A: Array, chosen: Any) -> Array:
    """The chosen columns of A; gathered as rows of Aᵀ, because an example is contiguous in memory."""
    if isinstance(chosen, slice):
        return A[:, chosen]
    return xp.take(A.T, chosen, axis=0).T
