"""Mini-batches on a GPU in one launch: the weights stay in the multiprocessors for all steps of a call.

What happens in a step is told in ``kernels/resident.cu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.coverage import unsupported_reason
from gpunet_cupy.flat import Flat
from gpunet_cupy.kernels import Macro, device_called, launch_together, module
from gpunet_cupy.rows import Rows
from gpunet_cupy.tiles import Tiles, cut, up

LARGEST = 1024  # examples a step; larger batches are for cuBLAS
THREADS = 256
OUTPUTS, COLUMNS = 32, 64  # of the network; and weights of the last layer that a thread keeps, at most
CHUNKS = (128, 96, 64, 32)  # examples that are in shared memory at a time


class Layout:
    """What ``resident.cu`` needs on a device.

    Parameters
    ----------
    tiles : Tiles
    multiprocessors : int
    chunk : int

    Attributes
    ----------
    blocks : int
        Thread blocks that have something to do.
    shared : int
        Bytes of shared memory a block.
    work : int
        Numbers of global memory that blocks leave for each other.
    """

    def __init__(self, tiles: Tiles, multiprocessors: int, chunk: int) -> None:
        plan, n, stride = tiles.plan, tiles.sizes, tiles.strides
        self.batch, self.chunk = min(plan.batch_size, plan.examples), chunk
        jobs = n[-1] * -(-n[-2] // 32)  # of following the last layer's gradient
        self.blocks = min(max(tiles.blocks, self.batch, jobs), multiprocessors)
        self.shared = np.dtype(plan.dtype).itemsize * tiles.shared(chunk, THREADS)
        of_an_example = sum((columns + 1) * stride[l + 1] for l, (_, columns) in enumerate(tiles.grid))
        of_an_example += sum(rows * stride[l + 1] for l, (rows, _) in enumerate(tiles.grid[1:]))
        self.work = self.batch * (of_an_example + stride[-2] + n[-1] + 1)

    def macros(self) -> dict[str, Macro]:
        """What ``resident.cu`` wants to know beside the tiles."""
        given = {"BATCH": self.batch, "CHUNK": self.chunk, "THREADS": THREADS}
        return {**given, "BYTES": self.shared, "WORK": self.work}


def layout(plan: Plan, multiprocessors: int, room: int) -> tuple[Tiles, Layout] | None:
    """The cut for a device with `room` bytes of shared memory a block; None if the weights do not fit."""
    tiles = cut(plan, multiprocessors)
    if tiles is None:
        return None
    wanted = up(min(plan.batch_size, plan.examples), 32)
    for chunk in CHUNKS:
        found = Layout(tiles, multiprocessors, chunk)
        if chunk <= wanted and found.shared <= room:
            return tiles, found
    return None


class Resident(Program):
    """A program for any optimizer, with hidden layers and batches that are not too large.

    Parameters
    ----------
    plan : Plan
    device : str
    """

    name = "cupy resident"

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        found = self._layout(plan, device)
        assert found is not None
        tiles, self.layout = found
        self.flat = Flat(plan)
        sources = (
            "rule",
            "grid",
            "tile",
            "hold",
            "lanes",
            "head",
            "exchange",
            "resident_outputs",
            "resident",
        )
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
        if len(plan.layers) < 2:
            return "there is no hidden layer"
        if plan.batch_size > LARGEST:
            return f"batches above {LARGEST} keep cuBLAS busy"
        below, outputs = plan.layers[-1].inputs, plan.layers[-1].units
        if outputs > OUTPUTS or -(-below // THREADS) * outputs > COLUMNS:
            return f"{outputs} outputs from {below} units do not fit into registers"
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
            losses = cupy.empty(len(self.plan.batches(rows.used)), dtype=self.plan.dtype)
            given = (rows.X, rows.Y, rows.weights, rows.order, np.int32(rows.used))
            changed = (theta, slots, self.work, losses, cupy.zeros(1, dtype=np.uint32))
            coefficients = cupy.ascontiguousarray(inputs.coefficients)
            where = (self.layout.blocks, THREADS, self.layout.shared)
            launch_together(self.train, *where, *given, coefficients, *changed)
        return TrainState(*self.flat.unpack(theta, slots)), losses
