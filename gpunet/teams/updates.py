"""The update of a team's step, from one section of J and its gradients on each rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.core.optimizers import OPTIMIZERS
from gpunet.core.plan import Plan
from gpunet.core.program import Parameters, TrainState
from gpunet.core.reference import update
from gpunet.teams.engine import Vector
from gpunet.teams.total import TreeTotal
from gpunet.teams.vectors import Layout

Array = Any

CHUNK = 2**16  # numbers that are updated at a time: what a rule computes on the way stays in cache


class WholeUpdate:
    """The reference's update, on each rank: of any optimizer.

    Parameters
    ----------
    plan : Plan
    layout : Layout
    total : TreeTotal
    state : TrainState
        Before the first step.
    """

    def __init__(self, plan: Plan, layout: Layout, total: TreeTotal, state: TrainState) -> None:
        self.plan, self.layout, self.total = plan, layout, total
        self.now = state

    @property
    def parameters(self) -> Parameters:
        """Those of the next step."""
        return self.now.parameters

    def __call__(self, section: Vector, c: Vector) -> float:
        """Do a step.

        Parameters
        ----------
        section : array
            Of J and the gradients.
        c : array
            The step's coefficients, on the host.

        Returns
        -------
        J : float
        """
        vector, placement = self.total.whole(section), self.layout.placement
        J, c = placement.to_device(vector[:1])[0, ...], placement.to_device(c)
        self.now, J = update(placement.xp, self.plan, self.now, J, self.layout.pairs(vector), c)
        return float(J)

    def state(self) -> TrainState:
        """After the last step."""
        return self.now


class SectionUpdate:
    """Each rank updates its section, and spreads the parameters in the place of their gradients.

    For rules that work on each number by itself, as all of gpunet's do, these are the same bits, and each rank has the
    work of its section only. Between the calls of a program each rank has all slots.

    Parameters
    ----------
    plan, layout, total, state
        As for :class:`WholeUpdate`.
    """

    def __init__(self, plan: Plan, layout: Layout, total: TreeTotal, state: TrainState) -> None:
        self.optimizer, self.layout, self.total, self.before = plan.optimizer, layout, total, state
        to_host = layout.placement.backend.to_host
        self.vector = to_host(layout.vector(None, state.parameters))
        slots = [
            layout.vector(None, [(of_W[i], of_b[i]) for of_W, of_b in state.slots])[total.section]
            for i in range(plan.optimizer.slots)
        ]
        self.slots = [np.array(to_host(slot)) for slot in slots]  # to be written to
        self.chunks = list(self._chunks())

    @classmethod
    def supports(cls, plan: Plan) -> bool:
        """Whether the update of each number depends on nothing else."""
        own = type(plan.optimizer) not in OPTIMIZERS.values()  # may do anything with a parameter
        return not (own or plan.penalized or plan.optimizer.clip_norm is not None)

    def _chunks(self) -> Iterator[tuple[slice, bool]]:
        """Chunks of the section, and whether they hold numbers of a W."""
        section = self.total.section
        for part, is_W in self.layout.weights_and_biases():
            last = min(part.stop, section.stop)
            for first in range(max(part.start, section.start), last, CHUNK):
                yield slice(first - section.start, min(first + CHUNK, last) - section.start), is_W

    @property
    def parameters(self) -> Parameters:
        """See :class:`WholeUpdate`."""
        pairs = self.layout.pairs(self.vector)
        return [
            known if pair is None else pair for pair, known in zip(pairs, self.before.parameters, strict=True)
        ]

    def __call__(self, section: Vector, c: Vector) -> float:
        """See :class:`WholeUpdate`."""
        theta = self.vector[self.total.section].copy()
        if self.total.section.start == 0:
            theta[:1] = section[:1]
        decay = self.optimizer.weight_decay
        for chunk, is_W in self.chunks:
            some = theta[chunk]
            if decay and is_W:
                some = (1.0 - c[0] * decay) * some
            slots = tuple(slot[chunk] for slot in self.slots)
            theta[chunk], changed = self.optimizer.update(np, some, section[chunk], slots, c)
            for slot, one in zip(slots, changed, strict=True):
                slot[:] = one
        self.vector = self.total.whole(theta)
        return float(self.vector[0])

    def state(self) -> TrainState:
        """See :class:`WholeUpdate`."""
        columns = [self.layout.pairs(self.total.whole(slot)) for slot in self.slots]
        slots = []
        for l, known in enumerate(self.before.slots):
            pairs = [column[l] for column in columns]
            if self.layout.trainable[l]:
                known = tuple(pair[0] for pair in pairs if pair), tuple(pair[1] for pair in pairs if pair)
            slots.append(known)
        return TrainState(self.parameters, slots)
