"""The program of a team: gradients of lanes, added over all ranks, then the same update on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from gpunet.core.lanes import lane_bounds, nodes_within, tree_sum
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.reference import Batch, batch_gradients, examples, update
from gpunet.devices.placement import Placement
from gpunet.teams.engine import Engine, Vector

Array = Any


class Lanes(Program):
    """The reference's step, with each batch's gradient added up in lanes.

    Parameters
    ----------
    plan : Plan
        With lanes.
    placement : Placement
    engine : Engine
    """

    name = "lanes"
    reason = "a team adds up the gradients of lanes"
    takes_sparse = True
    takes_lanes = True

    def __init__(self, plan: Plan, placement: Placement, engine: Engine) -> None:
        super().__init__(plan, placement.device)
        assert plan.lanes is not None
        self.xp, self.placement, self.engine, self.lanes = placement.xp, placement, engine, plan.lanes
        shapes = [
            shape
            for layer in plan.layers
            if layer.trainable
            for shape in ((layer.units, layer.inputs), (layer.units, 1))
        ]
        self.shapes = shapes
        self.total = TreeTotal(engine, plan.lanes, 1 + sum(a * b for a, b in shapes))

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        """See :class:`gpunet.core.program.Program`."""
        return self.placement.backend.on_one_core(self._steps, state, inputs)

    def _steps(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        losses = []
        for t, (first, last) in enumerate(self.plan.batches(inputs.examples)):
            keys = None if inputs.dropout_keys is None else inputs.dropout_keys[t, :]
            c = inputs.coefficients[t, :]

            def lane(node: range, first: int = first, last: int = last, keys: Array = keys) -> Vector | None:
                if len(node) > 1:
                    return None
                return self._lane(state, inputs, first, last, node.start, keys)  # noqa: B023

            J, gradients = self._unpacked(self.total(lane))
            state, J = update(self.xp, self.plan, state, J, gradients, c)
            losses.append(J)
        return state, self.xp.stack(losses)

    def _lane(
        self, state: TrainState, inputs: EpochInputs, first: int, last: int, lane: int, keys: Array
    ) -> Vector:
        """J and the gradients of a lane of the batch ``[first, last)``: its part of the batch's, as one vector."""
        size = last - first
        start, stop = lane_bounds(size, self.lanes, lane)
        if start == stop:
            return np.zeros(self.total.length, self.plan.dtype)
        X, Y, weights = examples(self.xp, inputs, first + start, first + stop)
        batch = Batch(X, Y, weights, None, keys, (start, stop, size))
        J, gradients = batch_gradients(self.xp, self.plan, state.parameters, batch)
        to_host = self.placement.backend.to_host
        arrays = [to_host(one).ravel() for pair in gradients if pair is not None for one in pair]
        vector = np.concatenate([to_host(J).reshape(1), *arrays])
        vector *= (stop - start) / size  # each is a mean over the lane (C8)
        return vector

    def _unpacked(self, vector: Vector) -> tuple[Array, list[tuple[Array, Array] | None]]:
        """J and the gradients of a batch, on the device."""
        whole = self.placement.to_device(vector)
        arrays, at = [], 1
        for a, b in self.shapes:
            arrays.append(self.xp.reshape(whole[at : at + a * b], (a, b)))
            at += a * b
        pairs = iter(zip(arrays[::2], arrays[1::2], strict=True))
        J = self.xp.asarray(whole[0, ...], copy=True)  # a view would keep all of them
        return J, [next(pairs) if layer.trainable else None for layer in self.plan.layers]


def in_lanes(plan: Plan, lanes: int | None) -> Plan:
    """The plan with each batch cut into lanes; as it is without.

    Raises
    ------
    ValueError
        If a batch has fewer examples than there are lanes.
    """
    if lanes is not None and plan.batch_size < lanes:
        raise ValueError(
            f"a batch of {plan.batch_size} can't be cut into {lanes} lanes: give a batch_size of {lanes} or more, or "
            "fewer lanes"
        )
    return replace(plan, lanes=lanes)


class TreeTotal:
    """Vectors of lanes, added in one fixed tree: the same bits, however many ranks there are.

    A rank adds what is in its own lanes. Of the sums that are left, each rank gets one section of the vectors from
    every rank, adds those, and spreads the result.

    Parameters
    ----------
    engine : Engine
    lanes : int
    length : int
        Of the vectors.
    """

    def __init__(self, engine: Engine, lanes: int, length: int) -> None:
        self.engine = engine
        self.length = length
        self.root = range(lanes)
        size = engine.size
        shares = [range(rank * lanes // size, (rank + 1) * lanes // size) for rank in range(size)]
        self.nodes = [nodes_within(share, self.root) for share in shares]  # that each rank adds
        bounds = [rank * length // size for rank in range(size + 1)]
        self.sections = [slice(a, b) for a, b in pairwise(bounds)]

    def __call__(self, lane: Callable[[range], Vector | None]) -> Vector:
        """The sum over all lanes, on each rank.

        Parameters
        ----------
        lane : callable ``(node) -> vector or None``
            The vector of a leaf, new at each call; None for a node with several lanes.
        """
        engine = self.engine
        own = [tree_sum(node, lane, add) for node in self.nodes[engine.rank]]
        if engine.size == 1:
            return own[0]
        widths = [section.stop - section.start for section in self.sections]
        width = widths[engine.rank]
        parts = [np.concatenate([vector[section] for vector in own]) for section in self.sections]
        received = engine.exchange(parts, [width * len(nodes) for nodes in self.nodes])
        sums = {
            node: vector[i * width : (i + 1) * width]
            for nodes, vector in zip(self.nodes, received, strict=True)
            for i, node in enumerate(nodes)
        }
        section = tree_sum(self.root, sums.get, plus)
        return engine.spread(section, widths)


def plus(lower: Vector, upper: Vector) -> Vector:
    """Their sum, as a vector of its own."""
    return np.asarray(lower + upper)


def add(lower: Vector, upper: Vector) -> Vector:
    """Their sum, in the place of the first."""
    lower += upper
    return lower
