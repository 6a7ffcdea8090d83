"""Large batches in cache-sized pieces: J is a sum, so its gradient is one too (C8).

Memory no longer grows with the batch, and the pieces stay in cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.optimizers import update_all
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.propagation import cost_and_gradients
from gpunet.core.reference import examples

CHUNK = 512  # columns at least
NUMBERS = 2**18  # of activations that may lie in cache: a small network takes more columns at a time


def columns_of(plan: Plan) -> int:
    """Columns of a piece."""
    return max(CHUNK, NUMBERS // sum(layer.units for layer in plan.layers))


class Chunks(Program):
    """The reference's step, with each batch's gradient summed over pieces of it.

    Parameters
    ----------
    plan : Plan
    """

    name = "numpy chunks"

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.xp = np

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why `plan` is not for this program."""
        if plan.batch_size <= columns_of(plan):
            return f"a batch of {plan.batch_size} needs no chunks"
        if plan.uses_dropout:
            return "dropout masks are drawn for whole batches"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        losses = []
        size = columns_of(self.plan)
        for t, (first, last) in enumerate(self.plan.batches(inputs.examples)):
            J, gradients = 0.0, None
            for start in range(first, last, size):
                stop = min(start + size, last)
                x, y, w = examples(self.xp, inputs, start, stop)
                piece, more = cost_and_gradients(
                    self.xp, self.plan.activations, self.plan.loss, state.parameters, x, y, w
                )
                share = (stop - start) / (last - first)
                J = J + share * piece
                gradients = _add(gradients, more, share)
            new = update_all(
                self.xp,
                self.plan.optimizer,
                state.parameters,
                gradients or [],
                state.slots,
                inputs.coefficients[t],
            )
            state = TrainState(*new)
            losses.append(J)
        return state, self.xp.asarray(losses, dtype=inputs.X.dtype)


def _add(total: Any, more: Any, share: float) -> Any:
    """``total + share · more``, in place: both belong to this program."""
    for pair in more:
        for gradient in pair:
            gradient *= share
    if total is None:
        return more
    for (dW, db), (other_W, other_b) in zip(total, more, strict=True):
        dW += other_W
        db += other_b
    return total
