"""Large batches in cache-sized pieces: J is a sum, so its gradient is one too (C8).

Memory no longer grows with the batch, and the pieces stay in cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.reference import columns
from gpunet.core.optimizers import update_all
from gpunet.core.plan import Plan
from gpunet.core.propagation import cost_and_gradients

CHUNK = 512  # columns at least
NUMBERS = 2**18  # of activations that may lie in cache: a small network takes more columns at a time


def columns_of(plan: Plan) -> int:
    """Columns of a piece."""
    return max(CHUNK, NUMBERS // sum(layer.units for layer in plan.layers))


class Chunks:
    """The reference's step, with each batch's gradient summed over pieces of it.

    Parameters
    ----------
    plan : Plan
    """

    name = "numpy chunks"

    def __init__(self, plan: Plan) -> None:
        self.xp = np
        self.plan = plan

    @staticmethod
    def uncovered(plan: Plan) -> str | None:
        """Why `plan` is not for this program."""
        if plan.batch_size <= columns_of(plan):
            return f"a batch of {plan.batch_size} needs no chunks"
        if plan.drops:
            return "dropout masks are drawn for whole batches"
        return None

    def __call__(
        self,
        parameters: Any,
        state: Any,
        X: Any,
        Y: Any,
        weights: Any,
        order: Any,
        coefficients: Any,
        keys: Any,
    ) -> Any:
        """See :class:`gpunet.core.reference.Program`."""
        losses = []
        used, size = X.shape[1] if order is None else order.shape[0], columns_of(self.plan)
        for t, (first, last) in enumerate(self.plan.batches(used)):
            J, gradients = 0.0, None
            for start in range(first, last, size):
                stop = min(start + size, last)
                chosen = slice(start, stop) if order is None else order[start:stop]
                x, y = columns(self.xp, X, chosen), columns(self.xp, Y, chosen)
                w = None if weights is None else columns(self.xp, weights, chosen)
                piece, more = cost_and_gradients(
                    self.xp, self.plan.activations, self.plan.loss, parameters, x, y, w
                )
                share = (stop - start) / (last - first)
                J = J + share * piece
                gradients = _add(gradients, more, share)
            parameters, state = update_all(
                self.xp, self.plan.optimizer, parameters, gradients or [], state, coefficients[t]
            )
            losses.append(J)
        return parameters, state, self.xp.asarray(losses, dtype=X.dtype)


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
