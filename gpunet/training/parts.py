"""Batches that are larger than a window, as the parts of them that are in memory one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.core.accumulation import ColumnsInParts, Part
from gpunet.core.plan import Plan
from gpunet.core.reference import columns
from gpunet.devices.placement import Placement
from gpunet.inputs.integer_examples import IntegerExamples
from gpunet.training.windows import Windows

Array = Any

# Of the activations of a part in all layers, at least those of one example: 16 MiB of float32.
NUMBERS = 2**22


class PartsOfWindows(ColumnsInParts):
    """The examples of some steps of an epoch, part by part.

    A part ends where a window does, and is no larger than what its activations may take, if these are kept.

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
    kept : bool
        Whether the program keeps the activations of a part.
    """

    def __init__(
        self, windows: Windows, plan: Plan, placement: Placement, epoch: int, positions: range, kept: bool
    ) -> None:
        self.windows, self.placement, self.epoch, self.positions = windows, placement, epoch, positions
        n = plan.layers[0].inputs
        self.shape = n, len(positions)
        self.most = (
            max(NUMBERS // (n + sum(layer.units for layer in plan.layers)), 1) if kept else len(positions)
        )

    def parts(self, first: int, last: int) -> Iterator[Part]:
        """See :class:`gpunet.core.accumulation.ColumnsInParts`."""
        position, stop = self.positions[first], self.positions.start + last
        while position < stop:
            end = min(position + self.most, stop, self.windows.positions(self.epoch, position).stop)
            yield self._part(position, end)
            position = end

    def _part(self, first: int, last: int) -> Part:
        """The examples at some positions of the epoch, all in one window; copies, unless it is the whole window."""
        begun = self.windows.positions(self.epoch, first).start
        examples, order = self.windows.at(self.epoch, first)
        chosen = order[first - begun : last - begun]
        if np.array_equal(chosen, np.arange(examples.m)):
            return Part(*examples)
        X, Y, weights = examples
        index, xp = self.placement.to_device(chosen), self.placement.xp
        X = X.take(index) if isinstance(X, IntegerExamples) else columns(xp, X, index)
        return Part(X, columns(xp, Y, index), None if weights is None else columns(xp, weights, index))
