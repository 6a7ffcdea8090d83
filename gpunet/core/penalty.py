"""An L2 penalty in the cost: ``J + ½ λ Σ_l ‖W[l]‖²``, biases left out.

Its gradient ``λ W[l]`` goes through the optimizer like the rest of ``∂J/∂W[l]``; weight decay (C21), which is
decoupled, does not. For plain descent the two are the same; for Adam they are not (Loshchilov and Hutter 2019).

λ may change from step to step: it is the last of a step's coefficients, in plans with ``penalized``. scikit-learn
divides its ``alpha`` by the number of examples in the batch: λ is that quotient.
"""

from __future__ import annotations

from typing import Any

from gpunet.core.propagation import Gradients, Parameters

Array = Any
Namespace = Any


def penalty(xp: Namespace, parameters: Parameters, strength: Array) -> Array:
    """``½ λ Σ_l ‖W[l]‖²``, a 0-d array; `strength` is λ."""
    return 0.5 * strength * sum(xp.sum(W * W) for W, _ in parameters)


def add_gradients(gradients: Gradients, parameters: Parameters, strength: Array) -> Gradients:
    """The gradients of the cost with the penalty's: ``[(∂J/∂W[l] + λ W[l], ∂J/∂b[l])]``; None for a frozen layer."""
    return [
        None if pair is None else (pair[0] + strength * W, pair[1])
        for pair, (W, _) in zip(gradients, parameters, strict=True)
    ]
