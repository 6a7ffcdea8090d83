"""Gradient accumulation: large batches in chunks that stay in cache. J is a sum, so its gradient is one too (C8).

Memory no longer grows with the batch.
"""

from __future__ import annotations

from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.reference import batch_gradients, batch_of, update
from gpunet_numpy.blas_threads import threads_for, with_blas_threads
from gpunet_numpy.plain.namespace import xp

SMALLEST_CHUNK = 512  # examples
NUMBERS = 2**18  # of activations that should fit into cache: a small network has larger chunks


def chunk_size(plan: Plan) -> int:
    """Examples of a chunk."""
    return max(SMALLEST_CHUNK, NUMBERS // sum(layer.units for layer in plan.layers))


class Accumulation(Program):
    """The reference's step, with each batch's gradient summed over chunks of it.

    Parameters
    ----------
    plan : Plan
    """

    name = "numpy gradient accumulation"
    takes_sparse = True

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.xp = xp

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        if plan.batch_size <= chunk_size(plan):
            return f"a batch of {plan.batch_size} fits in one chunk"
        if plan.uses_dropout:
            return "dropout masks are drawn for whole batches"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        size = chunk_size(self.plan)
        threads = threads_for(self.plan, min(size, self.plan.batch_size))
        return with_blas_threads(threads, self._steps, state, inputs, size)

    def _steps(self, state: TrainState, inputs: EpochInputs, size: int) -> tuple[TrainState, Any]:
        """The epoch, in chunks of `size` examples."""
        xp, plan, losses = self.xp, self.plan, []
        for t, (first, last) in enumerate(plan.batches(inputs.examples)):
            J, gradients = 0.0, None
            for start in range(first, last, size):
                stop = min(start + size, last)
                chunk = batch_of(xp, inputs, t, start, stop)
                J_chunk, gradients_chunk = batch_gradients(xp, plan, state.parameters, chunk)
                fraction = (stop - start) / (last - first)
                J = J + fraction * J_chunk
                gradients = _accumulate(gradients, gradients_chunk, fraction)
            assert gradients is not None
            state, J = update(xp, plan, state, J, gradients, inputs.coefficients[t])
            losses.append(J)
        return state, xp.asarray(losses, dtype=inputs.X.dtype)


def _accumulate(total: Any, gradients: Any, fraction: float) -> Any:
    """``total + fraction · gradients``, in place: both belong to this program."""
    for gradient in (one for pair in filter(None, gradients) for one in pair):
        gradient *= fraction
    if total is None:
        return gradients
    for (dW, db), (other_W, other_b) in zip(filter(None, total), filter(None, gradients), strict=True):
        dW += other_W
        db += other_b
    return total
