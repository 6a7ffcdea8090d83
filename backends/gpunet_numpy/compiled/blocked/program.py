"""The program for single examples and small batches: buffers around its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.blocked.buffers import Buffers
from gpunet_numpy.compiled.data import (
    SPARSE,
    bounds_of,
    data_of,
    epochs_together,
    input_buffers,
    losses_of,
    unsupported_reason,
)
from gpunet_numpy.compiled.inputs import CSC_EXAMPLES, Inputs
from gpunet_numpy.compiled.kept_rows import KnownInputs
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned, by_kind, by_layer
from gpunet_numpy.compiled.rules import MOMENTUM, rule_of
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.threads import run, threads

BLOCK = CSC_EXAMPLES  # examples of a block
LARGEST_BATCH = 16
LATER = 300_000  # parameters after W[2] that each thread may update on its own
NEURONS = 64  # of the first layer that a thread should own at least: there is a barrier per step


class Blocked(Program):
    """See :mod:`gpunet_numpy.compiled.blocked.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled blocked SGD"
    kernel = Kernel("gpunet_numpy.compiled.blocked.kernel", "run_epoch")
    takes_integers = True

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.rule = rule_of(plan.optimizer, plan.dtype)
        # A single layer's outputs depend on each other at once.
        count = 1 if len(plan.layers) == 1 else max(min(threads(), plan.layers[0].units // NEURONS), 1)
        self.layout = Layout.of(plan, count)
        self.block_steps = BLOCK // plan.batch_size
        self.epochs_together = epochs_together(plan, on_threads=True)
        at_A, numbers = self.layout.at_A(plan.batch_size, first=2)
        self.network = self.layout.network(at_A=at_A)
        self.buffers = self._buffers(numbers)
        self.inputs: dict[bool, Inputs] = {}
        self.known = KnownInputs(count, self.buffers["block"], SPARSE)

    def _inputs(self, sparse: bool) -> Inputs:
        """Buffers for the inputs of a block, made when first needed."""
        if sparse not in self.inputs:
            self.inputs[sparse] = input_buffers(
                int(self.layout.sizes[0]), self.buffers["block"], self.plan.dtype, sparse, self.layout.threads
            )
        return self.inputs[sparse]

    def _buffers(self, numbers: int) -> dict[str, Any]:
        """All that does not hold parameters or losses; `numbers` are those of a thread's activations."""
        layout, B, slots = self.layout, self.plan.batch_size, self.plan.optimizer.slots
        count, dtype, n = layout.threads, layout.dtype, self.plan.sizes
        lanes = CACHE_LINE // dtype.itemsize
        examples, stride = self.block_steps * B, int(layout.strides[1])
        room = -(-BLOCK // lanes) * lanes
        n2 = n[2] if len(n) > 2 else 0
        shapes = {
            "P": (examples, stride),
            "Q": (examples * slots, stride),
            "D": (examples, stride),
            "E": (examples, stride),
            "gram": (examples, room),
            "transposed": (n[0], room),
            "shared": (room,),
            "sums": (count, layout.width),
            "partial": (2, count, B * n2 + CACHE_LINE),
            "A": (count, numbers),
            "errors": (count, numbers),
            "scratch": (count, 3, room),
        }
        return {
            "block": examples,
            "width": layout.width,
            "recurrence": aligned(count, 2, room, dtype=np.float64),
            "range": np.arange(max(room, n2), dtype=np.int32),
            **{name: aligned(*shape, dtype=dtype) for name, shape in shapes.items()},
        }

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        reason = unsupported_reason(plan)
        if reason is not None:
            return reason
        if plan.penalized:
            return "an L2 penalty is not done in blocks"
        if plan.batch_size > LARGEST_BATCH:
            return f"batches above {LARGEST_BATCH} are matrix products already"
        rule = rule_of(plan.optimizer)
        if rule is None or rule.code > MOMENTUM:
            return "only plain descent and momentum are done in blocks"
        if sum(layer.weights for layer in plan.layers[2:]) > LATER:
            return "the later layers are too large to update on every thread"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        plan, layout, bounds = self.plan, self.layout, bounds_of(self.plan, inputs)
        blocks = bounds_of(plan, inputs, self.block_steps * plan.batch_size)
        input_rows = self.known.of(inputs, self._inputs)
        panels, later = layout.pack(*by_kind(state))
        second = layout.pack_second(later)
        n2 = second.shape[2]
        buffers = Buffers(
            panels=panels.reshape(*panels.shape[:2], -1),
            second=second.reshape(*second.shape[:2], n2 * layout.width),
            later=later,
            copies=np.repeat(later[None], layout.threads, axis=0),
            losses=np.zeros((len(bounds), 1)),
            **self.buffers,
        )
        run(
            self.kernel,
            layout.threads,
            plan.dtype,
            self.network,
            self.rule,
            input_rows,
            data_of(inputs, blocks),
            buffers,
            plan.batch_size,
        )
        layout.unpack_second(second, later)
        new = by_layer(layout.unpack(panels, later))
        return TrainState(*new), losses_of(buffers.losses, bounds, plan.dtype)
