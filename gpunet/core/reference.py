"""The reference program: the mini-batch algorithm of the lecture (C18, C19), for every array library.

For each batch: forward, backward, update. With one example per batch this is stochastic descent, with all of
them full-batch descent. This module defines what a backend's faster program must compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gpunet.core.columns import Columns
from gpunet.core.dropout import keep_mask
from gpunet.core.losses import LOSSES, cost
from gpunet.core.optimizers import update_all
from gpunet.core.penalty import add_gradients, penalty
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.propagation import Gradients, Parameters, cost_and_gradients, forward

Array = Any
Namespace = Any


class Batch(NamedTuple):
    """What one step reads: the columns of B examples, and the step's numbers."""

    X: Array  # (n[0], B)
    Y: Array  # (n[L], B)
    example_weights: Array | None  # (1, B)
    coefficients: Array  # (k,)
    dropout_keys: Array | None  # int32 (L,)
    place: tuple[int, int, int] | None = None  # of a lane: its first column, its last + 1, and B


def step(xp: Namespace, plan: Plan, state: TrainState, batch: Batch) -> tuple[TrainState, Array]:
    """One update from one batch: forward, backward, ``W[l] ← W[l] − α ∂J/∂W[l]`` (C19); J before it."""
    J, gradients = batch_gradients(xp, plan, state.parameters, batch)
    return update(xp, plan, state, J, gradients, batch.coefficients)


def batch_gradients(
    xp: Namespace, plan: Plan, parameters: Parameters, batch: Batch
) -> tuple[Array, Gradients]:
    """J and its gradients for one batch, or for a lane of one as if it were a batch; without the penalty."""
    X, Y, weights, *_ = batch
    masks = _masks(xp, plan, batch)
    return cost_and_gradients(
        xp, plan.activations, plan.loss, parameters, X, Y, weights, masks, plan.trainable
    )


def batch_cost(xp: Namespace, plan: Plan, parameters: Parameters, batch: Batch) -> Array:
    """J of a batch as :func:`step` has it, with the penalty, from the forward pass alone."""
    A, caches = forward(xp, plan.activations, parameters, batch.X, _masks(xp, plan, batch))
    known = (caches[-1].Z, A, batch.Y, batch.example_weights)
    J = cost(xp, LOSSES[plan.loss], plan.activations[-1], *known)
    return J + penalty(xp, parameters, batch.coefficients[-1]) if plan.penalized else J


def _masks(xp: Namespace, plan: Plan, batch: Batch) -> list[Array | None] | None:
    """The dropout masks of a batch's layers."""
    X, _, _, _, keys, place = batch
    if keys is None:
        return None
    columns, size = (None, X.shape[1]) if place is None else (place[:2], place[2])
    return [
        keep_mask(xp, keys[l], (layer.inputs, size), layer.dropout, like=X, columns=columns)
        if layer.dropout
        else None
        for l, layer in enumerate(plan.layers)
    ]


def update(
    xp: Namespace, plan: Plan, state: TrainState, J: Array, gradients: Gradients, coefficients: Array
) -> tuple[TrainState, Array]:
    """The state after a step with these gradients, and J; both get the penalty's part here."""
    J, gradients = penalized(xp, plan, state.parameters, J, gradients, coefficients)
    new = update_all(xp, plan.optimizer, state.parameters, gradients, state.slots, coefficients)
    return TrainState(*new), J


def penalized(
    xp: Namespace, plan: Plan, parameters: Parameters, J: Array, gradients: Gradients, coefficients: Array
) -> tuple[Array, Gradients]:
    """J and its gradients with the penalty's part, if the plan has one."""
    if not plan.penalized:
        return J, gradients
    strength = coefficients[-1]
    return J + penalty(xp, parameters, strength), add_gradients(gradients, parameters, strength)


class Reference(Program):
    """The program that this module defines, for a plan on any Array API namespace.

    Parameters
    ----------
    xp : Array API namespace
    plan : Plan
    """

    name = "reference"
    takes_sparse = True
    repeats_full_batch = True

    def __init__(self, xp: Namespace, plan: Plan) -> None:
        super().__init__(plan)
        self.xp = xp

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        """See :class:`gpunet.core.program.Program`."""
        xp, losses = self.xp, []
        for batch in batches_of(xp, self.plan, inputs):
            state, J = step(xp, self.plan, state, batch)
            losses.append(J)
        return state, xp.stack(losses)


def batches_of(xp: Namespace, plan: Plan, inputs: EpochInputs) -> Iterator[Batch]:
    """The batch of each step; a full batch that is repeated is taken from X once."""
    bounds, repeats = plan.batches(inputs.examples), inputs.repeats(plan)
    if repeats == 1:
        for t, (first, last) in enumerate(bounds):
            yield batch_of(xp, inputs, t, first, last)
        return
    examples_used = examples(xp, inputs, *bounds[0])
    for t in range(repeats):
        yield Batch(*examples_used, *numbers(inputs, t))


def batch_of(xp: Namespace, inputs: EpochInputs, t: int, first: int, last: int) -> Batch:
    """Step `t` of some inputs, whose examples are at positions ``[first, last)``."""
    return Batch(*examples(xp, inputs, first, last), *numbers(inputs, t))


def numbers(inputs: EpochInputs, t: int) -> tuple[Array, Array | None]:
    """Coefficients and dropout keys of step `t`."""
    keys = inputs.dropout_keys
    return inputs.coefficients[t, :], None if keys is None else keys[t, :]


def examples(xp: Namespace, inputs: EpochInputs, first: int, last: int) -> tuple[Array, Array, Array | None]:
    """X, Y and example weights of the examples at positions ``[first, last)`` of the epoch."""
    chosen = slice(first, last) if inputs.order is None else inputs.order[first:last]
    weights = inputs.example_weights
    return (
        columns(xp, inputs.X, chosen),
        columns(xp, inputs.Y, chosen),
        None if weights is None else columns(xp, weights, chosen),
    )


def columns(xp: Namespace, A: Array, chosen: Any) -> Array:
    """The chosen columns of A; gathered as rows of Aᵀ, because an example is contiguous in memory."""
    if isinstance(A, Columns):
        return A.columns(chosen)
    if isinstance(chosen, slice):
        return A[:, chosen]
    return xp.take(A.T, chosen, axis=0).T
