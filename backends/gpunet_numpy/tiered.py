"""A tiered program: plain NumPy first, compiled code once a run of short epochs has gone on for long enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.plain.reference import PlainReference

# Loading compiled code takes about a third of a second, and compiling it, once per machine, some seconds.
LOADING_SECONDS = 0.3
SHORT_SECONDS = 0.05  # an epoch that plain NumPy does faster than this begins there
# The estimate of that is coarse on purpose, and always the same, so that runs repeat exactly.
FLOPS = 1e11  # per second, of a few cores, in matrix products
STEP_SECONDS = 50e-6  # per update, for everything but products
BYTES = 5e9  # per second, of examples gathered and read twice


def epoch_seconds(plan: Plan) -> float:
    """About what an epoch takes plain NumPy."""
    weights = sum(layer.inputs * layer.units for layer in plan.layers)
    bytes_read = plan.examples * plan.layers[0].inputs * (4 if plan.dtype == "float32" else 8)
    return 6.0 * weights * plan.examples / FLOPS + bytes_read / BYTES + plan.steps * STEP_SECONDS


class Tiered(Program):
    """A program that changes to a compiled one when its run has lasted `LOADING_SECONDS`, by that estimate.

    Parameters
    ----------
    plan : Plan
    plain : class of Program, or None
        What runs until then; None for the reference.
    compiled_program : callable ``plan -> (class of Program or None, reason)``
        Finds what runs from then on; None stays with what ran before.
    """

    def __init__(
        self,
        plan: Plan,
        plain: type[Program] | None,
        compiled_program: Callable[[Plan], tuple[type[Program] | None, str]],
    ) -> None:
        super().__init__(plan)
        self.compiled_program = compiled_program
        self.program: Program = PlainReference(plan) if plain is None else plain(plan)
        self.name = self.program.name
        self.seconds_left = LOADING_SECONDS

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        if self.seconds_left <= 0:
            self.seconds_left = float("inf")
            compiled, _ = self.compiled_program(self.plan)
            if compiled is not None:
                self.program = compiled(self.plan)
                self.name = f"{self.name}, then {self.program.name}"
        self.seconds_left -= epoch_seconds(self.plan) * inputs.examples / self.plan.examples
        return self.program(state, inputs)
