"""Blocked SGD in one cooperative launch per epoch: single examples, gradient descent, one hidden layer.

``kernels/persistent/blocked.cu`` explains what happens in a block.
"""

from __future__ import annotations

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet_cupy.programs.persistent import Launch, Persistent
from gpunet_cupy.tiling import Tiling, tiling_of

BLOCK = 64  # examples
THREADS = 512  # per thread block
STEPPERS = 128  # of them, in the thread block that runs the steps
MAX_UNITS = 256  # of the hidden layer
MAX_OUTPUTS = 16  # of the network


def block_workspace(tiling: Tiling, block: int) -> int:
    """Values of global memory: see ``block_workspace`` in ``kernels/persistent/first_layer.cuh``."""
    rows = ((1 + tiling.plan.optimizer.slots) * tiling.grid[0][1] + 2) * tiling.strides[1]
    coefficients = 4 * block + 4
    return block * rows + 2 * (block * block + coefficients)


class PersistentBlockedSGD(Persistent):
    """A program for gradient descent, with momentum or without, with one example per step."""

    name = "cupy persistent blocked SGD"
    block_steps = BLOCK
    file = "persistent/blocked.cu"

    @staticmethod
    def launch_for(plan: Plan, multiprocessors: int, shared_limit: int) -> Launch | None:
        """A thread block per tile, and the one that runs the steps; None if the weights do not fit."""
        tiling = tiling_of(plan, multiprocessors - 1)
        if tiling is None:
            return None
        K, outputs = BLOCK, tiling.sizes[2]
        lanes = next(n for n in (1, 2, 4, 8, 16) if n >= outputs)
        step_state = 2 * STEPPERS // 32 * lanes + K * (MAX_UNITS + K + 4 + 2 * outputs + 2)
        step_state += 2 * MAX_UNITS + (1 + plan.optimizer.slots) * ((outputs + 1) * MAX_UNITS + outputs)
        shared_bytes = np.dtype(plan.dtype).itemsize * max(step_state, tiling.shared(K, THREADS))
        if shared_bytes > shared_limit:
            return None
        workspace = block_workspace(tiling, K)
        return Launch(tiling, 1, K, tiling.tiles + 1, THREADS, shared_bytes, workspace)

    @classmethod
    def unsupported_structure(cls, plan: Plan) -> str | None:
        """Why the kernel is not for plans like this one, on any device."""
        if type(plan.optimizer) is not GradientDescent:
            return f"{type(plan.optimizer).__name__} is not linear in the gradient"
        if plan.penalized:
            return "an L2 penalty is not done in blocks"
        if plan.batch_size > 1:
            return "only single examples"
        if len(plan.layers) != 2 or plan.layers[0].units > MAX_UNITS or plan.layers[1].units > MAX_OUTPUTS:
            return f"only one hidden layer of up to {MAX_UNITS} units, with up to {MAX_OUTPUTS} outputs"
        return None
