"""NumPy on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from gpunet.core.accumulation import PartGradients
from gpunet.core.activations import ActivationLike
from gpunet.core.plan import Plan
from gpunet.core.program import Program
from gpunet.devices.backend import Backend

T = TypeVar("T")


class NumPyBackend(Backend):
    """The array library that is always there."""

    name = "numpy"
    install = "pip install numpy"
    sparse_products = True
    reads_integers = True

    def unavailable_reason(self) -> str | None:
        return None

    def devices(self) -> list[str]:
        return ["cpu"]

    def namespace(self) -> Any:
        from gpunet_numpy.plain.namespace import xp

        return xp

    def owns(self, array: Any) -> bool:
        import numpy

        # Subclasses are not NumPy's own.
        return type(array) in (numpy.ndarray, numpy.memmap)

    def from_host(self, array: Any, device: str) -> Any:
        return array

    def to_host(self, array: Any) -> Any:
        return array

    def all_finite(self, arrays: Sequence[Any]) -> bool:
        import numpy

        return all(numpy.isfinite(array).all() for array in arrays)

    def program_for(self, plan: Plan, device: str) -> tuple[Program | None, str]:
        from gpunet_numpy.select import program_for

        return program_for(plan)

    def part_gradients(self, plan: Plan, device: str) -> PartGradients | None:
        from gpunet_numpy.select import part_gradients

        return part_gradients(plan)

    def compiling(self, setting: str | None) -> AbstractContextManager[Any]:
        from gpunet_numpy.compiling import chosen

        return chosen(setting)

    def on_one_core(self, function: Callable[..., T], *arguments: Any) -> T:
        from gpunet_numpy.blas_threads import with_blas_threads

        return with_blas_threads(1, function, *arguments)

    def predictor(
        self, activations: Sequence[ActivationLike], parameters: Any
    ) -> Callable[[Any], Any | None] | None:
        from gpunet_numpy.select import predictor

        return predictor(activations, parameters)

    def forward_pass(
        self, activations: Sequence[ActivationLike]
    ) -> Callable[[Any, Any], tuple[Any, Any]] | None:
        from gpunet_numpy.forward import ForwardPass

        return ForwardPass(activations)

    def details(self) -> list[str]:
        from gpunet_numpy.report import report

        return report()


backend = NumPyBackend()
