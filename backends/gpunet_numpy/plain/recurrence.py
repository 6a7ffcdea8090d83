"""What a block of updates does to ``W[1]`` and its momentum, as a few numbers.

Within a block of steps, the first layer's weights are always a combination of what they were at its start, of
the momentum then, and of the steps' gradients ``g_i = δ_i x_iᵀ``:

    W = w W₀ + q V₀ + Σ_i u_i g_i,        V = p V₀ + Σ_i r_i g_i.

Descent with momentum, Nesterov and weight decay (C19 to C21) is linear in (W, V), so one step only changes the
coefficients. That is what lets the products with W be made once per block (see :mod:`gpunet_numpy.plain.blocked`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.optimizers import GradientDescent


class Recurrence:
    """The coefficients, for at most `steps` steps per block.

    Parameters
    ----------
    optimizer : GradientDescent
    steps : int
    """

    def __init__(self, optimizer: GradientDescent, steps: int) -> None:
        self.beta = optimizer.momentum
        self.nesterov = optimizer.nesterov
        self.decay = optimizer.weight_decay
        self.u: Any = np.zeros(steps)
        self.r: Any = np.zeros(steps)
        self.start()

    def start(self) -> None:
        """A new block: ``W = W₀``, ``V = V₀``."""
        self.w, self.q, self.p = 1.0, 0.0, 1.0
        self.u[:] = 0.0
        self.r[:] = 0.0

    def step(self, j: int, rate: float) -> None:
        """Step j of the block has gradient ``g_j`` and learning rate `rate`."""
        beta = self.beta
        shrink = 1.0 - rate * self.decay
        self.w *= shrink
        self.q *= shrink
        self.u[:j] *= shrink
        # V ← β V + (1 − β) g_j
        self.p *= beta
        self.r[:j] *= beta
        self.r[j] = 1.0 - beta
        # W ← W − α V, or − α (β V + (1 − β) g_j) for Nesterov
        along = rate * beta if self.nesterov else rate
        self.q -= along * self.p
        self.u[: j + 1] -= along * self.r[: j + 1]
        if self.nesterov:
            self.u[j] -= rate * (1.0 - beta)
