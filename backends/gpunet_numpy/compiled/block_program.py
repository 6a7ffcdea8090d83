"""The program for single examples and small batches: buffers around :func:`run_blocks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.plan import Plan
from gpunet_numpy.compiled.blocks import run_blocks
from gpunet_numpy.compiled.program import Flat, losses_of, rows_of, run, threads, uncovered
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN, rule_of

BLOCK = 64  # examples a block; twice as many for batches of which only a few would fit
LARGEST_BATCH = 32
LATER = 300_000  # parameters after W[2] that each thread may step on its own


class Blocks:
    """See :mod:`gpunet_numpy.compiled.blocks`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled blocks"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.flat = Flat(plan)
        count, dtype, B = threads(), plan.dtype, plan.batch_size
        n = self.flat.sizes
        self.block = (BLOCK if B <= BLOCK // 4 else 2 * BLOCK) // B * B
        later = int(n[2:].sum())
        self.buffers = (
            np.empty((count, self.flat.size), dtype),
            np.empty((count, self.flat.slots, self.flat.size), dtype),
            np.empty((self.block, n[0]), dtype),
            np.empty((self.block, self.block), dtype),
            np.empty(self.block * n[1], dtype),
            np.empty(self.block * n[1] if self.flat.slots else 0, dtype),
            np.empty(self.block * n[1], dtype),
            np.empty(B * n[1], dtype),
            np.empty(self.block * n[1], dtype),
            np.empty((2, count, _apart(B * int(n[2]) if len(n) > 2 else 1)), dtype),
            np.empty((count, _apart(2 * B * later)), dtype),
        )

    @staticmethod
    def uncovered(plan: Plan) -> str | None:
        """Why `plan` is not for this program."""
        if plan.batch_size > LARGEST_BATCH:
            return f"batches above {LARGEST_BATCH} are matrix products already"
        if rule_of(plan.optimizer)[0] not in (PLAIN, MOMENTUM):
            return "only plain descent and momentum go in blocks"
        if len(plan.layers) == 1 and threads() > 1:
            return "a single layer has no neurons to share out"
        if sum(layer.units * layer.inputs for layer in plan.layers[2:]) > LATER:
            return "the later layers are too large to step on every thread"
        return uncovered(plan)

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
        """See :class:`gpunet.descent.Program`."""
        flat, plan = self.flat, self.plan
        theta, slots = flat.pack(parameters, state)
        used = X.shape[1] if order is None else order.shape[0]
        sums = np.zeros((len(plan.batches(used)), 1))
        run(
            run_blocks,
            plan.dtype,
            flat.sizes,
            flat.offsets,
            flat.codes,
            flat.loss,
            float(flat.numbers[0]),
            float(flat.numbers[1]),
            theta,
            slots,
            *self.buffers,
            rows_of(X),
            rows_of(Y),
            np.empty(0, dtype=plan.dtype) if weights is None else weights.ravel(),
            np.empty(0, dtype=np.int32) if order is None else order,
            used,
            plan.batch_size,
            self.block,
            coefficients,
            sums,
        )
        return *flat.unpack(theta, slots), losses_of(sums, plan, used)


def _apart(numbers: int) -> int:
    """So many numbers, and room: what one thread writes at each step shares no cache line with another's."""
    return numbers + 32
