"""The program for batches: buffers, made once a plan, around :func:`run_batches`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet_numpy.compiled.batches import Places, run_batches
from gpunet_numpy.compiled.data import Source, common
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
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN
from gpunet_numpy.compiled.tiles import LANE

PIECE = 1024  # examples of a batch that are worked on at a time, at most
SPARSE_PIECE = 256  # the same where examples are lists
CACHE, FEWEST = 2**18, 512  # bytes that a piece should not exceed, if it can have that many examples
WORK = 100_000  # multiplications of a batch that are worth a thread
NEURONS = 32  # of the first layer that a thread should own at least; if there are fewer, nobody owns any
EXAMPLES = 64  # of a batch that a thread should have at least then: it reads all weights for them


class Batches(Program):
    """See :mod:`gpunet_numpy.compiled.batches`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled batches"

    def __init__(self, plan: Plan, device: str = "cpu") -> None:
        super().__init__(plan, device)
        work = plan.batch_size * sum(layer.units * layer.inputs for layer in plan.layers)
        count, owners = max(min(threads(), work // WORK), 1), plan.layers[0].units // NEURONS
        if owners < count and plan.batch_size < EXAMPLES * count:
            count = max(owners, 1)
        self.threads = count
        self.layout = Layout(plan, count if owners >= count else 1)
        self.buffers: dict[bool, tuple[Any, ...]] = {}

    @classmethod
    def unsupported_reason(cls, plan: Plan, device: str = "cpu") -> str | None:
        """Why `plan` is not for this program."""
        return unsupported_reason(plan)

    def _room(self, sparse: bool) -> tuple[Any, ...]:
        """Buffers, made when first needed."""
        if sparse not in self.buffers:
            plan, layout = self.plan, self.layout
            n = [int(size) for size in layout.sizes]
            most = (
                SPARSE_PIECE if sparse else max(min(PIECE, CACHE // (n[0] * layout.dtype.itemsize)), FEWEST)
            )
            piece = -(-plan.batch_size // -(-plan.batch_size // most))  # pieces of one size
            in_place = layout.rule in (PLAIN, MOMENTUM) and plan.batch_size <= piece
            self.buffers[sparse] = (
                piece,
                Source(n[0], piece, plan.dtype),
                layout.activations(piece),
                layout.activations(piece),
                None if in_place else aligned(layout.threads, layout.panel, dtype=plan.dtype),
                None if in_place else aligned(layout.count, dtype=plan.dtype),
                aligned(self.threads, sum(n[1:]), dtype=plan.dtype),
                aligned(self.threads, 3, max(layout.width, *n[1:]) + LANE, dtype=plan.dtype),
            )
        return self.buffers[sparse]

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Any]:
        """See :class:`gpunet.core.program.Program`."""
        layout, plan = self.layout, self.plan
        rows, targets, order = rows_of(inputs.X), rows_of(inputs.Y), inputs.order
        weights = None if inputs.example_weights is None else np.ascontiguousarray(inputs.example_weights)
        coefficients = np.ascontiguousarray(inputs.coefficients)
        offsets = common(rows)
        piece, source, (_, A), (_, D), panel_gradient, later_gradient, bias_parts, sums = self._room(
            offsets is not None
        )
        panels, later = layout.pack_all(*state)
        used = inputs.examples
        losses = np.zeros((steps_of(plan, used), self.threads))
        places = Places(
            owners=layout.threads,
            panels=address(panels),
            panel=layout.panel,
            width=layout.width,
            later=address(later),
            numbers=layout.count,
            panel_gradient=address(panel_gradient),
            later_gradient=address(later_gradient),
            bias_parts=address(bias_parts),
            biases=bias_parts.shape[1],
            sums=address(sums),
            room=sums.shape[2],
            Y=address(targets),
            weights=address(weights),
        )
        run(
            run_batches,
            self.threads,
            plan.dtype,
            layout.one,
            layout.told(),
            address(A),
            address(D),
            panel_gradient is None,
            source.inputs(rows, order, offsets),
            places,
            used,
            plan.batch_size,
            piece,
            address(coefficients),
            coefficients.shape[1],
            losses,
        )
        return TrainState(*layout.unpack_all(panels, later)), losses_of(losses, plan, used)
