"""J and what belongs to the parameters of a network, as one vector: ``[J, W[1], b[1], W[2], …]``.

Frozen layers have no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gpunet.core.plan import Plan
from gpunet.devices.placement import Placement

Array = Any


class Layout:
    """Where everything lies.

    Parameters
    ----------
    plan : Plan
    placement : Placement

    Attributes
    ----------
    length : int
    """

    def __init__(self, plan: Plan, placement: Placement) -> None:
        self.placement = placement
        self.trainable = plan.trainable
        self.shapes = [
            shape
            for layer in plan.layers
            if layer.trainable
            for shape in ((layer.units, layer.inputs), (layer.units, 1))
        ]
        self.length = 1 + sum(rows * columns for rows, columns in self.shapes)

    def vector(self, J: Array | None, pairs: Sequence[tuple[Array, Array] | None]) -> Array:
        """A new vector of J, 0 for None, and a pair for each layer; frozen layers' are not read."""
        xp = self.placement.xp
        arrays = [
            xp.reshape(one, (-1,))
            for pair, learns in zip(pairs, self.trainable, strict=True)
            if learns and pair is not None
            for one in pair
        ]
        first = xp.zeros_like(arrays[0][:1]) if J is None else xp.reshape(J, (1,))
        return xp.concat([first, *arrays])

    def pairs(self, vector: Array) -> list[tuple[Array, Array] | None]:
        """The pair of each layer; None for a frozen one."""
        arrays = iter(
            self.placement.xp.reshape(vector[part], shape)
            for part, shape in zip(self._parts(), self.shapes, strict=True)
        )
        return [(next(arrays), next(arrays)) if learns else None for learns in self.trainable]

    def _parts(self) -> Iterator[slice]:
        at = 1
        for rows, columns in self.shapes:
            yield slice(at, at + rows * columns)
            at += rows * columns

    def weights_and_biases(self) -> Iterator[tuple[slice, bool]]:
        """The part of each parameter, and whether it is a W."""
        for i, part in enumerate(self._parts()):
            yield part, i % 2 == 0
