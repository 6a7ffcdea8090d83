"""Learning rates that change while training.

A schedule maps a step of this fit, and the number of steps that are planned, to a learning rate. Steps count from 0.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gpunet.core.checks import (
    finite_number,
    flag,
    function,
    keep_pythons_numbers,
    positive_int,
    unit_interval,
)


@runtime_checkable
class Schedule(Protocol):
    """Anything callable as ``schedule(step, planned) -> learning rate``."""

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        ...


def require_rate(what: str, rate: Any) -> None:
    """Raise a ValueError or TypeError unless `rate` is a number above 0, or can be called as a schedule."""
    if isinstance(rate, type):
        raise TypeError(
            f"{what} must be a number, or a schedule with its settings such as Cosine(0.01); got the class "
            f"{rate.__name__}"
        )
    if callable(rate):
        function(what, rate, "(step, planned) -> rate, or a number", 2)
    else:
        finite_number(what, rate, 0.0, strict=True)


def rate_at(rate: float | Schedule, step: int, planned: int, updates: int) -> float:
    """The learning rate of one step; see :func:`rates_at`."""
    return rates_at(rate, range(step, step + 1), planned, updates)[0]


def rates_at(rate: float | Schedule, steps: range, planned: int, updates: int) -> list[float]:
    """The learning rates of consecutive steps, for a number or a schedule.

    Parameters
    ----------
    rate : float or Schedule
    steps : range
        Of this fit, from 0.
    planned : int
        How many there will be.
    updates : int
        Those before the first of `steps` since the optimizer began, over all calls of ``fit``: a :class:`Cosine` with
        `steps` counts them.
    """
    if isinstance(rate, Scaled):
        return [rate.factor * one for one in rates_at(rate.schedule, steps, planned, updates)]
    counted: Sequence[int] = steps
    if isinstance(rate, Cosine) and rate.steps is not None:
        planned = rate.steps
        counted = [min(step, planned) for step in range(updates, updates + len(steps))]
    if not callable(rate):
        return [float(rate)] * len(steps)
    if isinstance(rate, ClosedForm) and rate.__call__.__func__ is ClosedForm.__call__:  # type: ignore[attr-defined]
        return rate.rates(counted, planned)
    return [_own_rate(rate, step, planned) for step in counted]


def _own_rate(schedule: Schedule, step: int, planned: int) -> float:
    """The rate that a schedule of the user's own gives, checked."""
    given = schedule(step, planned)
    wanted = (
        f"a schedule must give a finite number of at least 0; {schedule!r} gave {given!r} for step {step}"
    )
    try:
        rate = float(given)
    except (TypeError, ValueError):
        raise TypeError(wanted) from None
    if not 0.0 <= rate < math.inf:
        raise ValueError(wanted)
    return rate


