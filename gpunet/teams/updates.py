"""The update of a team's step, from one section of J and its gradients on each rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.core.optimizers import OPTIMIZERS
from gpunet.core.plan import Plan
from gpunet.core.program import TrainState
from gpunet.core.propagation import Parameters
from gpunet.core.reference import update
from gpunet.teams.total import TreeTotal
from gpunet.teams.vectors import Layout

Array = Any

CHUNK = 2**16  # numbers that a CPU updates at a time: what a rule computes on the way stays in cache


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

    def __call__(self, section: Array, c: Array) -> Array:
        """Do a step.

        Parameters
        ----------
        section : array
            Of J and the gradients.
        c : array
            The step's coefficients.

        Returns
        -------
        J : array, of no dimension
        """
        vector = self.total.whole(section)
        self.now, J = update(
            self.layout.placement.xp, self.plan, self.now, vector[0, ...], self.layout.pairs(vector), c
        )
        return J

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
        self.xp = layout.placement.xp
        self.vector = layout.vector(None, state.parameters)
        self.chunks = list(self._chunks(CHUNK if type(self.vector) is np.ndarray else layout.length))
        slots = [
            layout.vector(None, [(of_W[i], of_b[i]) for of_W, of_b in state.slots])[total.section]
            for i in range(plan.optimizer.slots)
        ]
        self.slots = [tuple(slot[chunk] for slot in slots) for chunk, _ in self.chunks]

    @classmethod
    def supports(cls, plan: Plan) -> bool:
        """Whether the update of each number depends on nothing else."""
        own = type(plan.optimizer) not in OPTIMIZERS.values()  # may do anything with a parameter
        return not (own or plan.penalized or plan.optimizer.clip_norm is not None)

    def _chunks(self, most: int) -> Iterator[tuple[slice, bool]]:
        """Chunks of the section, and whether they hold numbers of a W."""
        section = self.total.section
        for part, is_W in self.layout.weights_and_biases():
            last = min(part.stop, section.stop)
            for first in range(max(part.start, section.start), last, most):
                yield slice(first - section.start, min(first + most, last) - section.start), is_W

    def _of_J(self, section: Array) -> Array:
        """What of a section is not in its chunks: one number on the rank whose section begins the vector."""
        return section[: 1 if self.total.section.start == 0 else 0]

    @property
    def parameters(self) -> Parameters:
        """See :class:`WholeUpdate`."""
        pairs = self.layout.pairs(self.vector)
        return [
            known if pair is None else pair for pair, known in zip(pairs, self.before.parameters, strict=True)
        ]

    def __call__(self, section: Array, c: Array) -> Array:
        """See :class:`WholeUpdate`."""
        theta, decay = self.vector[self.total.section], self.optimizer.weight_decay
        after = [self._of_J(section)]
        for i, (chunk, is_W) in enumerate(self.chunks):
            some = theta[chunk]
            if decay and is_W:
                some = (1.0 - c[0] * decay) * some
            some, self.slots[i] = self.optimizer.update(self.xp, some, section[chunk], self.slots[i], c)
            after.append(some)
        self.vector = self.total.whole(self.xp.concat(after))
        return self.xp.asarray(self.vector[0, ...], copy=True)  # a view would keep the whole vector

    def state(self) -> TrainState:
        """See :class:`WholeUpdate`."""
        first = self._of_J(self.vector[self.total.section])  # stands in the place of J
        columns = [
            self.layout.pairs(self.total.whole(self.xp.concat([first, *(slots[i] for slots in self.slots)])))
            for i in range(self.optimizer.slots)
        ]
        slots = []
        for l, known in enumerate(self.before.slots):
            pairs = [column[l] for column in columns]
            if self.layout.trainable[l]:
                known = tuple(pair[0] for pair in pairs if pair), tuple(pair[1] for pair in pairs if pair)
            slots.append(known)
        return TrainState(self.parameters, slots)
