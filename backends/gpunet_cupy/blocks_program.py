"""Exact SGD in blocks on a GPU: products for the first layer, one kernel launch for all steps of a block.

The algorithm is that of :mod:`gpunet_numpy.blocks`; its sequential part is ``kernels/blocks.cu``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.optimizers import GradientDescent
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_cupy.coverage import unsupported_reason
from gpunet_cupy.flat import Flat
from gpunet_cupy.kernels import Macro, device_called, launch, module
from gpunet_cupy.rows import Gather, Rows

BLOCK = 64  # examples a block at most
SMALLEST = 16  # examples a block at least; also the largest batch
LAYERS = 3
SHARED = 99 * 1024  # bytes of shared memory that a block can have on every GPU since compute capability 8.0


def shared_bytes(plan: Plan, block: int) -> int:
    """Size of ``Shared`` in ``blocks.cu``."""
    n = [layer.units for layer in plan.layers]
    later = max(sum(layer.units * layer.inputs for layer in plan.layers[1:]), 1)
    kept = sum(n) + later if plan.optimizer.slots else 2
    B = plan.batch_size
    reals = block * (n[0] + block + B + n[-1] + 1) + B * (sum(n) + 1) + sum(n) + later + kept
    return -(-(8 * (2 * block + 4) + np.dtype(plan.dtype).itemsize * reals) // 8) * 8


def threads(plan: Plan) -> int:
    """Threads of the one thread block: one for each unit of the largest layer, in whole warps."""
    widest = max(layer.units for layer in plan.layers)
    return min(max(-(-widest // 32) * 32, 128), 1024)


def macros(plan: Plan, block: int) -> dict[str, Macro]:
    """What ``blocks.cu`` wants to know of a plan."""
    assert isinstance(plan.optimizer, GradientDescent)
    absent = LAYERS - len(plan.layers)
    n = [*(layer.units for layer in plan.layers), *[0] * absent]
    g = [*(name.upper() for name in plan.activations), *["IDENTITY"] * absent]
    return {
        **{f"N{l + 1}": n[l] for l in range(LAYERS)},
        **{f"G{l + 1}": g[l] for l in range(LAYERS)},
        "LAYERS": len(plan.layers),
        "LOSS": plan.loss.upper(),
        "BLOCK": block,
        "BATCH": plan.batch_size,
        "THREADS": threads(plan),
        "BYTES": shared_bytes(plan, block),
        "BETA": float(plan.optimizer.momentum),
        "NESTEROV": int(plan.optimizer.nesterov),
        "DECAY": float(plan.optimizer.weight_decay),
    }


class Blocks(Program):
    """A program for plain descent and momentum with few examples a step.

    Parameters
    ----------
    plan : Plan
    device : str
    """

    name = "cupy blocks"

    def __init__(self, plan: Plan, device: str = "cuda:0") -> None:
        super().__init__(plan, device)

        self.flat = Flat(plan)
        room = device_called(device).attributes["MaxSharedMemoryPerBlockOptin"]
        block = max(BLOCK // plan.batch_size, 1) * plan.batch_size
        while block > SMALLEST and shared_bytes(plan, block) > room:
            block = max(block // 2 // plan.batch_size, 1) * plan.batch_size
        self.block, self.bytes, self.threads = block, shared_bytes(plan, block), threads(plan)
        made = module(plan.dtype, "blocks", **macros(plan, block))
        self.run_block, self.fold = made.get_function("run_block"), made.get_function("fold")
        self.folds = bool(plan.optimizer.slots or plan.optimizer.weight_decay)
        self.gather = Gather(plan.dtype, plan.layers[0].inputs, plan.batch_size)
        self.buffers: tuple[Any, ...] | None = None

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cuda:0") -> str | None:
        """Why `plan` is not for this program."""
        if not isinstance(plan.optimizer, GradientDescent):
            return f"{type(plan.optimizer).__name__} is not linear in the gradient"
        if plan.batch_size > SMALLEST:
            return f"batches above {SMALLEST} are matrix products already"
        if len(plan.layers) > LAYERS:
            return f"more than {LAYERS} layers have no kernel"
        if shared_bytes(plan, SMALLEST) > SHARED:
            return "the layers after the first do not fit into shared memory"
        return unsupported_reason(plan)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        import cupy

        with device_called(self.device):
            self.run_block.max_dynamic_shared_size_bytes = self.bytes
            rows = Rows(inputs)
            if self.buffers is None:
                self.buffers = self._allocate()
            theta, slots = self.flat.pack(*state)
            losses = cupy.empty(len(self.plan.batches(rows.used)), dtype=self.plan.dtype)
            step = cupy.zeros(1, dtype=np.int32)
            coefficients = cupy.ascontiguousarray(inputs.coefficients)
            for first in range(0, rows.used, self.block):
                count = min(self.block, rows.used - first)
                self._block(theta, slots, rows, first, count, coefficients, step, losses)
        return TrainState(*self.flat.unpack(theta, slots)), losses

    def _allocate(self) -> tuple[Any, ...]:
        import cupy

        n0, n1, K = self.flat.sizes[0], self.flat.sizes[1], self.block
        kept = K if self.plan.optimizer.slots else 0
        shapes = [(K, n0), (K, n1), (kept, n1), (K * K,), (K, n1), (kept, n1), (3,)]
        return tuple(cupy.empty(shape, dtype=self.plan.dtype) for shape in shapes)

    def _block(
        self, theta: Any, slots: Any, rows: Rows, at: int, count: int, coefficients: Any, step: Any, J: Any
    ) -> None:
        """The steps of `count` examples from position `at` on."""
        from cupy.cublas import gemm

        assert self.buffers is not None
        gathered, P, Q, G, E, R, wqp = self.buffers
        P, Q, E, R = P[:count], Q[:count], E[:count], R[:count]
        G = G[: count * count].reshape(count, count)
        first, later, biases = self.flat.at_W[0], self.flat.at_W[0].stop, self.flat.weights
        x = self.gather(rows, step, at, 0, count, gathered)
        W1 = self.flat.matrices(theta)[0]
        V1 = self.flat.matrices(slots[0])[0] if len(slots) else None
        gemm("N", "T", x, W1, out=P)
        gemm("N", "T", x, x, out=G)
        if V1 is not None:
            gemm("N", "T", x, V1, out=Q)
        kept = (None, None) if V1 is None else (slots[0, biases:], slots[0, later:])
        given = (P, None if V1 is None else Q, G, rows.Y, rows.weights, rows.order, np.int32(count))
        stepped = (coefficients, step, theta[biases:], theta[later:], *kept)
        written = (E, None if V1 is None else R, wqp, J)
        self.run_block((1,), (self.threads,), (*given, *stepped, *written), shared_mem=self.bytes)
        # W ← w W₀ + q V₀ + (u ∘ δ)ᵀ X and V ← p V₀ + (r ∘ δ)ᵀ X
        if self.folds:
            launch(self.fold, W1.size, theta[first], V1, wqp, np.int32(W1.size))
        gemm("T", "N", E, x, out=W1, beta=1.0)
        if V1 is not None:
            gemm("T", "N", R, x, out=V1, beta=1.0)
