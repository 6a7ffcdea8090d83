"""NumPy on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet.backend import Backend
from gpunet.descent import Program
from gpunet.plan import Plan


class NumPyBackend(Backend):
    """The array library that is always there."""

    name = "numpy"
    install = "pip install numpy"

    def problem(self) -> str | None:
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

    def uncovered(self, plan: Plan) -> str | None:
        reasons = []
        for program in programs():
            reason = program.uncovered(plan)
            if reason is None:
                return None
            reasons.append(f"{program.name}: {reason}")
        return "; ".join(reasons)

    def compile(self, plan: Plan, device: str) -> Program | None:
        for program in programs():
            if program.uncovered(plan) is None:
                return program(plan)  # type: ignore[no-any-return]
        return None

    def predictor(self, activations: Sequence[str], parameters: Any) -> Callable[[Any], Any] | None:
        from gpunet_numpy.fast import predictor

        return predictor(activations, parameters)

    def details(self) -> list[str]:
        from gpunet_numpy.blas import report

        return report()


def programs() -> list[Any]:
    """Programs in the order in which they are tried."""
    from gpunet_numpy.blocks import Blocks
    from gpunet_numpy.chunks import Chunks
    from gpunet_numpy.fast import FastBatches, FastBlocks

    return [FastBlocks, FastBatches, Blocks, Chunks]


backend = NumPyBackend()
