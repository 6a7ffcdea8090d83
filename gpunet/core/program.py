"""What a training program is: one epoch of a plan, as one call.

The :class:`~gpunet.core.reference.Reference` defines what a program computes. A backend may have faster ones for
the plans that it supports: a scan, a kernel, a loop of BLAS calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from gpunet.core.optimizers import Slots
from gpunet.core.plan import Plan
from gpunet.core.propagation import Parameters

Array = Any


class TrainState(NamedTuple):
    """What training changes. Arrays are never written to: a program returns new ones.

    Attributes
    ----------
    parameters : sequence of ``(W, b)``
        One pair per layer, ``W (n[l], n[l−1])`` and ``b (n[l], 1)``.
    slots : sequence of ``(slots of W, slots of b)``
        The optimizer's arrays for each of them, shaped alike.
    """

    parameters: Parameters
    slots: Sequence[tuple[Slots, Slots]]


class EpochInputs(NamedTuple):
    """What one epoch, or a part of one, reads: arrays of the backend's library, on the program's device.

    Attributes
    ----------
    X : array, SparseColumns, IntegerColumns or ColumnsInParts, ``(n[0], m)``
        The training set, columns as examples; a transposed view of rows in memory.
    Y : array, ``(n[L], m)``
        Targets, likewise; None, and so are weights, where X brings them part by part.
    example_weights : array ``(1, m)`` or None
        Weight of each example's loss; None for 1.
    order : int32 array or None
        Columns of X in the order of their use; None for as they stand. Shorter than m for a part of an epoch.
    coefficients : array, ``(steps, k)``
        The optimizer's coefficients for each step.
    dropout_keys : int32 array ``(steps, L)`` or None
        Keys of the dropout masks; None without dropout.
    epochs : int
        How many epochs, this one included, are to read the same X, which nobody writes to. A run may end sooner.
    """

    X: Array
    Y: Array
    example_weights: Array | None
    order: Array | None
    coefficients: Array
    dropout_keys: Array | None
    epochs: int = 1

    @property
    def examples(self) -> int:
        """How many examples are used, in each epoch if a full batch is repeated."""
        return int(self.X.shape[1] if self.order is None else self.order.shape[0])

    def repeats(self, plan: Plan) -> int:
        """How often these examples are used: a full batch, in an order of its own, once for each step."""
        return int(self.coefficients.shape[0]) if self.order is None and plan.steps == 1 else 1


class Program(ABC):
    """A program for one plan on one device.

    Parameters
    ----------
    plan : Plan
    device : str
        As :meth:`gpunet.Backend.devices` names it.

    Attributes
    ----------
    name : str
        What ``history.program`` says.
    reason : str or None
        What ``history.reason`` says in the place of the reason that ``program_for`` gave; None keeps that one.
    block_steps : int
        Updates that it computes together. Its result is the same, to the bit, wherever an epoch is cut into several
        calls after a multiple of them.
    epochs_together : int
        Epochs of the plan that are worth a call: more than 1 where an epoch takes less time than what surrounds it.
        Their examples come one after the other, and no batch has examples of two of them: see
        :meth:`gpunet.core.plan.Plan.batches`.
    repeats_full_batch : bool
        Whether several epochs of one step each need no order: the examples are used as they stand in each of them.
    takes_sparse : bool
        Whether it runs plans whose X is a :class:`~gpunet.core.sparse_columns.SparseColumns`.
    takes_integers : bool
        Whether it reads an X that is an :class:`~gpunet.core.integer_columns.IntegerColumns`; else it is given an
        array of the numbers.
    takes_lanes : bool
        Whether it runs plans with lanes.
    keeps_activations : bool
        Whether it has the activations of all examples that it works on in memory at a time.
    """

    name: str
    reason: str | None = None
    block_steps: int = 1
    epochs_together: int = 1
    repeats_full_batch: bool = False
    takes_sparse: bool = False
    takes_integers: bool = False
    takes_lanes: bool = False
    keeps_activations: bool = True

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        self.plan = plan
        self.device = device

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan` on `device`; None if it can."""
        return None

    def resume(self, examples: int) -> None:  # noqa: B027  most programs are the same at any time
        """Prepare to go on with a run that has used `examples` examples; called before the first call."""

    def is_current(self) -> bool:
        """Whether it is as one that would be made now; asked of a program that is kept for another run."""
        return True

    def finish(self) -> None:  # noqa: B027  most programs are discarded then
        """Release the data of a run; called after its last call, unless that failed."""

    @abstractmethod
    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        """Run the epoch.

        Returns
        -------
        state : TrainState
            A new one; the one passed in is not changed.
        losses : array, ``(steps,)``
            J of each batch before its update.
        """


def first_supported(
    programs: Sequence[type[Program]], plan: Plan, device: str
) -> tuple[type[Program] | None, str]:
    """The first of `programs` that supports a plan, or None and why none does."""
    reasons = []
    for program in programs:
        reason = unsupported_input(program, plan) or program.unsupported_reason(plan, device)
        if reason is None:
            return program, SUPPORTED
        reasons.append(f"{program.name}: {reason}")
    return None, "; ".join(reasons)


def unsupported_input(program: type[Program] | Program, plan: Plan) -> str | None:
    """Why a program can't read the examples of `plan` as they are; None if it can."""
    if plan.lanes is not None and not program.takes_lanes:
        return "it cuts no batch into lanes"
    return "it takes no sparse examples" if plan.sparse and not program.takes_sparse else None


SUPPORTED = "it supports this plan"
