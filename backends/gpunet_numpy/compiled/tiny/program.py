"""The program for tiny networks: buffers around its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.data import data_of, epochs_together, losses_of, unsupported_reason
from gpunet_numpy.compiled.layout import Layout, aligned, by_kind, by_layer
from gpunet_numpy.compiled.threads import run_alone
from gpunet_numpy.compiled.tiny.kernel import Buffers, run_epoch
from gpunet_numpy.compiled.updates import MOMENTUM, rule_of

WEIGHTS = 8192  # of the network at most, and of its first layer times the examples beyond the first


class Tiny(Program):
    """See :mod:`gpunet_numpy.compiled.tiny.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled tiny network"
    kernel = staticmethod(run_epoch)

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        self.rule = rule_of(plan.optimizer, plan.dtype)
        self.epochs_together = epochs_together(plan)
        layout = Layout.of(plan, 1)
        n = self.sizes = [int(size) for size in layout.sizes]
        counts = [0, *(n[l] * (n[l - 1] + 1) for l in range(1, len(n)))]
        at_W = np.array([0, *np.cumsum(counts[:-1])])
        at_b = np.array([0, *(at_W[l] + n[l] * n[l - 1] for l in range(1, len(n)))])
        at_A, room = layout.at_A(plan.batch_size, first=0)
        self.network = layout.network(at_W=at_W, at_b=at_b, at_A=at_A)
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
        used, plan = inputs.examples, self.plan
        row = np.array([np.concatenate([p.ravel() for W_b in kind for p in W_b]) for kind in by_kind(state)])
        buffers = Buffers(row, self.A, self.D, np.zeros((plan.steps_for(used), 1)))
        run_alone(run_epoch, self.network, self.rule, data_of(inputs), buffers, plan.batch_size)
        new = by_layer([self._layers(kind) for kind in row])
        return TrainState(*new), losses_of(buffers.losses, plan, used)

    def _layers(self, row: Any) -> list[tuple[Any, Any]]:
        """``(W, b)`` of each layer, as views."""
        n, network = self.sizes, self.network
        return [
            (
                row[network.at_W[l] : network.at_b[l]].reshape(n[l], n[l - 1]),
                row[network.at_b[l] : network.at_b[l] + n[l]].reshape(n[l], 1),
            )
            for l in range(1, len(n))
        ]
