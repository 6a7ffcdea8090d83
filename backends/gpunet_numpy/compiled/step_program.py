"""The program for very small networks: buffers around :func:`run_steps`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.layout import Layout
from gpunet_numpy.compiled.program import (
    address,
    aligned,
    losses_of,
    rows_of,
    run_alone,
    steps_of,
    unsupported_reason,
)
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN, rule_of
from gpunet_numpy.compiled.steps import run_steps

WEIGHTS = 8192  # of the network at most, and of its first layer times the examples beyond the first


class Steps(Program):
    """See :mod:`gpunet_numpy.compiled.steps`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled steps"

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.layout = layout = Layout(plan, 1)
        n = [int(size) for size in layout.sizes]
        counts = [0, *(n[l] * (n[l - 1] + 1) for l in range(1, len(n)))]
        self.at_W = np.array([0, *np.cumsum(counts[:-1])])
        self.at_b = np.array([0, *(self.at_W[l] + n[l] * n[l - 1] for l in range(1, len(n)))])
        self.room = [aligned(2, plan.batch_size, size, dtype=layout.dtype) for size in n]
        self.at_A, self.at_D = (np.array([address(one[i]) for one in self.room]) for i in (0, 1))

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why `plan` is not for this program."""
        if rule_of(plan.optimizer)[0] not in (PLAIN, MOMENTUM):
            return "only plain descent and momentum go step by step"
        first = plan.layers[0].inputs * plan.layers[0].units
        weights = sum(layer.inputs * layer.units for layer in plan.layers)
        if max(weights, first * (plan.batch_size - 1)) > WEIGHTS:
            return "its batches are matrix products"
        return unsupported_reason(plan)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        layout, plan = self.layout, self.plan
        rows, targets, order = rows_of(inputs.X), rows_of(inputs.Y), inputs.order
        weights = None if inputs.example_weights is None else np.ascontiguousarray(inputs.example_weights)
        coefficients = np.ascontiguousarray(inputs.coefficients)
        theta = layout.in_a_row(*state)
        used = inputs.examples
        losses = np.zeros((steps_of(plan, used), 1))
        run_alone(
            run_steps,
            layout.one,
            layout.told()._replace(at_W=address(self.at_W), at_b=address(self.at_b)),
            address(theta),
            layout.slots * theta.strides[0],
            address(self.at_A),
            address(self.at_D),
            address(rows),
            address(order),
            address(targets),
            address(weights),
            used,
            plan.batch_size,
            address(coefficients),
            losses,
        )
        return TrainState(*layout.out_of_a_row(theta)), losses_of(losses, plan, used)
