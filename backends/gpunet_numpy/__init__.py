"""NumPy on the CPU."""

from __future__ import annotations

from typing import Any

from gpunet.backend import Backend


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


backend = NumPyBackend()
