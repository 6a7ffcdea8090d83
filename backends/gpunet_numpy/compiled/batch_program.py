"""The program for batches: buffers, made once a plan, around :func:`run_batches`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.plan import Plan
from gpunet_numpy.compiled.batches import run_batches
from gpunet_numpy.compiled.program import Flat, losses_of, rows_of, run, threads

PIECE = 1024  # examples of a batch that are worked on at a time


class Batches:
    """See :mod:`gpunet_numpy.compiled.batches`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled batches"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.flat = Flat(plan)
        sizes = self.flat.sizes
        self.piece = min(plan.batch_size, PIECE)
        in_place = self.flat.rule in (0, 1) and plan.batch_size <= self.piece
        self.gradient = np.empty(0 if in_place else self.flat.size, dtype=plan.dtype)
        self.bias_parts = np.empty((threads(), int(sizes[1:].sum())), dtype=plan.dtype)
        self.work = np.empty(int(self.piece * (sizes.sum() + sizes[1:].sum())), dtype=plan.dtype)

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
        sums = np.zeros((len(plan.batches(used)), threads()))
        run(
            run_batches,
            plan.dtype,
            flat.sizes,
            flat.offsets,
            flat.codes,
            flat.loss,
            flat.rule,
            flat.numbers,
            theta,
            slots,
            self.gradient,
            self.bias_parts,
            self.work,
            rows_of(X),
            rows_of(Y),
            np.empty(0, dtype=plan.dtype) if weights is None else weights.ravel(),
            np.empty(0, dtype=np.int32) if order is None else order,
            used,
            plan.batch_size,
            self.piece,
            coefficients,
            sums,
        )
        return *flat.unpack(theta, slots), losses_of(sums, plan, used)
