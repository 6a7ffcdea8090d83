"""scikit-learn's update rules as gpunet's: the same steps from the same gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gpunet.core.optimizers import Adam, GradientDescent, Optimizer

Array = Any
SMALLEST_RATE = 1e-6  # at which "adaptive" ends the run
ADAPTIVE_DIVISOR = 5.0


@dataclass(frozen=True)
class UndampedMomentum(Optimizer):
    """``v ← v + ∇J``, ``W ← W − α v``: momentum 1, which :class:`GradientDescent`'s ``(1 − β)`` leaves out.

    Parameters
    ----------
    learning_rate : float
    nesterov : bool
        Steps along ``v + ∇J``, with the new v.
    """

    learning_rate: float
    nesterov: bool
    slots: ClassVar[int] = 1

    def update(self, xp: Any, theta: Array, gradient: Array, slots: Any, c: Array) -> tuple[Array, Any]:
        """θ and v after one step."""
        v = slots[0] + gradient
        direction = v + gradient if self.nesterov else v
        return theta - c[0] * direction, (v,)


class AdamSolver:
    """Adam as scikit-learn writes it: ``W ← W − α_t v / (√s + ε)``, ``α_t = α √(1 − β₂ᵗ) / (1 − β₁ᵗ)``.

    gpunet's :class:`Adam` has ``√(s / (1 − β₂ᵗ)) + ε`` below: with other coefficients it is this one.

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float

    Attributes
    ----------
    learning_rate : float
        α_t of the last step.
    slots : list or None
        v and s of each parameter; None before the first step.
    """

    def __init__(self, learning_rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
        self.learning_rate_init = self.learning_rate = float(learning_rate)
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.rule: Optimizer = Adam(self.learning_rate, float(beta_1), float(beta_2), float(epsilon))
        self.updates = 0
        self.slots: Any = None

    def coefficients(self, steps: int) -> Any:
        """Those of the next `steps` steps, ``(steps, 3)``."""
        t = np.arange(self.updates + 1, self.updates + steps + 1, dtype=np.float64)
        rates = self.learning_rate_init * np.sqrt(1.0 - self.beta_2**t) / (1.0 - self.beta_1**t)
        self.updates += steps
        self.learning_rate = float(rates[-1])
        coefficients = np.ones((steps, 3))
        coefficients[:, 0], coefficients[:, 1] = self.learning_rate_init, rates
        return coefficients

    @property
    def rate(self) -> float:
        """α, as it is logged."""
        return self.learning_rate_init

    def multiply_rate(self, factor: float) -> None:
        """Go on with another learning rate, which a callback has chosen."""
        self.learning_rate_init *= factor

    def epoch_ends(self, examples: int) -> None:
        """Nothing changes."""

    def stops(self) -> str:
        """What to do once the figure that is watched no longer gets better, in words; the run ends."""
        return "Stopping."


class SGDSolver:
    """Descent with momentum as scikit-learn writes it: ``u ← β u − α ∇J``, ``W ← W + u``.

    gpunet's v is ``−u (1 − β) / α``, and its learning rate ``α / (1 − β)``. When α changes, u stays, so v is rescaled.

    Parameters
    ----------
    learning_rate : float
    schedule : {"constant", "invscaling", "adaptive"}
    momentum : float
        In ``[0, 1]``.
    nesterov : bool
    power_t : float
        "invscaling": the learning rate after t examples is ``α / (t + 1)^power_t``.

    Attributes
    ----------
    learning_rate : float
        α, of the next step.
    slots : list or None
        v of each parameter; None before the first step.
    """

    def __init__(
        self, learning_rate: float, schedule: str, momentum: float, nesterov: bool, power_t: float
    ) -> None:
        self.learning_rate_init = self.learning_rate = float(learning_rate)
        self.schedule, self.power_t = schedule, power_t
        self.damping = 1.0 - float(momentum) if momentum < 1 else 1.0
        if momentum < 1:
            self.rule: Optimizer = GradientDescent(
                self.learning_rate, float(momentum), bool(nesterov and momentum)
            )
        else:
            self.rule = UndampedMomentum(self.learning_rate, bool(nesterov))
        self.slots: Any = None

    def coefficients(self, steps: int) -> Any:
        """Those of the next `steps` steps, ``(steps, 1)``."""
        return np.full((steps, 1), self.learning_rate / self.damping)

    @property
    def rate(self) -> float:
        """α, as it is logged."""
        return self.learning_rate

    def multiply_rate(self, factor: float) -> None:
        """Go on with another learning rate, which a callback has chosen; a schedule's rates are multiplied as well."""
        self.learning_rate_init *= factor
        self._change_to(self.learning_rate * factor)

    def epoch_ends(self, examples: int) -> None:
        """Follow the schedule; `examples` have been trained on since the first epoch."""
        if self.schedule == "invscaling":
            self._change_to(self.learning_rate_init / math.pow(examples + 1, self.power_t))

    def stops(self) -> str:
        """What to do once the figure that is watched no longer gets better, in words.

        With "adaptive" the learning rate falls, as long as it is above `SMALLEST_RATE`; else the run ends.
        """
        if self.schedule != "adaptive":
            return "Stopping."
        if self.learning_rate <= SMALLEST_RATE:
            return "Learning rate too small. Stopping."
        self._change_to(self.learning_rate / ADAPTIVE_DIVISOR)
        return f"Setting learning rate to {self.learning_rate:f}"

    def _change_to(self, learning_rate: float) -> None:
        factor = self.learning_rate / learning_rate
        self.learning_rate = learning_rate
        if self.slots is not None:
            self.slots = [(_times(of_W, factor), _times(of_b, factor)) for of_W, of_b in self.slots]


def _times(slots: Sequence[Array], factor: float) -> tuple[Array, ...]:
    return tuple(slot * factor for slot in slots)
