"""Gradient accumulation: batches of which only some examples are in memory at a time.

J is a sum over examples, so J and its gradient are the sums of what parts of the batch add to them (C8). The parts come
one after the other, and there is one update at the end of the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.propagation import Gradients, Parameters
from gpunet.core.reference import Batch, batch_gradients, examples, update

Array = Any
Namespace = Any


class Part(NamedTuple):
    """Columns of some consecutive examples of a batch, on the device."""

    X: Array
    Y: Array
    example_weights: Array | None


class ColumnsInParts(ABC):
    """What stands in the place of X ``(n[0], m)`` where a batch is larger than what is in memory at a time.

    Targets and weights come with the examples.

    Attributes
    ----------
    shape : tuple of int
        ``(n[0], m)``.
    """

    shape: tuple[int, int]

    @abstractmethod
    def parts(self, first: int, last: int) -> Iterator[Part]:
        """The examples at positions ``[first, last)``, in the order of their use."""


def parts_of(xp: Namespace, inputs: EpochInputs, first: int, last: int) -> Iterable[Part]:
    """The examples at positions ``[first, last)`` of the epoch: one part, unless X comes in parts."""
    if isinstance(inputs.X, ColumnsInParts):
        return inputs.X.parts(first, last)
    return [Part(*examples(xp, inputs, first, last))]


class PartGradients(Protocol):
    """A backend's own way to J and the gradients of some examples, see :meth:`gpunet.Backend.part_gradients`.

    Attributes
    ----------
    takes_integers, keeps_activations : bool
        As a program's, see :class:`gpunet.core.program.Program`.
    """

    takes_integers: bool
    keeps_activations: bool

    def __call__(
        self, parameters: Parameters, X: Array, Y: Array, weights: Array | None
    ) -> tuple[Array, Gradients]:
        """J and the gradients of the examples that X has as columns."""


def accumulated(
    xp: Namespace,
    plan: Plan,
    parameters: Parameters,
    parts: Iterable[Part],
    place: tuple[int, int],
    dropout_keys: Array | None,
    part_gradients: PartGradients | None = None,
) -> tuple[Array, Gradients]:
    """What some consecutive examples of a batch add to its J and to its gradients; without the penalty.

    Parameters
    ----------
    xp : Array API namespace
    plan : Plan
    parameters : sequence of ``(W, b)``
    parts : iterable of Part
        These examples, at least one.
    place : tuple of int
        The position in the batch of the first of them, and the size of the batch.
    dropout_keys : int32 array or None
        Of the step.
    part_gradients : PartGradients or None
        In the place of the reference's.
    """
    (first, size), total = place, None
    summed: list[tuple[Array, Array] | None] | None = None
    for X, Y, weights in parts:
        count = Y.shape[1]
        # J and its gradient are means over the part's examples (C8): its share makes them parts of the batch's means.
        share = count / size
        weights = xp.full_like(Y[:1, :], share) if weights is None else weights * share
        if part_gradients is None:
            batch = Batch(X, Y, weights, None, dropout_keys, (first, first + count, size))
            J, gradients = batch_gradients(xp, plan, parameters, batch)
        else:
            J, gradients = part_gradients(parameters, X, Y, weights)
        first += count
        if summed is None:
            total, summed = J, list(gradients)
            continue
        total = total + J
        for l, (before, more) in enumerate(zip(summed, gradients, strict=True)):
            if before is not None and more is not None:
                # Layer by layer: the sums before take memory.
                summed[l] = before[0] + more[0], before[1] + more[1]
    assert summed is not None
    return total, summed


class Accumulation(Program):
    """The reference's step, with J and its gradients summed over parts of the batch.

    Parameters
    ----------
    xp : Array API namespace
    plan : Plan
        In parts.
    part_gradients : PartGradients or None
        In the place of the reference's.
    """

    name = "accumulation"
    reason = "a batch is larger than what is in memory at a time: gradients of its parts are added up"

    def __init__(self, xp: Namespace, plan: Plan, part_gradients: PartGradients | None = None) -> None:
        super().__init__(plan)
        self.xp, self.part_gradients = xp, part_gradients
        if part_gradients is not None:
            self.takes_integers = part_gradients.takes_integers
            self.keeps_activations = part_gradients.keeps_activations

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        """See :class:`gpunet.core.program.Program`."""
        xp, plan, losses = self.xp, self.plan, []
        for t, (first, last) in enumerate(plan.batches(inputs.examples)):
            keys = None if inputs.dropout_keys is None else inputs.dropout_keys[t, :]
            parts, place = parts_of(xp, inputs, first, last), (0, last - first)
            J, gradients = accumulated(xp, plan, state.parameters, parts, place, keys, self.part_gradients)
            state, J = update(xp, plan, state, J, gradients, inputs.coefficients[t, :])
            losses.append(J)
        return state, xp.stack(losses)
