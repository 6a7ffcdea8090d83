"""The ranks of a team train the same, or none of them does."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import RanksDiffer
from gpunet.inputs.standardizer import Standardizer
from gpunet.teams.team import Team
from gpunet.training.described import differences

# Of a mean in deviations, and of a deviation's logarithm, the relative and the absolute difference that rounding may
# make, with room to spare.
CLOSE = 1e-3, 1e-3


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


def require_same_scale(team: Team, standardizer: Standardizer | None) -> None:
    """See that a fitted standardizer is the same on all ranks, but for rounding: each rank may have measured its own.

    Raises
    ------
    RanksDiffer
        On each rank, with the ranks whose standardizers are not that of rank 0.
    """
    if team.size == 1 or standardizer is None:
        return
    mean, deviation = standardizer.mean, standardizer.deviation
    first, *others = team.gather(np.concatenate([mean / deviation, np.log(deviation)]))
    unlike = [
        f"{rank}" for rank, other in enumerate(others, start=1) if not np.allclose(other, first, *CLOSE)
    ]
    if unlike:
        raise RanksDiffer(
            "the ranks of a team must train the same: the standardizer has other numbers on rank "
            f"{' and '.join(unlike)} than on rank 0. Give each rank the one of the same file, or one that is not fitted"
        )


def begin_training(team: Team, settings: dict[str, Any], standardizer: Standardizer | None) -> None:
    """See that all that a run depends on is the same on all ranks, which train from here on.

    Parameters
    ----------
    team : Team
    settings : dict
    standardizer : Standardizer or None
        Fitted.

    Raises
    ------
    RanksDiffer
        On each rank, with what differs.
    """
    require_same(team, settings)
    require_same_scale(team, standardizer)
    team.training = team.size > 1
