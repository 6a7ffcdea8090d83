"""What one rank of a team needs of the examples: those of its lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.core.lanes import lanes_of_rank
from gpunet.core.plan import Plan
from gpunet.teams.engine import Engine


class Share:
    """The examples of a rank's lanes.

    Parameters
    ----------
    plan : Plan
        Without lanes, all examples are this rank's.
    engine : Engine
    """

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self.plan = plan
        # A rank that may have to go on for others needs their examples, too.
        self.whole = plan.lanes is None or engine.size == 1 or engine.survives
        self.lanes = range(1) if plan.lanes is None else lanes_of_rank(plan.lanes, engine.rank, engine.size)

    def __call__(self, first: int, last: int) -> NDArray[np.bool_]:
        """Of each of the positions ``[first, last)`` of an epoch, whether its example is this rank's."""
        if self.whole:
            return np.ones(last - first, np.bool_)
        plan = self.plan
        assert plan.lanes is not None
        batch, place = np.divmod(np.arange(first, last, dtype=np.int64), plan.batch_size)
        size = np.minimum(plan.batch_size, plan.examples - batch * plan.batch_size)
        # The bounds of `gpunet.core.lanes.lane_bounds`: lanes one after the other are examples one after the other.
        begun, end = self.lanes.start * size // plan.lanes, self.lanes.stop * size // plan.lanes
        mine: NDArray[np.bool_] = (begun <= place) & (place < end)
        return mine
