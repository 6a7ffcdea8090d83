"""Batches that are larger than a window, as the parts of them that are in memory one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gpunet.core.accumulation import ColumnsInParts, Part
from gpunet.core.plan import Plan
from gpunet.core.reference import columns
from gpunet.devices.placement import Placement
from gpunet.training.windows import Windows

Array = Any

# Of the activations of a part in all layers, at least those of one example: 16 MiB of float32.
NUMBERS = 2**22


class PartsOfWindows(ColumnsInParts):
    """The examples of some steps of an epoch, part by part.

    A part ends where a window does, and is no larger than what its activations may take.

    Parameters
    ----------
    windows : Windows
    plan : Plan
        Of the layers that the program trains.
    placement : Placement
    epoch : int
        Epochs that the network has been trained for.
    positions : range
        Of the epoch, that these steps use.
    """

    def __init__(
        self, windows: Windows, plan: Plan, placement: Placement, epoch: int, positions: range
    ) -> None:
        self.windows, self.placement, self.epoch, self.positions = windows, placement, epoch, positions
        n = plan.layers[0].inputs
        self.shape = n, len(positions)
        self.most = max(NUMBERS // (n + sum(layer.units for layer in plan.layers)), 1)

    def parts(self, first: int, last: int) -> Iterator[Part]:
        """See :class:`gpunet.core.accumulation.ColumnsInParts`."""
        position, stop = self.positions[first], self.positions.start + last
        while position < stop:
            end = min(position + self.most, stop, self.windows.positions(self.epoch, position).stop)
            yield self._part(position, end)
            position = end

    def _part(self, first: int, last: int) -> Part:
        """The examples at some positions of the epoch, all in one window; copies, so that it can go."""
        begun = self.windows.positions(self.epoch, first).start
        (X, Y, weights), order = self.windows.at(self.epoch, first)
        chosen = self.placement.to_device(order[first - begun : last - begun])
        xp = self.placement.xp
        return Part(*(None if A is None else columns(xp, A, chosen) for A in (X, Y, weights)))
