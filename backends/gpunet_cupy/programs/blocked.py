"""Blocked SGD: matrix products for the first layer of a block, one kernel launch for all its steps.

Each step updates the parameters, exactly as in gradient descent with small batches. But within a block, the first
layer's weights are a combination of those at its start and of the block's examples
(``kernels/common/recurrence.cuh``): a few matrix products per block take the place of a product per step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.batch_kernels import gather_macros, vector
from gpunet_cupy.data import EpochData
from gpunet_cupy.kept import KEPT
from gpunet_cupy.layout import ParameterLayout
from gpunet_cupy.sources import KernelOfX, Macro, device_context, launch, module
from gpunet_cupy.support import network_macros, unsupported_in_one_launch, update_macros
from gpunet_cupy.together import epochs_together

MAX_BLOCK = 64  # examples
MIN_BLOCK = 16  # examples; also the largest batch
MAX_LAYERS = 3
MAX_SHARED = 99 * 1024  # bytes for the smallest block; networks that need more were not timed


def shared_bytes(plan: Plan, block: int) -> int:
    """Size of ``BlockState`` in ``kernels/blocked/block_state.cuh``."""
    n = [layer.units for layer in plan.layers]
    later_weights = max(sum(layer.weights for layer in plan.layers[1:]), 1)
    slots = sum(n) + later_weights if plan.optimizer.slots else 2
    B = plan.batch_size
    values = block * (n[0] + block + B + n[-1] + 1) + B * (sum(n) + 1) + sum(n) + later_weights + slots
    return -(-(8 * (2 * block + 4) + np.dtype(plan.dtype).itemsize * values) // 8) * 8


def threads(plan: Plan) -> int:
    """Threads of the one thread block: one for each unit of the largest layer, in whole warps."""
    largest = max(layer.units for layer in plan.layers)
    return min(max(-(-largest // 32) * 32, 128), 1024)


def macros(plan: Plan, block: int) -> dict[str, Macro]:
    """What ``kernels/blocked/blocked.cu`` needs."""
    return {
        **network_macros(plan, absent=MAX_LAYERS - len(plan.layers)),
        **update_macros(plan),
        "BLOCK": block,
        "BATCH_SIZE": plan.batch_size,
        "THREADS": threads(plan),
        "SHARED_BYTES": shared_bytes(plan, block),
    }


def shared_limit(device: str) -> int:
    """Bytes of shared memory that a thread block can have on `device`."""
    return int(device_context(device).attributes["MaxSharedMemoryPerBlockOptin"])


class Buffers(NamedTuple):
    """Arrays of a block; see ``run_block`` in ``kernels/blocked/blocked.cu``."""

    gathered: Any
    P: Any
    Q: Any
    G: Any
    E: Any
    R: Any
    wqp: Any


class BlockedSGD(Program):
    """A program for gradient descent, with momentum or without, in small batches.

    Parameters
    ----------
    plan : Plan
    device : str

    Attributes
    ----------
    block : int
        Examples per block, a multiple of the batch size.
    """

    name = "cupy blocked SGD"
    takes_integers = True

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)
        self.layout = ParameterLayout(plan)
        block = max(MAX_BLOCK // plan.batch_size, 1) * plan.batch_size
        while block > MIN_BLOCK and shared_bytes(plan, block) > shared_limit(device):
            block = max(block // 2 // plan.batch_size, 1) * plan.batch_size
        self.block_steps = block // plan.batch_size
        self.epochs_together = epochs_together(plan, device, self.block_steps)
        self.block, self.shared_bytes, self.threads = block, shared_bytes(plan, block), threads(plan)
        compiled = module(plan.dtype, "blocked/blocked.cu", **macros(plan, block))
        self.run_block, self.combine = compiled.get_function("run_block"), compiled.get_function("combine")
        self.combines = bool(plan.optimizer.slots or plan.optimizer.weight_decay)  # else W stays W₀
        self.gather = KernelOfX(plan.dtype, "batches/gather.cu", "gather", PAIRS=0, **gather_macros(plan))
        self.buffers: Buffers | None = None

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why it can't run `plan` on `device`."""
        if type(plan.optimizer) is not GradientDescent:
            return f"{type(plan.optimizer).__name__} is not linear in the gradient"
        if plan.batch_size > MIN_BLOCK:
            return f"batches above {MIN_BLOCK} are matrix products already"
        if len(plan.layers) > MAX_LAYERS:
            return f"more than {MAX_LAYERS} layers have no kernel"
        if shared_bytes(plan, MIN_BLOCK) > min(MAX_SHARED, shared_limit(device)):
            return "the layers after the first do not fit into shared memory"
        if plan.penalized:
            return "an L2 penalty is not done in blocks"
        return unsupported_in_one_launch(plan)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        with device_context(self.device):
            self.run_block.max_dynamic_shared_size_bytes = self.shared_bytes
            data = EpochData(inputs)
            if self.buffers is None:
                self.buffers = self._allocate()
            theta, slots = self.layout.pack(state)
            losses = cupy.empty(self.plan.steps_for(data.examples), dtype=self.plan.dtype)
            step = cupy.zeros(1, dtype=np.int32)
            for first in range(0, data.examples, self.block):
                count = min(self.block, data.examples - first)
                self._block(theta, slots, data, first, count, step, losses)
        return self.layout.unpack(theta, slots), losses

    def finish(self) -> None:
        """See :class:`gpunet.core.program.Program`."""
        KEPT.put(self)

    def _allocate(self) -> Buffers:
        import cupy

        n0, n1, K = self.layout.sizes[0], self.layout.sizes[1], self.block
        with_momentum = K if self.plan.optimizer.slots else 0
        shapes = [(K, n0), (K, n1), (with_momentum, n1), (K * K,), (K, n1), (with_momentum, n1), (3,)]
        return Buffers(*(cupy.empty(shape, dtype=self.plan.dtype) for shape in shapes))

    def _examples(self, data: EpochData, first: int, count: int, step: Any) -> Any:
        """The `count` examples from position `first` on, ``(count, n[0])``."""
        assert self.buffers is not None
        if data.order is None and not data.macros:
            return data.X[first : first + count]
        x = self.buffers.gathered[:count]
        numbers = map(np.int32, (0, self.plan.batch_size, 0, count, count))
        arguments = (data.X, data.order, None, step, *numbers, x, *data.standardizer)
        launch(self.gather.of(data.macros), x.size // vector(x.shape[1]), *arguments)
        return x

    def _block(
        self, theta: Any, slots: Any, data: EpochData, first: int, count: int, step: Any, losses: Any
    ) -> None:
        """The steps of `count` examples from position `first` on."""
        from cupy.cublas import gemm

        assert self.buffers is not None
        P, E, wqp = self.buffers.P[:count], self.buffers.E[:count], self.buffers.wqp
        G = self.buffers.G[: count * count].reshape(count, count)
        x = self._examples(data, first, count, step)
        W1, V1, Q, R, slot_b, slot_W = self.layout.matrices(theta)[0], None, None, None, None, None
        later, biases = self.layout.at_W[0].stop, self.layout.weights
        gemm("N", "T", x, W1, out=P)
        gemm("N", "T", x, x, out=G)
        if len(slots):
            V1 = self.layout.matrices(slots[0])[0]
            Q, R = self.buffers.Q[:count], self.buffers.R[:count]
            slot_b, slot_W = slots[0, biases:], slots[0, later:]
            gemm("N", "T", x, V1, out=Q)
        read = (P, Q, G, data.Y, data.weights, data.order, np.int32(count), data.coefficients)
        updated = (step, theta[biases:], theta[later:], slot_b, slot_W)
        written = (E, R, wqp, losses)
        self.run_block((1,), (self.threads,), (*read, *updated, *written), shared_mem=self.shared_bytes)
        # W ← w W₀ + q V₀ + Eᵀ X and V ← p V₀ + Rᵀ X
        if self.combines:
            launch(self.combine, W1.size, theta[self.layout.at_W[0]], V1, wqp, np.int32(W1.size))
        gemm("T", "N", E, x, out=W1, beta=1.0)
        if V1 is not None:
            gemm("T", "N", R, x, out=V1, beta=1.0)
