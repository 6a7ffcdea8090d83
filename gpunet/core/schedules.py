"""Learning rates that change while training.

A schedule maps a step of this fit, and the number of steps that are planned, to a learning rate. Steps count from 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gpunet.core.checks import finite_number, flag, positive_int, unit_interval


@runtime_checkable
class Schedule(Protocol):
    """Anything callable as ``schedule(step, planned) -> learning rate``."""

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        ...


def rate_at(rate: float | Schedule, step: int, planned: int, updates: int) -> float:
    """The learning rate of one step, for a number or a schedule.

    Parameters
    ----------
    rate : float or Schedule
    step, planned : int
        The step of this fit, from 0, and how many there will be.
    updates : int
        Those since the optimizer began, over all calls of ``fit``: a :class:`Cosine` with `steps` counts them.
    """
    if isinstance(rate, Scaled):
        return rate.factor * rate_at(rate.schedule, step, planned, updates)
    if isinstance(rate, Cosine) and rate.steps is not None:
        return rate(min(updates, rate.steps), rate.steps)
    return rate(step, planned) if callable(rate) else float(rate)


@dataclass(frozen=True)
class Scaled:
    """``α = factor · schedule(step)``: another schedule at a multiple of its rate."""

    schedule: Schedule
    factor: float

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        return self.factor * self.schedule(step, planned)


def scaled_rate(rate: float | Schedule, factor: float) -> float | Schedule:
    """A learning rate times `factor`, at every step."""
    return Scaled(rate, factor) if callable(rate) else factor * rate


@dataclass(frozen=True)
class Ramp:
    """``α = lowest · (highest / lowest)^(step / (length − 1))``, and 0 after `length` steps.

    Parameters
    ----------
    lowest, highest : float
        Of the first and of the last step.
    length : int
        At least 2.
    """

    lowest: float
    highest: float
    length: int

    def __post_init__(self) -> None:
        finite_number("lowest", self.lowest, 0.0, strict=True)
        if not finite_number("highest", self.highest) > self.lowest:
            raise ValueError(f"highest must be above lowest, got {self.highest!r} and {self.lowest!r}")
        if positive_int("length", self.length) < 2:
            raise ValueError(f"length must be at least 2, got {self.length}")

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0)."""
        if step >= self.length:
            return 0.0
        return float(self.lowest * (self.highest / self.lowest) ** (step / (self.length - 1)))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `initial` to `final` over the run, after a linear warm-up.

    ``α = final + ½ (initial − final) (1 + cos(π t))``, t from 0 to 1 (Loshchilov and Hutter 2017).

    Parameters
    ----------
    initial, final : float
    warmup : float
        Share of the run, in ``[0, 1)``, in which the rate rises linearly to `initial`.
    steps : int, optional
        Updates that it lasts, over several calls of ``fit`` with this optimizer; `final` from then on. None: the steps
        of one call.
    """

    initial: float
    final: float = 0.0
    warmup: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        finite_number("initial", self.initial, 0.0, strict=True)
        finite_number("final", self.final, 0.0)
        unit_interval("warmup", self.warmup)
        if self.steps is not None:
            positive_int("steps", self.steps)

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        rising = self.warmup * planned
        if step < rising:
            return self.initial * (step + 1) / (rising + 1)
        t = (step - rising) / max(planned - rising, 1)
        return self.final + 0.5 * (self.initial - self.final) * (1.0 + math.cos(math.pi * t))


@dataclass(frozen=True)
class Exponential:
    """``α = initial · factor^(step / every)``; in stairs if `stairs`.

    Parameters
    ----------
    initial, factor : float
    every : int
        Steps in which the rate changes by `factor`.
    stairs : bool
    """

    initial: float
    factor: float = 0.5
    every: int = 1000
    stairs: bool = False

    def __post_init__(self) -> None:
        finite_number("initial", self.initial, 0.0, strict=True)
        finite_number("factor", self.factor, 0.0, strict=True)
        positive_int("every", self.every)
        flag("stairs", self.stairs)

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        times = step // self.every if self.stairs else step / self.every
        return float(self.initial * self.factor**times)


@dataclass(frozen=True)
class InverseTime:
    """``α = initial / (1 + step / half_life)``: the steps that let SGD settle (Robbins and Monro 1951; C18).

    Parameters
    ----------
    initial : float
    half_life : int
        Step at which the rate has halved.
    """

    initial: float
    half_life: int = 1000

    def __post_init__(self) -> None:
        finite_number("initial", self.initial, 0.0, strict=True)
        positive_int("half_life", self.half_life)

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        return self.initial / (1.0 + step / self.half_life)
