"""The reference's steps with all parameters of a small network in one array.

An update rule is about a dozen operations on each parameter, and on a small array each of them takes longer to call
than to compute. The rules are elementwise: here they are called once in a step, on all parameters in a row, with the
same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.optimizers import OPTIMIZERS
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.reference import batch_gradients, batches_of, penalized

Array = Any

NUMBERS = 8192  # of all parameters: more take longer to copy than is saved


def pays(plan: Plan) -> bool:
    """Whether a step does nothing to single parameters but follow the rule, and the rule has many operations."""
    rule = plan.optimizer
    elementwise = type(rule) in OPTIMIZERS.values() and not rule.weight_decay and rule.clip_norm is None
    numbers = sum(layer.units * (layer.inputs + 1) for layer in plan.layers)
    small = rule.slots > 0 and numbers <= NUMBERS
    return small and elementwise and all(plan.trainable)


def steps(xp: Any, plan: Plan, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
    """All steps of some inputs: see :class:`gpunet.core.program.Program`."""
    # The first step's parameters as they are in memory: on that depend the bits of products and sums.
    parameters, theta, losses = state.parameters, in_a_row(state.parameters), []
    pairs = zip(
        *(zip(*layer, strict=True) for layer in state.slots), strict=True
    )  # (of W, of b) of each layer
    slots = tuple(map(in_a_row, pairs))
    for batch in batches_of(xp, plan, inputs):
        J, gradients = batch_gradients(xp, plan, parameters, batch)
        J, gradients = penalized(xp, plan, parameters, J, gradients, batch.coefficients)
        theta, slots = plan.optimizer.update(xp, theta, in_a_row(gradients), slots, batch.coefficients)
        parameters = by_layer(plan, theta)
        losses.append(J)
    by_slot = [by_layer(plan, slot) for slot in slots]
    new_slots: Any = [tuple(zip(*layer, strict=True)) for layer in zip(*by_slot, strict=True)]
    return TrainState(parameters, new_slots), xp.stack(losses)


def in_a_row(pairs: Any) -> Array:
    """``(W, b)`` of all layers as one array."""
    return np.concatenate([one.ravel() for pair in pairs for one in pair])


def by_layer(plan: Plan, row: Array) -> list[tuple[Array, Array]]:
    """The reverse, as views."""
    found, at = [], 0
    for layer in plan.layers:
        end = at + layer.units * layer.inputs
        W, b = row[at:end], row[end : end + layer.units]
        found.append((W.reshape(layer.units, layer.inputs), b.reshape(layer.units, 1)))
        at = end + layer.units
    return found
