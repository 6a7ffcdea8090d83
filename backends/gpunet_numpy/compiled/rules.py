"""Update rules as kernels take them: a code, and its constants."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.optimizers import Adam, AdamW, GradientDescent, Optimizer, RMSprop

PLAIN, MOMENTUM, NESTEROV, ADAM, RMSPROP = range(5)
ADAM_RATE, ADAM_ROOT = 1, 2  # of Adam's coefficients: α / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ)


class Rule(NamedTuple):
    """A rule and its constants, in the precision of the parameters."""

    code: int
    decay: Any  # λ
    beta1: Any  # β of momentum, β₁ of Adam
    beta2: Any  # β₂ of Adam, ρ of RMSprop
    epsilon: Any
    penalized: int  # whether a step's last coefficient is the strength of an L2 penalty
    clip_norm: Any  # the largest norm that all gradients may have together; 0 for any


def rule_of(optimizer: Optimizer, dtype: str = "float64", penalized: bool = False) -> Rule | None:
    """The rule of an optimizer, or None: a subclass may have an update of its own."""
    code, beta1, beta2, epsilon = PLAIN, 0.0, 0.0, 0.0
    if type(optimizer) is GradientDescent:
        if optimizer.momentum:
            code, beta1 = (NESTEROV if optimizer.nesterov else MOMENTUM), optimizer.momentum
    elif type(optimizer) is RMSprop:
        code, beta2, epsilon = RMSPROP, optimizer.decay, optimizer.epsilon
    elif type(optimizer) is Adam or type(optimizer) is AdamW:
        code, beta1, beta2, epsilon = ADAM, optimizer.beta1, optimizer.beta2, optimizer.epsilon
    else:
        return None
    constants = [optimizer.weight_decay, beta1, beta2, epsilon, optimizer.clip_norm or 0.0]
    decay, beta1, beta2, epsilon, clip_norm = np.array(constants, dtype=dtype)
    return Rule(code, decay, beta1, beta2, epsilon, int(penalized), clip_norm)
