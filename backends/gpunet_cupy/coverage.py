"""Which plans the kernels of all programs cover."""

from __future__ import annotations

from gpunet.core.losses import LOSSES
from gpunet.core.plan import Plan

ELEMENTWISE = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus"}


def unsupported_reason(plan: Plan) -> str | None:
    """Why no kernel covers `plan`; None if they do."""
    for name in plan.activations[:-1]:
        if name not in ELEMENTWISE:
            return f"{name} in a hidden layer has no kernel"
    last, loss = plan.activations[-1], LOSSES[plan.loss]
    if last != loss.canonical and (last not in ELEMENTWISE or plan.loss == "logistic"):
        return f"{last} with {plan.loss} has no kernel"
    if plan.uses_dropout:
        return "dropout has no kernel"
    if plan.optimizer.clip_norm is not None:
        return "clipping has no kernel"
    return None
