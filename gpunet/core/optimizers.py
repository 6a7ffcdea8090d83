"""Optimizers: update rules for parameters (C19, C20, C21).

A rule is an immutable value. It works on one parameter array θ at a time, as a pure function of θ, its
gradient, the *slots* that the rule keeps for it (arrays of the same shape, 0 at first) and the step's
*coefficients*: the few numbers that change from step to step. Those are computed on the host in full
precision, so that a compiled program can read them from an array.

Weight decay is decoupled: W is multiplied by ``1 − αλ`` before the step (C21; Loshchilov and Hutter 2019); biases
are not.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from gpunet.core.checks import finite_number, flag, keep_pythons_numbers, unit_interval
from gpunet.core.propagation import Gradients
from gpunet.core.schedules import Schedule, rate_at, rates_at, require_rate

Array = Any
Namespace = Any
Slots = tuple[Array, ...]


def _check(optimizer: Any) -> None:
    keep_pythons_numbers(optimizer)
    require_rate("learning_rate", optimizer.learning_rate)
    finite_number("weight_decay", optimizer.weight_decay, 0.0)
    if optimizer.clip_norm is not None:
        finite_number("clip_norm", optimizer.clip_norm, 0.0, strict=True)


class Optimizer(ABC):
    """The base class of optimizers: derive your own from it, and pass an object of it to ``fit``.

    An optimizer never changes: write ``@dataclass(frozen=True)`` before the class. One of your own runs on the
    reference program, on every backend. Its method `update` makes one step of one parameter array; `slots` says how
    many arrays of state, such as momentum, are kept for each.

    Attributes
    ----------
    learning_rate : float or schedule
        α; :meth:`update` gets that of the step as ``c[0]``.
    weight_decay : float
        λ, decoupled; see :class:`GradientDescent`.
    clip_norm : float or None
        Largest norm of the gradient; see :class:`GradientDescent`.
    slots : int
        Arrays of state for each parameter, of its shape, 0 at first.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import gpunet as gn
    >>> @dataclass(frozen=True)
    ... class SignDescent(gn.Optimizer):
    ...     learning_rate: float = 0.01
    ...
    ...     def update(self, xp, theta, gradient, slots, c):
    ...         return theta - c[0] * xp.sign(gradient), ()
    """

    learning_rate: float | Schedule
    weight_decay: float = 0.0
    clip_norm: float | None = None

    @property
    def slots(self) -> int:
        """Arrays kept for each parameter."""
        return 0

    @property
    def constant_coefficients(self) -> bool:
        """Whether the coefficients are the same at every step; never where a subclass computes its own."""
        return not callable(self.learning_rate) and self._computes_as(Optimizer)

    @property
    def constant_rate(self) -> bool:
        """Whether the coefficients of a step are known not to depend on how many are planned."""
        return self.constant_coefficients

    def coefficients(self, step: int, planned: int, updates: int) -> tuple[float, ...]:
        """The numbers of one step of this fit, of `planned`; the first is α.

        `updates` counts since the slots were 0.
        """
        return (rate_at(self.learning_rate, step, planned, updates),)

    def coefficients_of(self, steps: range, planned: int, updates: int) -> list[list[float]]:
        """Those of consecutive steps, a list for each coefficient; `updates` counts those before the first step.

        A subclass that has its own :meth:`coefficients` is asked for one step after the other.
        """
        if self._computes_as(Optimizer):
            return [rates_at(self.learning_rate, steps, planned, updates)]
        each = [self.coefficients(step, planned, updates + i) for i, step in enumerate(steps)]
        return [list(one) for one in zip(*each, strict=True)]

    def _computes_as(self, kind: Any) -> bool:
        """Whether the coefficients are those of `kind`, and not a subclass's own."""
        computed = self.coefficients.__func__  # type: ignore[attr-defined]
        return bool(computed is kind.coefficients)

    def with_learning_rate(self, rate: float | Schedule) -> Optimizer:
        """The same optimizer at another learning rate."""
        other = copy.copy(self)
        object.__setattr__(other, "learning_rate", rate)  # a value of its own until it is returned
        return other

    @abstractmethod
    def update(
        self, xp: Namespace, theta: Array, gradient: Array, slots: Slots, c: Array
    ) -> tuple[Array, Slots]:
        """θ and slots after one step; new arrays, the old ones are not written to.

        Parameters
        ----------
        xp : Array API namespace
        theta, gradient : array
            A parameter, and ∂J/∂θ.
        slots : tuple of array
            As many as `slots` says, shaped as θ, 0 at first.
        c : array
            The step's coefficients.
        """


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """``W ← W − α ∇J`` (C19), with momentum as in the lecture (C20).

    ``v ← β v + (1 − β) ∇J``, ``W ← W − α v``. Most libraries leave out the ``(1 − β)``: their learning rate is
    ``α (1 − β)``. Nesterov's form steps along ``β v + (1 − β) ∇J`` instead, with the new v.

    Parameters
    ----------
    learning_rate : float or schedule
        α. A schedule is one of gpunet's, such as :class:`Cosine`, or your own function ``(step, planned) -> rate``: of
        the step, from 0, and of how many are planned.
    momentum : float
        β, in ``[0, 1)``; 0 for plain descent.
    nesterov : bool
    weight_decay : float
        λ: ``W ← (1 − αλ) W`` before each update (C21).
    clip_norm : float or None
        Largest norm of the gradient, over all trainable parameters together; one with a larger norm is scaled down to
        it (Pascanu et al. 2013).

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    learning_rate: float | Schedule = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        _check(self)
        unit_interval("momentum", self.momentum)
        if flag("nesterov", self.nesterov) and not self.momentum:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")

    @property
    def slots(self) -> int:
        """Arrays kept for each parameter."""
        return 1 if self.momentum else 0

    def update(
        self, xp: Namespace, theta: Array, gradient: Array, slots: Slots, c: Array
    ) -> tuple[Array, Slots]:
        """θ and slots after one step."""
        if not self.momentum:
            return theta - c[0] * gradient, ()
        beta = self.momentum
        v = beta * slots[0] + (1.0 - beta) * gradient
        direction = beta * v + (1.0 - beta) * gradient if self.nesterov else v
        return theta - c[0] * direction, (v,)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """``s ← ρ s + (1 − ρ) g²``, ``W ← W − α g / (√s + ε)`` with ``g = ∇J`` (Tieleman and Hinton 2012).

    Parameters
    ----------
    learning_rate : float or schedule
        α. A schedule is one of gpunet's, such as :class:`Cosine`, or your own function ``(step, planned) -> rate``: of
        the step, from 0, and of how many are planned.
    decay : float
        ρ, in ``[0, 1)``.
    epsilon : float
        ε, above 0.
    weight_decay, clip_norm
        As for :class:`GradientDescent`.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    slots: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check(self)
        unit_interval("decay", self.decay)
        finite_number("epsilon", self.epsilon, 0.0, strict=True)

    def update(
        self, xp: Namespace, theta: Array, gradient: Array, slots: Slots, c: Array
    ) -> tuple[Array, Slots]:
        """θ and slots after one step."""
        s = self.decay * slots[0] + (1.0 - self.decay) * gradient * gradient
        return theta - c[0] * gradient / (xp.sqrt(s) + self.epsilon), (s,)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    ``v ← β₁ v + (1 − β₁) g``, ``s ← β₂ s + (1 − β₂) g²``,
    ``W ← W − α (v / (1 − β₁ᵗ)) / (√(s / (1 − β₂ᵗ)) + ε)`` with ``g = ∇J``; t counts the updates from 1.
    The paper's m and v are called v and s here.

    Parameters
    ----------
    learning_rate : float or schedule
        α. A schedule is one of gpunet's, such as :class:`Cosine`, or your own function ``(step, planned) -> rate``: of
        the step, from 0, and of how many are planned.
    beta1, beta2 : float
        In ``[0, 1)``.
    epsilon : float
        ε, above 0.
    weight_decay, clip_norm
        As for :class:`GradientDescent`.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    learning_rate: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None
    slots: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check(self)
        unit_interval("beta1", self.beta1)
        unit_interval("beta2", self.beta2)
        finite_number("epsilon", self.epsilon, 0.0, strict=True)

    @property
    def constant_rate(self) -> bool:
        """See :class:`Optimizer`."""
        return not callable(self.learning_rate) and self._computes_as(Adam)

    def coefficients(self, step: int, planned: int, updates: int) -> tuple[float, ...]:
        """``(α, α / (1 − β₁ᵗ), 1 / √(1 − β₂ᵗ))``, where t counts every update since the slots were 0."""
        rate = rate_at(self.learning_rate, step, planned, updates)
        return tuple(one for [one] in self._corrected([rate], updates))

    def coefficients_of(self, steps: range, planned: int, updates: int) -> list[list[float]]:
        """See :meth:`Optimizer.coefficients_of`."""
        if not self._computes_as(Adam):
            return super().coefficients_of(steps, planned, updates)
        return self._corrected(rates_at(self.learning_rate, steps, planned, updates), updates)

    def _corrected(self, rates: list[float], updates: int) -> list[list[float]]:
        """The coefficients of steps with these learning rates."""
        beta1, beta2, sqrt = self.beta1, self.beta2, math.sqrt
        t = range(updates + 1, updates + 1 + len(rates))
        return [
            rates,
            [rate / (1.0 - beta1**i) for rate, i in zip(rates, t, strict=True)],
            [1.0 / sqrt(1.0 - beta2**i) for i in t],
        ]

    def update(
        self, xp: Namespace, theta: Array, gradient: Array, slots: Slots, c: Array
    ) -> tuple[Array, Slots]:
        """θ and slots after one step."""
        v = self.beta1 * slots[0] + (1.0 - self.beta1) * gradient
        s = self.beta2 * slots[1] + (1.0 - self.beta2) * gradient * gradient
        return theta - c[1] * v / (c[2] * xp.sqrt(s) + self.epsilon), (v, s)


