"""Mini-batches in one cooperative launch per call: the weights stay in the multiprocessors' shared memory.

``kernels/persistent/minibatch.cu`` explains what happens in a step.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.data import EpochData
from gpunet_cupy.kept import KEPT
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.sources import KernelOfX, Macro, device_context, launch_cooperative
from gpunet_cupy.support import unsupported_in_one_launch
from gpunet_cupy.tiling import Tiling, round_up, tiling_of
from gpunet_cupy.together import epochs_together

MAX_BATCH = 400  # examples; larger batches are faster with cuBLAS
THREADS = 256  # per thread block
MAX_OUTPUTS = 32  # of the network
MAX_REGISTERS = 64  # for the last layer's weights, in each thread
CHUNKS = (128, 96, 64, 32)  # examples whose inputs are in shared memory at a time


class Launch(NamedTuple):
    """How a persistent kernel is compiled and launched for a plan on a device.

    Attributes
    ----------
    tiling : Tiling
    batch_size : int
        Examples per step, at most.
    chunk : int
        Examples whose inputs are in shared memory at a time.
    thread_blocks, threads : int
        How many there are, and threads of each.
    shared_bytes : int
        Shared memory of each.
    workspace : int
        Values of global memory for what the thread blocks exchange.
    columns : int or None
        Columns of the second layer's weights in the registers of a thread block, where some kernel keeps them there.
    """

    tiling: Tiling
    batch_size: int
    chunk: int
    thread_blocks: int
    threads: int
    shared_bytes: int
    workspace: int
    columns: int | None = None

    def macros(self) -> dict[str, Macro]:
        """What the persistent kernels need."""
        return {
            **self.tiling.macros(),
            **({} if self.columns is None else {"COLUMNS": self.columns}),
            "BATCH_SIZE": self.batch_size,
            "CHUNK": self.chunk,
            "THREAD_BLOCKS": self.thread_blocks,
            "THREADS": self.threads,
            "SHARED_BYTES": self.shared_bytes,
            "WORKSPACE": self.workspace,
        }


class Persistent(Program):
    """A program that is one cooperative launch per call. Each subclass has its kernel `file`.

    Parameters
    ----------
    plan : Plan
    device : str
    """

    file: ClassVar[str]

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        found = self._launch_on(plan, device)
        assert found is not None
        self.launch = found
        self.epochs_together = epochs_together(plan, device, self.block_steps)
        self.layout = ParameterLayout(plan)
        self.train = KernelOfX(plan.dtype, self.file, "train", **self.launch.macros())
        self.workspace: Any = None

    @staticmethod
    @abstractmethod
    def launch_for(plan: Plan, multiprocessors: int, shared_limit: int) -> Launch | None:
        """The launch for a device with `shared_limit` bytes per thread block; None if the weights do not fit."""

    @classmethod
    def _launch_on(cls, plan: Plan, device: str) -> Launch | None:
        attributes = device_context(device).attributes
        return cls.launch_for(
            plan, attributes["MultiProcessorCount"], attributes["MaxSharedMemoryPerBlockOptin"]
        )

    @classmethod
    @abstractmethod
    def unsupported_structure(cls, plan: Plan) -> str | None:
        """Why the kernel is not for plans like this one, on any device."""

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why it can't run `plan` on `device`."""
        reason = cls.unsupported_structure(plan) or unsupported_in_one_launch(plan)
        if reason is None and cls._launch_on(plan, device) is None:
            return "the weights do not fit into shared memory"
        return reason

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        with device_context(self.device):
            data = EpochData(inputs)
            if self.workspace is None:
                self.workspace = cupy.empty(self.launch.workspace, dtype=self.plan.dtype)
            theta, slots = self.layout.pack(state)
            losses = cupy.empty(len(self.plan.batches(data.examples)), dtype=self.plan.dtype)
            counter = cupy.zeros(1, dtype=np.uint32)
            launch_cooperative(
                self.train.of(data.macros),
                self.launch.thread_blocks,
                self.launch.threads,
                self.launch.shared_bytes,
                data.X,
                data.Y,
                data.weights,
                data.order,
                np.int32(data.examples),
                data.coefficients,
                theta,
                slots,
                self.workspace,
                losses,
                counter,
                *(data.standardizer if self.takes_integers else ()),
            )
        return self.layout.unpack(theta, slots), losses

    def finish(self) -> None:
        """See :class:`gpunet.core.program.Program`."""
        KEPT.put(self)


class PersistentKernel(Persistent):
    """A program for any optimizer, with hidden layers and batches that are not too large."""

    name = "cupy persistent kernel"
    takes_integers = True
    file = "persistent/minibatch.cu"

    @staticmethod
    def launch_for(plan: Plan, multiprocessors: int, shared_limit: int) -> Launch | None:
        """The launch with the largest chunk that fits; None if none does."""
        tiling = tiling_of(plan, multiprocessors)
        if tiling is None:
            return None
        batch = min(plan.batch_size, plan.examples)
        itemsize = np.dtype(plan.dtype).itemsize
        for chunk in CHUNKS:
            shared_bytes = itemsize * tiling.shared(chunk, THREADS)
            if chunk <= round_up(batch, 32) and shared_bytes <= shared_limit:
                n = tiling.sizes
                update_jobs = n[-1] * -(-n[-2] // 32)  # of the last layer
                thread_blocks = min(max(tiling.tiles, batch, update_jobs), multiprocessors)
                workspace = batch * _values_per_example(tiling)
                if plan.penalized:  # a sum per warp
                    workspace += thread_blocks * THREADS // 32
                return Launch(tiling, batch, chunk, thread_blocks, THREADS, shared_bytes, workspace)
        return None

    @classmethod
    def unsupported_structure(cls, plan: Plan) -> str | None:
        """Why the kernel is not for plans like this one, on any device."""
        if len(plan.layers) < 2:
            return "there is no hidden layer"
        if plan.batch_size > MAX_BATCH:
            return f"batches above {MAX_BATCH} keep cuBLAS busy"
        below, outputs = plan.layers[-1].inputs, plan.layers[-1].units
        if outputs > MAX_OUTPUTS or -(-below // THREADS) * outputs > MAX_REGISTERS:
            return f"{outputs} outputs from {below} units do not fit into registers"
        return None


def _values_per_example(tiling: Tiling) -> int:
    """Of the workspace: see ``kernels/persistent/exchange.cuh``."""
    strides, grid = tiling.strides, tiling.grid
    forward = sum((columns + 1) * strides[l + 1] for l, (_, columns) in enumerate(grid))
    backward = sum(rows * strides[l + 1] for l, (rows, _) in enumerate(grid[1:]))
    return forward + backward + strides[-2] + tiling.sizes[-1] + 1
