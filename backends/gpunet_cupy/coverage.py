"""Which plans the CUDA programs cover, and whether they may run at all.

They have never been timed on a GPU. Until they have, they run only where ``GPUNET_CUPY_PROGRAMS=1`` says so.
"""

from __future__ import annotations

import os

from gpunet.losses import LOSSES
from gpunet.plan import Plan

SWITCH = "GPUNET_CUPY_PROGRAMS"
ELEMENTWISE = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus"}


def switched_on() -> bool:
    """Whether the unmeasured programs may run."""
    return os.environ.get(SWITCH) == "1"


def off() -> str | None:
    """Why no program may run; None if they may."""
    return None if switched_on() else f"unmeasured, off by default ({SWITCH}=1 turns it on)"


def uncovered(plan: Plan) -> str | None:
    """Why no kernel covers `plan`; None if they do."""
    for name in plan.activations[:-1]:
        if name not in ELEMENTWISE:
            return f"{name} in a hidden layer has no kernel"
    last, loss = plan.activations[-1], LOSSES[plan.loss]
    if last != loss.natural and (last not in ELEMENTWISE or plan.loss == "logistic"):
        return f"{last} with {plan.loss} has no kernel"
    if plan.drops:
        return "dropout has no kernel"
    if plan.optimizer.clip_norm is not None:
        return "clipping has no kernel"
    return None
