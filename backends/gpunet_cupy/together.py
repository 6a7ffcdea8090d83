"""How many epochs a program runs in one call where nothing reads the state between them.

Around the kernels of a call there is work of the host: uploads, copies of the state, and a wait for the losses. A call
should take several times as long as that, and not so long that the progress bar stands still.
"""

from __future__ import annotations

from gpunet.core.plan import Plan
from gpunet_cupy.sources import device_context

STEPS = 256  # of a call, or blocks of steps
EXAMPLES = 500_000  # of a call: its order takes little memory
EPOCHS = 64  # of a call
WORK = 750_000_000  # multiplications of a weight and an activation in a call, for each multiprocessor


def epochs_together(plan: Plan, device: str, block_steps: int = 1) -> int:
    """Epochs of `plan` for one call, for a program that computes `block_steps` steps together.

    Neither a batch nor a block may hold examples of two epochs.
    """
    if plan.examples % plan.batch_size or plan.steps % block_steps:
        return 1
    work = plan.examples * plan.weights
    steps = plan.steps // block_steps
    multiprocessors = int(device_context(device).attributes["MultiProcessorCount"])
    most = min(EPOCHS, STEPS // steps, EXAMPLES // plan.examples, multiprocessors * WORK // work)
    return max(most, 1)
