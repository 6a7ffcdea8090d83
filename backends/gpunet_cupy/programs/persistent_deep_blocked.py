"""Blocked SGD in one cooperative launch per epoch: single examples, gradient descent, two hidden layers.

``kernels/persistent/deep_blocked.cu`` explains what happens in a block.
"""

from __future__ import annotations

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet_cupy.programs.persistent import Launch, Persistent
from gpunet_cupy.programs.persistent_blocked import block_workspace
from gpunet_cupy.tiling import round_up, tiling_of

BLOCK = 64  # examples
THREADS = 256  # per thread block; one for each unit of the second hidden layer
COLUMNS = {"float32": 64, "float64": 32}  # of the second layer's weights, in each thread block that has some
MAX_MEMBERS = 16  # thread blocks that have some
MAX_UNITS = THREADS  # of the second hidden layer
MAX_OUTPUTS = 16  # of the network


class PersistentDeepBlockedSGD(Persistent):
    """A program for gradient descent, with momentum or without, with one example per step and two hidden layers."""

    name = "cupy persistent deep blocked SGD"
    block_steps = BLOCK
    file = "persistent/deep_blocked.cu"

    @staticmethod
    def launch_for(plan: Plan, multiprocessors: int, shared_limit: int) -> Launch | None:
        """A thread block per tile, and those that run the steps; None if the weights do not fit."""
        K, columns, units, outputs = BLOCK, COLUMNS[plan.dtype], plan.layers[1].units, plan.layers[2].units
        members = -(-plan.layers[0].units // columns)
        tiling = tiling_of(plan, multiprocessors - members, layers=1) if members <= MAX_MEMBERS else None
        if tiling is None:
            return None
        itemsize, upper = np.dtype(plan.dtype).itemsize, round_up(units, 32)
        lanes = next(n for n in (1, 2, 4, 8, 16) if n >= outputs)
        step_state = K * (columns + K + 2 * outputs + 2) + columns + THREADS + upper // 32 * (columns + lanes)
        shared_bytes = itemsize * max(step_state, tiling.shared(K, THREADS))
        if shared_bytes > shared_limit:
            return None
        workspace = block_workspace(tiling, K)
        workspace += 4 * members * upper  # two values and their tags per unit, for each member
        thread_blocks = tiling.tiles + members
        return Launch(tiling, 1, K, thread_blocks, THREADS, shared_bytes, workspace, columns)

    @classmethod
    def unsupported_structure(cls, plan: Plan) -> str | None:
        """Why the kernel is not for plans like this one, on any device."""
        if type(plan.optimizer) is not GradientDescent:
            return f"{type(plan.optimizer).__name__} is not linear in the gradient"
        if plan.penalized:
            return "an L2 penalty is not done in blocks"
        if plan.batch_size > 1:
            return "only single examples"
        if len(plan.layers) != 3 or plan.layers[1].units > MAX_UNITS or plan.layers[2].units > MAX_OUTPUTS:
            return f"only two hidden layers, the second of up to {MAX_UNITS} units, with up to {MAX_OUTPUTS} outputs"
        return None
