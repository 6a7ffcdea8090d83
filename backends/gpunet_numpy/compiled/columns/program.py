"""The program for batches of small networks: buffers around its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.arguments import packed
from gpunet_numpy.compiled.columns.buffers import Buffers
from gpunet_numpy.compiled.data import bounds_of, data_of, epochs_together, losses_of, unsupported_reason
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned
from gpunet_numpy.compiled.row import Row
from gpunet_numpy.compiled.rules import rule_of
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.threads import run_alone

EXAMPLES = 8  # of a batch, at least: half a vector of them
# Networks of more are faster in products by BLAS, and larger batches on several threads.
WEIGHTS, INPUTS, UNITS = 288, 32, 16
BATCH = 1_000_000  # multiplications
CACHE = 2**15  # bytes that the activations of a chunk should not exceed
CHUNK = 128  # examples that a chunk has even so


class Columns(Program):
    """See :mod:`gpunet_numpy.compiled.columns.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled columns"
    kernel = Kernel("gpunet_numpy.compiled.columns.kernel", "run_epoch")
    repeats_full_batch = True

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.rule = packed(rule_of(plan.optimizer, plan.dtype, plan.penalized))
        self.epochs_together = epochs_together(plan)
        layout = Layout.of(plan, 1)
        n = [int(size) for size in layout.sizes]
        self.row = Row(n)
        item = layout.dtype.itemsize
        most = max(CACHE // (item * sum(n)), CHUNK)
        chunk = -(-plan.batch_size // -(-plan.batch_size // most))  # chunks of one size
        room = -(-chunk * item // CACHE_LINE) * CACHE_LINE // item
        at_A = room * np.cumsum([0, *n[:-1]])
        self.network = packed(layout.network(at_W=self.row.at_W, at_b=self.row.at_b, at_A=at_A))
        shapes: dict[str, Any] = {
            "gradient": int(self.row.at_b[-1]) + n[-1],
            "A": sum(n) * room,
            "D": sum(n) * room,
            "Y": n[-1] * room,
            "sums": (2, room),
            "zeros": room,
            "column": max(n),
        }
        self.buffers: dict[str, Any] = {
            "chunk": chunk,
            "room": room,
            "range": np.arange(max(n), dtype=np.int32),
            **{
                name: aligned(*np.atleast_1d(shape).tolist(), dtype=plan.dtype)
                for name, shape in shapes.items()
            },
        }

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        reason = unsupported_reason(plan)
        if reason is not None:
            return reason
        if plan.weighted:
            return "example weights are not done in columns"
        if plan.batch_size < EXAMPLES:
            return f"batches below {EXAMPLES} have few columns"
        units = max(layer.units for layer in plan.layers)
        if plan.weights > WEIGHTS or plan.layers[0].inputs > INPUTS or units > UNITS:
            return "its batches are matrix products"
        if plan.batch_size * plan.weights > BATCH:
            return "its batches are worth several threads"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        rows, bounds = self.row.pack(state), bounds_of(self.plan, inputs)
        losses, penalties = np.zeros((2, len(bounds), 1))
        buffers = Buffers(state=rows, losses=losses, penalties=penalties, **self.buffers)
        run_alone(self.kernel, self.network, self.rule, data_of(inputs, bounds), buffers)
        return self.row.unpack(rows), losses_of(losses, bounds, self.plan.dtype, penalties)
