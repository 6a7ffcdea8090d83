"""The program for sparse rows: buffers around its kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.devices.reused_memory import ReusedMemory
from gpunet_numpy.compiled.data import bounds_of, losses_of, masks_of, unsupported_reason, with_keys
from gpunet_numpy.compiled.kernels import Kernel
from gpunet_numpy.compiled.layout import Layout, aligned, by_kind, by_layer
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN, rule_of
from gpunet_numpy.compiled.sizes import CACHE_LINE
from gpunet_numpy.compiled.sparse_rows.buffers import Buffers, SparseData, powers_of
from gpunet_numpy.compiled.threads import run, threads
from gpunet_numpy.tiered import SPARSE_STEPS

CHUNK = 1024  # examples of a batch that are worked on at a time, at most
WORK = 100_000  # multiplications of a batch that are worth a thread
STRETCH = SPARSE_STEPS  # that are foreseen at a time: after them each feature is up to date
MISSED = 16  # updates of weights that no example of the batch has, in the time of a multiplication


class SparseRows(Program):
    """See :mod:`gpunet_numpy.compiled.sparse_rows.kernel`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled sparse rows"
    kernel = Kernel("gpunet_numpy.compiled.sparse_rows.kernel", "run_epoch")
    takes_sparse = True
    # Updates without a gradient are done together, which rounds otherwise than one by one.
    block_steps = STRETCH

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        rule = rule_of(plan.optimizer, plan.dtype, plan.penalized)
        assert rule is not None
        self.rule = rule
        self.layout, self.masks = Layout.of(plan, 1), masks_of(plan)
        self.memory = ReusedMemory()  # each epoch's parameters take the place of those before the last
        self.chunk = -(-plan.batch_size // -(-plan.batch_size // CHUNK))  # chunks of one size

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why this program can't run `plan`."""
        if not plan.sparse:
            return "the examples are not sparse rows"
        if plan.layers[0].dropout:
            return "dropout of the inputs takes them as dense rows"
        return unsupported_reason(plan, dropout=True, self_gated=True)

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        plan, layout, data = self.plan, self.layout, sparse_data_of(inputs)
        bounds = bounds_of(plan, inputs)
        count = self._threads(data)
        given, panels, later = self._parameters(state)
        losses, penalties = np.zeros((2, len(bounds), count))
        at_A, room = layout.at_A(self.chunk)
        buffers = Buffers(
            given=given.reshape(*given.shape[:2], panels[0].size),
            panels=panels.reshape(*panels.shape[:2], panels[0].size),
            later=later,
            losses=losses,
            penalties=penalties,
            **self._buffers(count, room, data),
        )
        network = layout.network(at_A=at_A)
        masks = with_keys(self.masks, inputs, len(bounds))
        run(self.kernel, count, plan.dtype, network, self.rule, data, buffers, masks, plan.batch_size)
        new = by_layer(layout.unpack_views(panels, later))
        return TrainState(*new), losses_of(losses, bounds, plan.dtype, penalties)

    def _threads(self, data: SparseData) -> int:
        """How many threads are worth it."""
        first, plan = self.plan.layers[0], self.plan
        others = sum(layer.weights for layer in plan.layers[1:])
        mean = len(data.values) / (len(data.starts) - 1)
        work = plan.batch_size * (mean * first.units + others)
        if self.rule.code != PLAIN or self.rule.decay != 0 or self.rule.penalized:
            work += first.inputs * first.units / MISSED
        return max(min(threads(), int(work / WORK)), 1)

    def _parameters(self, state: TrainState) -> tuple[Any, Any, Any]:
        """``(given, panels, later)``: see :class:`Buffers`. The kernel itself copies panels that it has made."""
        kinds = by_kind(state)
        given = self.layout.panels_of(kinds)
        if given is None:
            panels, later = self.layout.pack(*kinds, zeros=self.memory.zeros)
            return panels[:0], panels, later
        panels = aligned(*given.shape, dtype=given.dtype, make=self.memory.empty)
        return given, panels, self.layout.pack_later(*kinds)

    def _buffers(self, count: int, room: int, data: SparseData) -> dict[str, Any]:
        """All that does not hold parameters or losses."""
        lengths = np.diff(data.starts)
        if len(data.order):
            lengths = lengths[data.order]
        batch, m = self.plan.batch_size, len(lengths)
        chunks = [
            at for first in range(0, m, batch) for at in range(first, min(first + batch, m), self.chunk)
        ]
        entries = int(np.add.reduceat(lengths, chunks).max())
        foreseen = int(np.add.reduceat(lengths, range(0, m, STRETCH * batch)).max())
        plan, layout = self.plan, self.layout
        n, dtype = [int(size) for size in layout.sizes], layout.dtype
        in_place = self.rule.code <= MOMENTUM and plan.batch_size <= self.chunk
        several = plan.batch_size > self.chunk
        features = min(n[0], entries)
        return {
            "in_place": int(in_place),
            "chunk": self.chunk,
            "width": layout.width,
            "across": layout.tiles_across(count),
            "later_gradient": aligned(0 if in_place else layout.count, dtype=dtype),
            "A": aligned(room, dtype=dtype),
            "D": aligned(room, dtype=dtype),
            "slopes": aligned(room if layout.self_gated else 0, dtype=dtype),
            "bias_sums": aligned(count, sum(n[1:]), dtype=dtype),
            "sums": aligned(count, 3, max(layout.width, *n[1:]) + CACHE_LINE, dtype=dtype),
            "gradients": aligned(n[0] if several else count, layout.width, dtype=dtype),
            "summed": np.zeros(n[0] if several else 0, np.int32),
            "stretch": STRETCH,
            "powers": powers_of(self.rule, min(STRETCH, -(-m // batch))),
            "upcoming": np.empty(n[0], np.int32),
            "following": np.empty(foreseen, np.int32),
            "seen": np.empty(n[0], np.int32),
            "own": np.empty((count, int(lengths.max(initial=0)) + 1), np.int32),
            "places": np.empty((count, entries), np.int32),
            "listed": np.empty((count, features), np.int32),
            "begins": np.empty((count, features), np.int32),
            "counts": np.empty((count, features), np.int32),
            "examples": np.empty((count, entries), np.int32),
            "values": np.empty((count, entries), dtype),
            "spare": aligned(count, layout.width, dtype=dtype),
        }


def sparse_data_of(inputs: EpochInputs) -> SparseData:
    """An epoch's inputs, where X is sparse."""
    rows = inputs.X.rows
    weights = np.empty(0, rows.dtype) if inputs.example_weights is None else inputs.example_weights.ravel()
    order = np.empty(0, np.int32) if inputs.order is None else inputs.order
    return SparseData(
        starts=np.ascontiguousarray(rows.indptr.astype(np.int64)),
        features=np.ascontiguousarray(rows.indices.astype(np.int32, copy=False)),
        values=np.ascontiguousarray(rows.data),
        Y=np.ascontiguousarray(inputs.Y.T),
        weights=np.ascontiguousarray(weights),
        order=np.ascontiguousarray(order),
        coefficients=np.ascontiguousarray(inputs.coefficients),
    )
