"""What ``fit`` was asked for, beside its data and the plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gpunet.teams.team import Team
from gpunet.training.callbacks import Callback
from gpunet.training.checkpointed_run import CheckpointedRun
from gpunet.training.metrics import Metrics


class RunSettings(NamedTuple):
    """The settings of one run, checked.

    Attributes
    ----------
    seed : int
        Of the network: order, dropout and transforms depend on it.
    shuffle : bool
    transform : callable or None
        The user's function; the training part of the data is raw then.
    measures : Metrics
        Of the validation data.
    callbacks : sequence of callable
    progress : bool
    checkpoints : CheckpointedRun or None
    team : Team
        Callbacks, validation, progress and checkpoints are its rank 0's.
    """

    seed: int
    shuffle: bool
    transform: Callable[..., Any] | None
    measures: Metrics
    callbacks: Sequence[Callback]
    progress: bool
    checkpoints: CheckpointedRun | None
    team: Team

    @property
    def is_first(self) -> bool:
        """Whether this process is rank 0, or alone."""
        return self.team.rank == 0

    @property
    def pauses(self) -> bool:
        """Whether the run may stop, or be saved, within an epoch."""
        return self.checkpoints is not None or self.progress or self.team.size > 1

    @property
    def checkpoint_steps(self) -> int | None:
        """After how many updates of an epoch a checkpoint is written; None for no fixed number."""
        return None if self.checkpoints is None else self.checkpoints.checkpoint.steps
