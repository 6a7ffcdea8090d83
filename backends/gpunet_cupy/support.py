"""Which plans have kernels, and the macros of their update rules."""

from __future__ import annotations

from gpunet.core.losses import LOSSES
from gpunet.core.optimizers import Adam, AdamW, GradientDescent, RMSprop
from gpunet.core.plan import Plan
from gpunet_cupy.sources import Macro

ELEMENTWISE = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus"}
OPTIMIZERS = (GradientDescent, Adam, AdamW, RMSprop)  # a subclass may have another `update`


def unsupported_reason(plan: Plan) -> str | None:
    """Why no kernel supports `plan`; None if kernels do."""
    if not all(plan.trainable):
        return "frozen layers have no kernel"
    for name in plan.activations[:-1]:
        if name not in ELEMENTWISE:
            return f"{name} in a hidden layer has no kernel"
    if plan.loss not in LOSSES:
        return f"{plan.loss} has no kernel"
    last, loss = plan.activations[-1], LOSSES[plan.loss]
    if last != loss.canonical and (last not in ELEMENTWISE or plan.loss == "logistic"):
        return f"{last} with {plan.loss} has no kernel"
    if type(plan.optimizer) not in OPTIMIZERS:
        return f"{type(plan.optimizer).__name__} has no kernel"
    return None


def unsupported_in_one_launch(plan: Plan) -> str | None:
    """Why no kernel of many steps supports `plan`; None if they do."""
    if plan.uses_dropout:
        return "it has no dropout"
    if plan.optimizer.clip_norm is not None:
        return "a clipped update needs the whole gradient first"
    return unsupported_reason(plan)


def update_macros(plan: Plan) -> dict[str, Macro]:
    """What ``common/update.cuh`` needs."""
    optimizer = plan.optimizer
    if isinstance(optimizer, GradientDescent):
        rule = ("NESTEROV" if optimizer.nesterov else "MOMENTUM") if optimizer.momentum else "PLAIN"
        beta1, beta2, epsilon, coefficients = optimizer.momentum, 0.0, 0.0, 1
    elif isinstance(optimizer, Adam):
        rule, coefficients = "ADAM", 3
        beta1, beta2, epsilon = optimizer.beta1, optimizer.beta2, optimizer.epsilon
    else:
        assert isinstance(optimizer, RMSprop)
        rule, coefficients = "RMSPROP", 1
        beta1, beta2, epsilon = optimizer.decay, 0.0, optimizer.epsilon
    return {
        "RULE": rule,
        "WEIGHT_DECAY": float(optimizer.weight_decay),
        "BETA1": float(beta1),
        "BETA2": float(beta2),
        "EPSILON": float(epsilon),
        "PENALIZED": int(plan.penalized),
        "COEFFICIENTS": coefficients + int(plan.penalized),
    }


def braces(*values: object) -> str:
    """A C++ initializer list."""
    return "{" + ", ".join(map(str, values)) + "}"


def network_macros(plan: Plan, absent: int = 0) -> dict[str, Macro]:
    """What ``common/network.cuh`` needs; sizes and activations of `absent` more layers are 0."""
    return {
        "LAYERS": len(plan.layers),
        "SIZES": braces(*plan.sizes, *[0] * absent),
        "ACTIVATIONS": braces(0, *(str(name).upper() for name in plan.activations), *[0] * absent),
        "LOSS": str(plan.loss).upper(),
    }
