"""How far a run of ``fit`` has come."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpunet.training.history import History


class Position(NamedTuple):
    """A place in a run, at the start of an epoch or within it.

    Attributes
    ----------
    epoch : int
        Epochs of this run that have ended.
    step : int
        Steps of the next epoch that have.
    losses : array ``(step,)``
        Of those steps, on the host.
    seconds : float
        Training time of those steps.
    """

    epoch: int = 0
    step: int = 0
    losses: Any = np.empty(0)
    seconds: float = 0.0

    def finite_losses(self, history: History) -> list[float]:
        """The first loss of the run, about, and the last one; none before it has begun."""
        known = [*history.loss[:1], *self.losses[:1], *history.loss[-1:], *self.losses[-1:]]
        return [float(loss) for loss in known]
