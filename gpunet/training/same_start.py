"""The ranks of a team train the same, or none of them does."""

from __future__ import annotations

from typing import Any

from gpunet.errors import RanksDiffer
from gpunet.teams.team import Team
from gpunet.training.described import differences


def require_same(team: Team, settings: dict[str, Any]) -> None:
    """See that settings are the same on all ranks.

    Raises
    ------
    RanksDiffer
        On each rank, with what differs.
    """
    if team.size == 1:
        return
    first, *others = team.gather(settings)
    words = [
        line
        for rank, other in enumerate(others, start=1)
        for line in differences(first, other, f"{{name}} is {{before}} on rank 0, {{now}} on rank {rank}")
    ]
    if words:
        raise RanksDiffer(f"the ranks of a team must train the same: {'; '.join(words)}")


def begin_training(team: Team, settings: dict[str, Any]) -> None:
    """See that all that a run depends on is the same on all ranks, which train from here on.

    Raises
    ------
    RanksDiffer
        On each rank, with what differs.
    """
    require_same(team, settings)
    team.training = team.size > 1
