"""NumPy on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet.core.plan import Plan
from gpunet.core.program import SUPPORTED, Program
from gpunet.devices.backend import Backend


class NumPyBackend(Backend):
    """The array library that is always there."""

    name = "numpy"
    install = "pip install numpy"

    def unavailable_reason(self) -> str | None:
        return None

    def devices(self) -> list[str]:
        return ["cpu"]

    def namespace(self) -> Any:
        import array_api_compat.numpy as xp

        return xp

    def owns(self, array: Any) -> bool:
        import numpy

        # Subclasses belong to whoever made them.
        return type(array) in (numpy.ndarray, numpy.memmap)

    def from_host(self, array: Any, device: str) -> Any:
        return array

    def to_host(self, array: Any) -> Any:
        return array

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        make, reason = _choose(plan)
        return None if make is None else make(plan), reason or SUPPORTED

    def predictor(self, activations: Sequence[str], parameters: Any) -> Callable[[Any], Any | None] | None:
        from gpunet_numpy.fast import predictor

        return predictor(activations, parameters)

    def details(self) -> list[str]:
        from gpunet_numpy.blas import report

        return report()


def _choose(plan: Plan) -> tuple[Callable[[Plan], Program] | None, str | None]:
    """What makes the program of a plan, and why the reference runs (at first), where it does."""
    from gpunet_numpy.blocks import Blocks
    from gpunet_numpy.chunks import Chunks
    from gpunet_numpy.fast import find
    from gpunet_numpy.patience import SHORT_SECONDS, Patient, seconds

    in_numpy = {program.name: program.unsupported_reason(plan) for program in (Blocks, Chunks)}
    plain = next((program for program in (Blocks, Chunks) if in_numpy[program.name] is None), None)
    why = "; ".join(f"{name}: {reason}" for name, reason in in_numpy.items()) if plain is None else None
    if seconds(plan) < SHORT_SECONDS:
        return lambda plan: Patient(plan, plain), why and f"compiled programs: later, if it goes on; {why}"
    compiled, reason = find(plan)
    if compiled is not None:
        return compiled, None
    return plain, why and f"{reason}; {why}"


backend = NumPyBackend()
