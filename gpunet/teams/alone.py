"""The engine of a process that is alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.teams.engine import Engine, Vector


class Alone(Engine):
    """One rank."""

    name = "alone"
    rank = 0
    size = 1

    def gather(self, value: Any) -> list[Any]:
        """See :class:`Engine`."""
        return [value]

    def exchange(self, parts: Sequence[Vector], sizes: Sequence[int]) -> list[Vector]:
        """See :class:`Engine`."""
        return list(parts)

    def spread(self, part: Vector, sizes: Sequence[int]) -> Vector:
        """See :class:`Engine`."""
        return part