class ClosedForm(ABC):
    """A schedule that computes the rates of many steps faster than one by one."""

    @abstractmethod
    def rates(self, steps: Sequence[int], planned: int) -> list[float]:
        """The rates of these steps (from 0) out of `planned`."""

    def __call__(self, step: int, planned: int) -> float:
        """The rate of step `step` (from 0) out of `planned`."""
        return self.rates((step,), planned)[0]


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
class Ramp(ClosedForm):
    """``α = lowest · (highest / lowest)^(step / (length − 1))``, and 0 after `length` steps.

    Parameters
    ----------
    lowest, highest : float
        Of the first and of the last step.
    length : int
        At least 2.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    lowest: float
    highest: float
    length: int

    def __post_init__(self) -> None:
        keep_pythons_numbers(self)
        finite_number("lowest", self.lowest, 0.0, strict=True)
        if not finite_number("highest", self.highest) > self.lowest:
            raise ValueError(f"highest must be above lowest, got {self.highest!r} and {self.lowest!r}")
        if positive_int("length", self.length) < 2:
            raise ValueError(f"length must be at least 2, got {self.length}")

    def rates(self, steps: Sequence[int], planned: int) -> list[float]:
        """The rates of these steps (from 0)."""
        lowest, ratio, last = self.lowest, self.highest / self.lowest, self.length - 1
        return [0.0 if step > last else float(lowest * ratio ** (step / last)) for step in steps]


@dataclass(frozen=True)
class Cosine(ClosedForm):
    """Half a cosine from `initial` to `final` over the run, after a linear warm-up.

    ``α = final + ½ (initial − final) (1 + cos(π t))``, where ``t = (step − w) / (planned − w)`` after a warm-up
    of ``w = warmup · planned`` steps (Loshchilov and Hutter 2017). Steps count from 0.

    Parameters
    ----------
    initial, final : float
        Learning rates at t = 0 and at t = 1, which would be the update after the last.
    warmup : float
        Share of the run, in ``[0, 1)``, in which the rate rises linearly to `initial`.
    steps : int, optional
        Updates that it lasts, over several calls of ``fit`` with this optimizer; `final` from then on. None: the steps
        of one call.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    initial: float
    final: float = 0.0
    warmup: float = 0.0
    steps: int | None = None

    def __post_init__(self) -> None:
        keep_pythons_numbers(self)
        finite_number("initial", self.initial, 0.0, strict=True)
        finite_number("final", self.final, 0.0)
        unit_interval("warmup", self.warmup)
        if self.steps is not None:
            positive_int("steps", self.steps)

    def rates(self, steps: Sequence[int], planned: int) -> list[float]:
        """The rates of these steps (from 0) out of `planned`."""
        initial, final, half = self.initial, self.final, 0.5 * (self.initial - self.final)
        rising = self.warmup * planned
        falling = max(planned - rising, 1)
        cos, pi = math.cos, math.pi
        return [
            initial * (step + 1) / (rising + 1)
            if step < rising
            else final + half * (1.0 + cos(pi * ((step - rising) / falling)))
            for step in steps
        ]


@dataclass(frozen=True)
class Exponential(ClosedForm):
    """``α = initial · factor^(step / every)``.

    Parameters
    ----------
    initial : float
        Learning rate of the first update; step counts the updates of a call of ``fit``, from 0.
    factor : float
    every : int
        Steps in which the rate changes by `factor`.
    stairs : bool
        Change the rate only every `every` steps: the exponent is rounded down to a whole number.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    initial: float
    factor: float = 0.5
    every: int = 1000
    stairs: bool = False

    def __post_init__(self) -> None:
        keep_pythons_numbers(self)
        finite_number("initial", self.initial, 0.0, strict=True)
        finite_number("factor", self.factor, 0.0, strict=True)
        positive_int("every", self.every)
        flag("stairs", self.stairs)

    def rates(self, steps: Sequence[int], planned: int) -> list[float]:
        """The rates of these steps (from 0) out of `planned`."""
        initial, factor, every = self.initial, self.factor, self.every
        times = [step // every for step in steps] if self.stairs else [step / every for step in steps]
        try:
            return [float(initial * factor**t) for t in times]
        except OverflowError:
            raise ValueError(
                f"{self!r} gives a rate too large for a float before step {steps[-1] + 1}: take a smaller factor, or a "
                "larger every"
            ) from None


@dataclass(frozen=True)
class InverseTime(ClosedForm):
    """``α = initial / (1 + step / half_life)``: a falling rate with which SGD converges (Robbins and Monro 1951; C18).

    Parameters
    ----------
    initial : float
        Learning rate of the first update; step counts the updates of a call of ``fit``, from 0.
    half_life : int
        Step at which the rate has halved.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    initial: float
    half_life: int = 1000

    def __post_init__(self) -> None:
        keep_pythons_numbers(self)
        finite_number("initial", self.initial, 0.0, strict=True)
        positive_int("half_life", self.half_life)

    def rates(self, steps: Sequence[int], planned: int) -> list[float]:
        """The rates of these steps (from 0) out of `planned`."""
        initial, half_life = self.initial, self.half_life
        return [initial / (1.0 + step / half_life) for step in steps]
