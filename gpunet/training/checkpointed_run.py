"""A run that writes checkpoints: when one is due, and what it says of the run."""

from __future__ import annotations

import math
import secrets
import time
from typing import Any

from gpunet.files.checkpoint_folder import CheckpointFolder
from gpunet.files.saved_network import SavedNetwork
from gpunet.training.call import EPOCHS, WEIGHTS
from gpunet.training.checkpoint import Checkpoint
from gpunet.training.checkpoint_writer import CheckpointWriter
from gpunet.training.history import History


class CheckpointedRun:
    """One run of ``fit`` that writes checkpoints, or goes on from one.

    Parameters
    ----------
    checkpoint : Checkpoint
    folder : CheckpointFolder or None
        None on ranks of a team that write nothing.
    call : dict
        Everything that the run depends on, see :func:`gpunet.training.call.described_call`.
    saved : SavedNetwork or None
        The newest checkpoint, to go on from.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        folder: CheckpointFolder | None,
        call: dict[str, Any],
        saved: SavedNetwork | None,
    ) -> None:
        self.checkpoint = checkpoint
        self.call = call
        self.saved = saved
        if saved is not None:
            self.call = {**call, WEIGHTS: saved.training["run"]["call"][WEIGHTS]}
        self.id: str = secrets.token_hex(8) if saved is None else saved.training["run"]["id"]
        self.best: float | None = None if saved is None else saved.training["run"]["best"]
        self.written = time.monotonic()
        self.writer = None if folder is None else CheckpointWriter(folder, checkpoint.folder, saved is None)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        if self.saved is None:
            return False
        run = self.saved.training["run"]
        return bool(run["finished"]) and run["call"][EPOCHS] == self.call[EPOCHS]

    def due(self, step: int, history: History) -> bool:
        """Whether a checkpoint is to be written after step `step` of an epoch; 0 for the end of an epoch.

        At the end of an epoch the history has its figures.
        """
        checkpoint = self.checkpoint
        if checkpoint.best_only:  # even while another one is being written: the best of all must not be lost
            return step == 0 and self._better(history)
        if self.writer is not None and self.writer.busy:
            return False
        if checkpoint.steps is not None:
            return step % checkpoint.steps == 0
        if isinstance(checkpoint.every, str):
            return step == 0
        return time.monotonic() - self.written >= checkpoint.every

    def _better(self, history: History) -> bool:
        """Whether the newest epoch is the best so far; NaN never is."""
        value = self.checkpoint.signed(history)
        if math.isnan(value) or (self.best is not None and value <= self.best):
            return False
        self.best = value
        return True

    def write(
        self, saved: SavedNetwork, run: dict[str, Any], *, finished: bool = False, wait: bool = False
    ) -> None:
        """Write a checkpoint while training goes on; `wait` until it is there.

        Parameters
        ----------
        saved : SavedNetwork
            Its arrays are not written to from now on.
        run : dict
            See :func:`gpunet.training.saved.saved_run`.
        finished : bool
            Whether this is the end of the run.
        wait : bool
        """
        assert self.writer is not None
        about = {"id": self.id, "call": self.call, "best": self.best, "finished": finished}
        saved = saved._replace(training={**saved.training, "run": {**run, **about}})
        progress = {name: run["position"][name] for name in ("epoch", "step")}
        self.written = time.monotonic()
        self.writer.write(saved, {"run": self.id, **progress, "finished": finished, "call": self.call})
        if wait:
            self.writer.wait()

    def wait(self) -> None:
        """Wait until the last checkpoint is there; warn if it could not be written."""
        if self.writer is not None:
            self.writer.wait()
