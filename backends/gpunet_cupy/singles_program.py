"""Exact SGD in blocks on a GPU in one launch: single examples, plain descent, one hidden layer.

What happens in a block is told in ``kernels/singles.cu`` and ``kernels/sequence.cu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.coverage import unsupported_reason
from gpunet_cupy.flat import Flat
from gpunet_cupy.kernels import Macro, device_called, launch_together, module
from gpunet_cupy.rows import Rows
from gpunet_cupy.tiles import Tiles, cut

BLOCK = 64  # examples
THREADS = 512
STEPPING = 128  # threads that take the steps
WIDEST = 256  # units of the hidden layer, at most
OUTPUTS = 16  # of the network, at most


class Layout:
    """What ``singles.cu`` needs.

    Attributes
    ----------
    blocks : int
        Thread blocks: one a tile, and the one that takes the steps.
    shared : int
        Bytes of shared memory a block.
    work : int
        Numbers of global memory that blocks leave for each other.
    """

    def __init__(self, tiles: Tiles) -> None:
        K, outputs = BLOCK, tiles.sizes[2]
        lanes = next(n for n in (4, 8, 16) if n >= outputs)
        columns = tiles.grid[0][1]
        self.blocks = tiles.blocks + 1
        sequence = 2 * STEPPING // 32 * lanes + K * (WIDEST + K + 2 * outputs + 2)
        sequence += (2 + outputs + 1) * WIDEST + outputs
        itemsize = np.dtype(tiles.plan.dtype).itemsize
        self.shared = itemsize * max(sequence, tiles.shared(K, THREADS))
        self.work = (columns + 2) * K * tiles.strides[1] + 2 * K * K

    def macros(self) -> dict[str, Macro]:
        """What ``singles.cu`` wants to know beside the tiles."""
        return {"BATCH": 1, "CHUNK": BLOCK, "THREADS": THREADS, "BYTES": self.shared, "WORK": self.work}


def layout(plan: Plan, multiprocessors: int, room: int) -> tuple[Tiles, Layout] | None:
    """The cut for a device with `room` bytes of shared memory a block; None if the weights do not fit."""
    tiles = cut(plan, multiprocessors - 1)
    if tiles is None:
        return None
    found = Layout(tiles)
    return (tiles, found) if found.shared <= room else None


class Singles(Program):
    """A program for plain descent with one example a step.

    Parameters
    ----------
    plan : Plan
    device : str
    """

    name = "cupy singles"

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        found = self._layout(plan, device)
        assert found is not None
        tiles, self.layout = found
        self.flat = Flat(plan)
        sources = ("rule", "grid", "tile", "hold", "lanes", "sequence", "singles")
        made = module(plan.dtype, *sources, **tiles.macros(), **self.layout.macros())
        self.train = made.get_function("train")
        self.work: Any = None

    @staticmethod
    def _layout(plan: Plan, device: str) -> tuple[Tiles, Layout] | None:

        known = device_called(device).attributes
        return layout(plan, known["MultiProcessorCount"], known["MaxSharedMemoryPerBlockOptin"])

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why `plan` is not for this program."""
        optimizer = plan.optimizer
        if not isinstance(optimizer, GradientDescent) or optimizer.momentum or optimizer.weight_decay:
            return "only plain descent"
        if plan.batch_size > 1:
            return "only single examples"
        if len(plan.layers) != 2 or plan.layers[0].units > WIDEST or plan.layers[1].units > OUTPUTS:
            return f"only one hidden layer of up to {WIDEST} units, with up to {OUTPUTS} outputs"
        if unsupported_reason(plan):
            return unsupported_reason(plan)
        return None if cls._layout(plan, device) else "the weights do not fit into shared memory"

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        with device_called(self.device):
            rows = Rows(inputs)
            if self.work is None:
                self.work = cupy.empty(self.layout.work, dtype=self.plan.dtype)
            theta, slots = self.flat.pack(*state)
            losses = cupy.empty(rows.used, dtype=self.plan.dtype)
            given = (rows.X, rows.Y, rows.weights, rows.order, np.int32(rows.used))
            changed = (theta, slots, self.work, losses, cupy.zeros(1, dtype=np.uint32))
            coefficients = cupy.ascontiguousarray(inputs.coefficients)
            where = (self.layout.blocks, THREADS, self.layout.shared)
            launch_together(self.train, *where, *given, coefficients, *changed)
        return TrainState(*self.flat.unpack(theta, slots)), losses