@dataclass(frozen=True)
class AdamW(Adam):
    """:class:`Adam` with a weight decay of 0.01 by default (Loshchilov and Hutter 2019).

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon, clip_norm
        As for :class:`Adam`.
    weight_decay : float
        λ: ``W ← (1 − αλ) W`` before each update; biases do not decay.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    """

    weight_decay: float = 0.01


OPTIMIZERS: dict[str, type[Any]] = {
    "gradient_descent": GradientDescent,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def clip(xp: Namespace, gradients: Gradients, longest: float) -> Gradients:
    """All gradients, scaled down together to norm `longest` if their norm is larger; frozen layers have none."""
    squares = sum(xp.sum(dW * dW) + xp.sum(db * db) for dW, db in filter(None, gradients))
    norm = xp.sqrt(squares)
    factor = xp.where(norm > longest, longest / xp.maximum(norm, longest), 1.0)
    factor = xp.astype(factor, norm.dtype)
    return [None if pair is None else (pair[0] * factor, pair[1] * factor) for pair in gradients]


def update_all(
    xp: Namespace,
    optimizer: Optimizer,
    parameters: Sequence[tuple[Array, Array]],
    gradients: Gradients,
    state: Sequence[tuple[Slots, Slots]],
    c: Array,
) -> tuple[list[tuple[Array, Array]], list[tuple[Slots, Slots]]]:
    """One step for every ``W[l]`` and ``b[l]``: clip, decay W, follow the rule.

    Parameters
    ----------
    xp : Array API namespace
    optimizer : Optimizer
    parameters : sequence of ``(W, b)``
    gradients : sequence of ``(dW, db)``, or None for a frozen layer
        Such a layer's W, b and slots are returned as they are.
    state : sequence of ``(slots of W, slots of b)``
    c : array, ``(k,)``
        The step's coefficients; ``c[0]`` is the learning rate α.
    """
    if optimizer.clip_norm is not None:
        gradients = clip(xp, gradients, optimizer.clip_norm)
    new_parameters, new_state = [], []
    for (W, b), gradient, (slots_W, slots_b) in zip(parameters, gradients, state, strict=True):
        if gradient is None:
            new_parameters.append((W, b))
            new_state.append((slots_W, slots_b))
            continue
        dW, db = gradient
        if optimizer.weight_decay:
            W = (1.0 - c[0] * optimizer.weight_decay) * W
        W, slots_W = optimizer.update(xp, W, dW, slots_W, c)
        b, slots_b = optimizer.update(xp, b, db, slots_b, c)
        new_parameters.append((W, b))
        new_state.append((slots_W, slots_b))
    return new_parameters, new_state
