"""J and its gradients of some examples, without an update: by the mini-batch program.

Momentum's ``v ← β v + (1 − β) g`` with β = 0 is the gradient itself. What becomes of the weights is not looked at.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.propagation import Gradients, Parameters
from gpunet_numpy.compiled.minibatch.program import MiniBatch


class CompiledGradients:
    """See :meth:`gpunet.Backend.part_gradients`.

    Parameters
    ----------
    plan : Plan
        In parts.
    """

    program = MiniBatch
    takes_integers = MiniBatch.takes_integers
    keeps_activations = MiniBatch.keeps_activations

    def __init__(self, plan: Plan) -> None:
        self.plan = self.plan_of(plan, 1)
        self.made: dict[int, MiniBatch] = {}
        zero = np.zeros(1, plan.dtype)
        self.slots = [
            (np.broadcast_to(zero, (l.units, l.inputs)), np.broadcast_to(zero, (l.units, 1)))
            for l in plan.layers
        ]

    @staticmethod
    def plan_of(plan: Plan, examples: int) -> Plan:
        """One step of the mini-batch program for so many examples."""
        optimizer = GradientDescent(1.0, momentum=0.5)
        return replace(
            plan, optimizer=optimizer, examples=examples, batch_size=examples, penalized=False, in_parts=False
        )

    @classmethod
    def unsupported_reason(cls, plan: Plan) -> str | None:
        """Why these gradients can't be had for `plan`."""
        if plan.uses_dropout:
            return "dropout masks are those of whole batches"
        return cls.program.unsupported_reason(cls.plan_of(plan, 1))

    def __call__(self, parameters: Parameters, X: Any, Y: Any, weights: Any | None) -> tuple[Any, Gradients]:
        program = self._program(X.shape[1])
        state = TrainState(parameters, [((W,), (b,)) for W, b in self.slots])
        rate = np.zeros((1, 1), self.plan.dtype)
        new, losses = program(state, EpochInputs(X, Y, weights, None, rate, None))
        return losses[0], [(W[0], b[0]) for W, b in new.slots]

    def _program(self, examples: int) -> MiniBatch:
        """One for so many examples, of few sizes: no earlier call matters, so a resumed run has the same bits."""
        size = 1 << (examples - 1).bit_length()
        if size not in self.made:
            made = self.made[size] = self.program(self.plan_of(self.plan, size))
            assert made.rule is not None
            made.rule = made.rule._replace(beta1=np.dtype(self.plan.dtype).type(0))
        return self.made[size]
