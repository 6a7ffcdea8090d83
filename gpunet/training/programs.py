"""The program that trains: a backend's own for the plan, or the reference."""

from __future__ import annotations

from typing import NamedTuple

from gpunet.core.accumulation import Accumulation
from gpunet.core.plan import Plan
from gpunet.core.program import Program, unsupported_input
from gpunet.core.reference import Reference
from gpunet.devices.placement import Placement
from gpunet.teams.program import Lanes
from gpunet.teams.team import Team


class Chosen(NamedTuple):
    """The program of a run, and why that one."""

    program: Program
    reason: str
    reference: Program  # that defines the result of `program`


def chosen_program(plan: Plan, placement: Placement, team: Team | None = None) -> Chosen:
    """The backend's program, unless it has none that can read the examples of this plan.

    Batches in lanes of a team, and batches in parts, have a program of their own.
    """
    if plan.lanes is not None:
        assert team is not None
        lanes = Lanes(plan, placement, team.engine)
        return Chosen(lanes, lanes.reason, lanes)
    if plan.in_parts:
        part_gradients = placement.backend.part_gradients(plan, placement.device)
        parts = Accumulation(placement.xp, plan, part_gradients)
        return Chosen(parts, parts.reason, parts)
    reference = Reference(placement.xp, plan)
    program, reason = placement.backend.program_for(plan, placement.device)
    if program is not None:
        unread = unsupported_input(program, plan)
        if unread is None:
            return Chosen(program, reason, reference)
        reason = f"{program.name}: {unread}"
    return Chosen(reference, reason, reference)
