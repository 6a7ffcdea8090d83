"""The reference program with as many BLAS threads as pay for its products."""

from __future__ import annotations

from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, TrainState
from gpunet.core.reference import Reference
from gpunet_numpy.blas_threads import threads_for, with_blas_threads
from gpunet_numpy.plain.estimate import epochs_together
from gpunet_numpy.plain.namespace import xp
from gpunet_numpy.plain.one_array import pays, steps


class PlainReference(Reference):
    """The reference program on NumPy.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(xp, plan)
        self.epochs_together = epochs_together(plan)
        self.in_one_array = pays(plan)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        threads = threads_for(self.plan, self.plan.batch_size)
        if self.in_one_array:
            return with_blas_threads(threads, steps, self.xp, self.plan, state, inputs)
        return with_blas_threads(threads, super().__call__, state, inputs)
