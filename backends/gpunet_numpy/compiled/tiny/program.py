"""The program for tiny networks: buffers around its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.arguments import packed
from gpunet_numpy.compiled.data import bounds_of, data_of, epochs_together, losses_of, unsupported_reason
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned
from gpunet_numpy.compiled.row import Row
from gpunet_numpy.compiled.rules import MOMENTUM, rule_of
from gpunet_numpy.compiled.threads import run_alone
from gpunet_numpy.compiled.tiny.buffers import Buffers

WEIGHTS = 8192  # of the network at most, and of its first layer times the examples beyond the first


class Tiny(Program):
    """See :mod:`gpunet_numpy.compiled.tiny.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled tiny network"
    kernel = Kernel("gpunet_numpy.compiled.tiny.kernel", "run_epoch")

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.rule = packed(rule_of(plan.optimizer, plan.dtype))
        self.epochs_together = epochs_together(plan)
        layout = Layout.of(plan, 1)
        self.row = Row(layout.sizes)
        at_A, room = layout.at_A(plan.batch_size, first=0)
        self.network = packed(layout.network(at_W=self.row.at_W, at_b=self.row.at_b, at_A=at_A))
        self.A, self.D = (aligned(room, dtype=plan.dtype) for _ in range(2))

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        reason = unsupported_reason(plan)
        if reason is not None:
            return reason
        if plan.penalized:
            return "an L2 penalty is not done step by step"
        rule = rule_of(plan.optimizer)
        if rule is None or rule.code > MOMENTUM:
            return "only plain descent and momentum are done step by step"
        first = plan.layers[0].inputs * plan.layers[0].units
        weights = sum(layer.inputs * layer.units for layer in plan.layers)
        if max(weights, first * (plan.batch_size - 1)) > WEIGHTS:
            return "its batches are matrix products"
        return None

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        state_rows, bounds = self.row.pack(state), bounds_of(self.plan, inputs)
        losses = np.zeros((len(bounds), 1))
        buffers = Buffers(state_rows, self.A, self.D, losses)
        run_alone(self.kernel, self.network, self.rule, data_of(inputs, bounds), buffers)
        return self.row.unpack(state_rows), losses_of(losses, bounds, self.plan.dtype)
