"""The program for batches: buffers, made once a plan, around :func:`run_batches`."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.plan import Plan
from gpunet_numpy.compiled.batches import Places, run_batches
from gpunet_numpy.compiled.data import Source, is_sparse
from gpunet_numpy.compiled.layout import Layout
from gpunet_numpy.compiled.program import address, aligned, losses_of, rows_of, run, threads
from gpunet_numpy.compiled.rules import MOMENTUM, PLAIN

PIECE = 1024  # examples of a batch that are worked on at a time
SPARSE_PIECE = 256  # the same where examples are lists


class Batches:
    """See :mod:`gpunet_numpy.compiled.batches`.

    Parameters
    ----------
    plan : Plan
    """

    name = "compiled batches"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.layout = Layout(plan, threads())
        self.buffers: dict[bool, tuple[Any, ...]] = {}

    def _room(self, sparse: bool) -> tuple[Any, ...]:
        """Buffers, made when first needed."""
        if sparse not in self.buffers:
            plan, layout = self.plan, self.layout
            most = SPARSE_PIECE if sparse else PIECE
            piece = -(-plan.batch_size // -(-plan.batch_size // most))  # pieces of one size
            in_place = layout.rule in (PLAIN, MOMENTUM) and plan.batch_size <= piece
            self.buffers[sparse] = (
                piece,
                Source(int(layout.sizes[0]), piece, plan.dtype),
                layout.activations(piece),
                layout.activations(piece),
                None if in_place else aligned(layout.threads, layout.panel, dtype=plan.dtype),
                None if in_place else aligned(layout.count, dtype=plan.dtype),
                np.zeros((layout.threads, int(layout.sizes[1:].sum())), dtype=plan.dtype),
            )
        return self.buffers[sparse]

    def __call__(
        self,
        parameters: Any,
        state: Any,
        X: Any,
        Y: Any,
        weights: Any,
        order: Any,
        coefficients: Any,
        keys: Any,
    ) -> Any:
        """See :class:`gpunet.descent.Program`."""
        layout, plan = self.layout, self.plan
        rows, targets = rows_of(X), rows_of(Y)
        weights = None if weights is None else np.ascontiguousarray(weights)
        sparse = is_sparse(rows)
        piece, source, (_, A), (_, D), panel_gradient, later_gradient, bias_parts = self._room(sparse)
        panels, later = layout.pack_all(parameters, state)
        used = X.shape[1] if order is None else order.shape[0]
        sums = np.zeros((len(plan.batches(used)), layout.threads))
        places = Places(
            panels=address(panels),
            panel=layout.panel,
            width=layout.width,
            later=address(later),
            numbers=layout.count,
            panel_gradient=address(panel_gradient),
            later_gradient=address(later_gradient),
            bias_parts=address(bias_parts),
            biases=bias_parts.shape[1],
            Y=address(targets),
            weights=address(weights),
        )
        run(
            run_batches,
            layout.threads,
            plan.dtype,
            layout.sizes,
            layout.at_W,
            layout.at_b,
            layout.codes,
            layout.strides,
            A,
            D,
            layout.loss,
            layout.rule,
            layout.numbers,
            source.inputs(rows, order, sparse),
            places,
            used,
            plan.batch_size,
            piece,
            coefficients,
            sums,
        )
        return *layout.unpack_all(panels, later), losses_of(sums, plan, used)
