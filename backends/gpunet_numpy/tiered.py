"""A tiered program: plain NumPy first, compiled code later.

It changes over when the code has been compiled, which begins once a run of short epochs has gone on for some time: see
:mod:`gpunet_numpy.compiling`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpunet.core.integer_columns import IntegerColumns
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiling import COMPILING
from gpunet_numpy.plain.estimate import epoch_seconds
from gpunet_numpy.plain.reference import PlainReference

# Steps that the compiled program for sparse rows computes together. Before the change, too, epochs are cut there alone.
SPARSE_STEPS = 64
PART_SECONDS = 0.1  # while another process compiles, plain NumPy looks about so often whether it has finished


def parts(plan: Plan, inputs: EpochInputs) -> Iterator[EpochInputs]:
    """Some steps of an epoch at a time, which take plain NumPy about `PART_SECONDS`."""
    steps = max(int(plan.steps * PART_SECONDS / epoch_seconds(plan)), 1)
    examples, keys = steps * plan.batch_size, inputs.dropout_keys
    if examples >= inputs.examples:
        yield inputs
        return
    order = np.arange(inputs.examples, dtype=np.int32) if inputs.order is None else inputs.order
    for part in range(-(-inputs.examples // examples)):
        some = slice(part * steps, (part + 1) * steps)
        yield inputs._replace(
            order=order[part * examples : (part + 1) * examples],
            coefficients=inputs.coefficients[some],
            dropout_keys=None if keys is None else keys[some],
        )


class Tiered(Program):
    """A program that changes to a compiled one when its run has lasted for some time, by the estimate above.

    Parameters
    ----------
    plan : Plan
    plain : class of Program, or None
        What runs until then; None for the reference.
    compiled_program : callable ``plan -> (class of Program or None, reason)``
        Finds what runs from then on; None stays with what ran before, and asks again if the reason is `COMPILING`.
    seconds : float
        How long.
    """

    takes_sparse = True  # so do the programs that it is made of, where the plan has sparse examples
    takes_integers = True
    repeats_full_batch = True

    def __init__(
        self,
        plan: Plan,
        plain: type[Program] | None,
        compiled_program: Callable[[Plan], tuple[type[Program] | None, str]],
        seconds: float,
    ) -> None:
        super().__init__(plan)
        self.compiled_program = compiled_program
        self.program: Program = PlainReference(plan) if plain is None else plain(plan)
        self.name = self.program.name
        self.block_steps = SPARSE_STEPS if plan.sparse else self.program.block_steps
        self.plain_epochs = math.ceil(seconds / epoch_seconds(plan))  # before the change
        self.numbers: tuple[IntegerColumns, Any] | None = None  # the last X of integers, and their array
        self.settled = False  # whether `program` is the one for all the rest of the run
        self.resume(0)

    def resume(self, examples: int) -> None:
        """See :class:`gpunet.core.program.Program`."""
        self.examples = examples  # that the run has used
        self.epochs_together = self.program.epochs_together
        left = self.plain_epochs - examples // self.plan.examples
        # A call ends where the change is due: wherever other calls end, the same steps run here and there.
        if left > 0:
            self.epochs_together = min(self.epochs_together, left)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        begun, rest = divmod(self.examples, self.plan.examples)
        due = begun >= self.plain_epochs and (rest == 0 or self.settled)
        if due:
            self._change_over()
        run = self._run_parts if due and not self.settled else self._run
        result = run(state, inputs)
        self.resume(self.examples + inputs.examples * inputs.repeats(self.plan))
        return result

    def _run(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """The same, by the program in force: in an order, if it repeats no full batch."""
        repeats = inputs.repeats(self.plan)
        if repeats > 1 and not self.program.repeats_full_batch:
            order = np.tile(np.arange(inputs.examples, dtype=np.int32), repeats)
            inputs = inputs._replace(order=order)
        if isinstance(inputs.X, IntegerColumns) and not self.program.takes_integers:
            inputs = inputs._replace(X=self._numbers(inputs.X))
        return self.program(state, inputs)

    def _numbers(self, X: IntegerColumns) -> Any:
        """X as an array, which later calls may need as well."""
        if self.numbers is None or self.numbers[0] is not X:
            self.numbers = X, X.as_array()
        return self.numbers[1]

    def _run_parts(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """The same, with a change in the midst of an epoch if compiling ends there."""
        losses = []
        for part in parts(self.plan, inputs):
            self._change_over()
            state, some = self._run(state, part)
            losses.append(some)
        return state, np.concatenate(losses)

    def _change_over(self) -> None:
        """Take the compiled program, if there is one now."""
        if self.settled:
            return
        compiled, reason = self.compiled_program(self.plan)
        self.settled = reason != COMPILING
        if compiled is None:
            self.reason = reason
        else:
            self.program, self.numbers = compiled(self.plan), None
            self.name = f"{self.name}, then {self.program.name}"
