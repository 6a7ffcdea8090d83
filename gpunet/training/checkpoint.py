"""Where and how often a run writes checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gpunet.core.checks import finite_number, flag, positive_int
from gpunet.paths import file_path
from gpunet.training.monitors import Monitored


class Checkpoint(Monitored):
    """Where and how often ``fit`` writes checkpoints. The same call, made again, goes on from the newest, to the bit.

    Each is a file that :func:`gpunet.load` reads too. While one is written training goes on.

    Parameters
    ----------
    folder : path
        Of this run alone; made if there is none.
    every : float or "epoch"
        Seconds from one to the next, or after each epoch.
    steps : int, optional
        Instead of `every`: after so many updates of an epoch, and at its end.
    keep : int
        How many of the newest stay.
    best_only : bool
        Only after epochs that are the best so far. A run that goes on repeats the epochs since then.
    monitor : {"val_loss", "val_accuracy", "loss"} or ``"val_"`` and the name of a metric
        What "best" means.
    restart : bool
        Begin afresh, whatever is in the folder; what is there goes when the first checkpoint is written.
    mode : {"max", "min"} or None
        What is better; None: what is known of the figure. A metric that is a function of your own needs a mode.

    Raises
    ------
    ValueError, TypeError
        For settings outside their range.
    OSError
        By ``fit``, if the folder can't be made or written to.
    """

    def __init__(
        self,
        folder: str | Path,
        every: float | str = 60.0,
        steps: int | None = None,
        keep: int = 3,
        best_only: bool = False,
        monitor: str = "val_loss",
        restart: bool = False,
        mode: str | None = None,
    ) -> None:
        self.folder = file_path("folder", folder)
        if isinstance(every, str):
            if every != "epoch":
                raise ValueError(f"every must be a number of seconds, or 'epoch'; got {every!r}")
        else:
            finite_number("every", every, 0.0)
        self.every = every
        self.steps = None if steps is None else positive_int("steps", steps)
        self.keep = positive_int("keep", keep)
        self.best_only = flag("best_only", best_only)
        super().__init__(monitor, mode)
        self.restart = flag("restart", restart)

    @property
    def monitored(self) -> bool:
        """Whether the figure is used."""
        return self.best_only

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.folder)!r})"


def checked_checkpoint(checkpoint: Any, callbacks: Any) -> Checkpoint | None:
    """The argument of ``fit``: a folder alone will do.

    Raises
    ------
    TypeError
        For anything else, and for a Checkpoint among the callbacks.
    """
    for callback in callbacks if isinstance(callbacks, list | tuple) else [callbacks]:
        if isinstance(callback, Checkpoint):
            raise TypeError(f"{callback!r} is no callback: give it to fit as checkpoint=")
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    if isinstance(checkpoint, str | Path):
        return Checkpoint(checkpoint)
    raise TypeError(f"checkpoint must be a folder or a Checkpoint, got {checkpoint!r}")
