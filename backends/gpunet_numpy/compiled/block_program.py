"""The program for single examples and small batches: buffers around :func:`run_blocks`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.blocks import Places, run_blocks
from gpunet_numpy.compiled.data import Source, common
from gpunet_numpy.compiled.inputs import FILED
from gpunet_numpy.compiled.layout import Layout
from gpunet_numpy.compiled.program import (
    address,
    aligned,
    losses_of,
    rows_of,
    run,
    steps_of,
    threads,
    unsupported_reason,
)
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN, rule_of
from gpunet_numpy.compiled.tiles import LANE

BLOCK = FILED  # examples a block
LARGEST_BATCH = 16
LATER = 300_000  # parameters after W[2] that each thread may step on its own
NEURONS = 64  # of the first layer that a thread should own at least: it meets the others at every step


class Blocks(Program):
    """See :mod:`gpunet_numpy.compiled.blocks`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled blocks"

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        units = plan.layers[0].units
        # A single layer's outputs depend on each other at once.
        count = 1 if len(plan.layers) == 1 else max(min(threads(), units // NEURONS), 1)
        self.layout = layout = Layout(plan, count)
        B, n, dtype = plan.batch_size, [int(size) for size in layout.sizes], layout.dtype
        self.block = BLOCK // B * B
        self.stride = int(layout.strides[1])
        self.room = -(-BLOCK * dtype.itemsize // LANE) * LANE // dtype.itemsize
        self.n2 = n[2] if len(n) > 2 else 0
        self.part = B * self.n2 + LANE
        self.work = [aligned(2, count, B * size + LANE, dtype=dtype) for size in n[2:]]
        own = [[[0, 0, *(address(one[i, t]) for one in self.work)] for t in range(count)] for i in (0, 1)]
        self.source = Source(n[0], self.block, plan.dtype)

        def rows(width: int) -> Any:
            return aligned(self.block, width, dtype=dtype)

        self.buffers = {
            "P": rows(self.stride),
            "Q": rows(self.stride) if layout.slots else None,
            "D": rows(self.stride),
            "E": rows(self.stride),
            "G": rows(self.room),
            "transposed": aligned(n[0], self.room, dtype=dtype),
            "shared": aligned(self.room, dtype=dtype),
            "sums": aligned(count, layout.width, dtype=dtype),
            "parts": aligned(2, count, self.part, dtype=dtype),
            "at_A": np.array(own[0]),
            "at_D": np.array(own[1]),
            "u": aligned(count, 5, self.room, dtype=np.float64),
            "upto": np.arange(max(self.room, self.n2), dtype=np.int32),
        }

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why `plan` is not for this program."""
        if plan.batch_size > LARGEST_BATCH:
            return f"batches above {LARGEST_BATCH} are matrix products already"
        if rule_of(plan.optimizer)[0] not in (PLAIN, MOMENTUM):
            return "only plain descent and momentum go in blocks"
        if sum(layer.units * layer.inputs for layer in plan.layers[2:]) > LATER:
            return "the later layers are too large to step on every thread"
        return unsupported_reason(plan)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        layout, plan = self.layout, self.plan
        rows, targets, order = rows_of(inputs.X), rows_of(inputs.Y), inputs.order
        weights = None if inputs.example_weights is None else np.ascontiguousarray(inputs.example_weights)
        coefficients = np.ascontiguousarray(inputs.coefficients)
        offsets = common(rows)
        panels, later = layout.pack_all(*state)
        second = layout.pack_second(later)
        copies = np.repeat(later[None], layout.threads, axis=0)
        used = inputs.examples
        sums = np.zeros((steps_of(plan, used), 1))
        places = Places(
            slots=layout.slots,
            panels=address(panels),
            panel=layout.panel,
            width=layout.width,
            second=address(second),
            later=address(later),
            numbers=layout.count,
            copies=address(copies),
            stride=self.stride,
            room=self.room,
            part=self.part,
            Y=address(targets),
            weights=address(weights),
            **{name: address(one) for name, one in self.buffers.items()},
        )
        run(
            run_blocks,
            layout.threads,
            plan.dtype,
            layout.one,
            layout.told(),
            self.source.inputs(rows, order, offsets),
            places,
            used,
            plan.batch_size,
            self.block,
            address(coefficients),
            sums,
        )
        layout.unpack_second(second, later)
        return TrainState(*layout.unpack_all(panels, later)), losses_of(sums, plan, used)
