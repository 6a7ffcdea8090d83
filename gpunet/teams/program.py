"""The program of a team: gradients of lanes, added over all ranks, then the update."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gpunet.core.accumulation import accumulated, parts_of
from gpunet.core.lanes import lane_bounds
from gpunet.core.plan import Plan
from gpunet.core.program import EpochInputs, Program, TrainState
from gpunet.core.propagation import Parameters
from gpunet.devices.placement import Placement
from gpunet.teams.engine import Engine
from gpunet.teams.paths import Path, path_between
from gpunet.teams.total import TreeTotal
from gpunet.teams.updates import SectionUpdate, WholeUpdate
from gpunet.teams.vectors import Layout

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
        self.layout = Layout(plan, placement)
        self.path: Path | None = None  # the ranks settle it when they begin
        self.update = SectionUpdate if SectionUpdate.supports(plan) else WholeUpdate

    def __call__(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        """See :class:`gpunet.core.program.Program`."""
        if self.path is None:
            self.path, words = path_between(self.engine, self.placement)
            if words is not None:
                self.reason = f"{type(self).reason}; {words}"
        on_one_core = self.placement.backend.on_one_core
        # Each rank has the whole state here, so that any of them can do all of the steps again.
        return self.engine.completed(lambda: on_one_core(self._steps, state, inputs))

    def _steps(self, state: TrainState, inputs: EpochInputs) -> tuple[TrainState, Array]:
        assert self.path is not None
        losses = []
        total = TreeTotal(self.engine, self.lanes, self.layout.length, self.path)
        update = self.update(self.plan, self.layout, total, state)
        for t, (first, last) in enumerate(self.plan.batches(inputs.examples)):
            keys = None if inputs.dropout_keys is None else inputs.dropout_keys[t, :]
            parameters = update.parameters

            def lane(
                node: range,
                parameters: Parameters = parameters,
                bounds: tuple[int, int] = (first, last),
                keys: Array = keys,
            ) -> Array | None:
                if len(node) > 1:
                    return None
                return self._lane(parameters, inputs, *bounds, node.start, keys)

            losses.append(update(total(lane), inputs.coefficients[t, :]))
        ended = update.state()
        self.path.wait()
        return ended, self.xp.stack(losses)

    def _lane(
        self, parameters: Parameters, inputs: EpochInputs, first: int, last: int, lane: int, keys: Array
    ) -> Array:
        """J and the gradients of a lane of the batch ``[first, last)``: its part of the batch's, as one vector."""
        size = last - first
        start, stop = lane_bounds(size, self.lanes, lane)
        if start == stop:
            return self.placement.to_device(np.zeros(self.layout.length, self.plan.dtype))
        parts = parts_of(self.xp, inputs, first + start, first + stop)
        return self.layout.vector(*accumulated(self.xp, self.plan, parameters, parts, (start, size), keys))


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
