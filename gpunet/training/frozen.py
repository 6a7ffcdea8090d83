"""A frozen base: frozen layers below the first trainable one.

What they give for an example never changes, so it is computed once, before the first epoch. What is above them is
trained on that as a network of its own, by any program.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import TrainState
from gpunet.devices.placement import Placement
from gpunet.devices.sparse_examples import SparseExamples
from gpunet.inputs.pipeline import Examples
from gpunet.training.evaluation import Evaluation

Array = Any

# Numbers that are kept for the examples: half a GiB of float32. X itself may be larger, and they as large as X.
NUMBERS = 2**27


class FrozenBase:
    """The layers of a plan that are a frozen base, and their state.

    Dropout draws new masks at each step: layers above one are no part of the base.

    Parameters
    ----------
    plan : Plan
    state : TrainState
        Of the whole network.
    placement : Placement
    kept : bool
        Whether what it gives is kept for all examples: there is no base then if that takes too much memory.

    Attributes
    ----------
    depth : int
        How many layers it has; 0 if there is none.
    """

    def __init__(self, plan: Plan, state: TrainState, placement: Placement, *, kept: bool) -> None:
        self.depth = next(l for l, layer in enumerate(plan.layers) if layer.trainable or layer.dropout)
        n, m = plan.layers[0].inputs, plan.examples
        if kept and m * plan.layers[self.depth].inputs > max(m * n, NUMBERS):
            self.depth = 0
        self.evaluation = Evaluation(placement, plan.activations[: self.depth])
        self.below = TrainState(state.parameters[: self.depth], state.slots[: self.depth])
        self.placement = placement

    def outputs(self, rows: Array) -> Array:
        """What it gives for rows ``(m, n[0])``: rows of the inputs of the layers above."""
        if not self.depth:
            return rows
        return self._outputs(rows.T)

    def _outputs(self, X: Array | SparseExamples) -> Array:
        return self.evaluation.outputs(self.below.parameters, X)

    def examples_above(self, examples: Examples) -> Examples:
        """The examples as the layers above get them."""
        return examples._replace(X=self._outputs(examples.X).T) if self.depth else examples

    def plan_above(self, plan: Plan) -> Plan:
        """The plan of the layers above."""
        return (
            dataclasses.replace(plan, layers=plan.layers[self.depth :], sparse=False) if self.depth else plan
        )

    def state_above(self, state: TrainState) -> TrainState:
        """The state of the layers above."""
        return TrainState(state.parameters[self.depth :], state.slots[self.depth :])

    def joined(self, above: TrainState) -> TrainState:
        """The state of the whole network."""
        return TrainState([*self.below.parameters, *above.parameters], [*self.below.slots, *above.slots])
