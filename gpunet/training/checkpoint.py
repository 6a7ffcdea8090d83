"""Checkpoints of a run: when they are written, and how a run is known again."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gpunet.core.checks import finite_number, flag, positive_int
from gpunet.errors import AnotherRun, CheckpointNotWritten, warn
from gpunet.files.checkpoint_folder import CheckpointFolder, NotTidied
from gpunet.files.network_file import decoded, encoded
from gpunet.files.saved_network import SavedNetwork
from gpunet.paths import file_path
from gpunet.teams.team import Team
from gpunet.training.described import differences
from gpunet.training.history import History
from gpunet.training.monitors import Monitored

WEIGHTS, EPOCHS = "weights", "epochs"  # entries of a call that may differ, under conditions


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


class CheckpointedRun:
    """One run of ``fit`` and the folder of its checkpoints.

    Parameters
    ----------
    checkpoint : Checkpoint
    folder : CheckpointFolder or None
        None on ranks of a team that write nothing.
    call : dict
        Everything that the run depends on, see :mod:`gpunet.training.described`.
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
        self.folder = folder
        self.call = call
        self.saved = saved
        if saved is not None:
            self.call = {**call, WEIGHTS: saved.training["run"]["call"][WEIGHTS]}
        self.id: str = secrets.token_hex(8) if saved is None else saved.training["run"]["id"]
        self.alone = saved is None  # the next checkpoint is the first of this run
        self.best: float | None = None if saved is None else saved.training["run"]["best"]
        self.written = time.monotonic()
        self.writer: threading.Thread | None = None
        self.error: Exception | None = None

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
        if step == 0 and checkpoint.best_only and not self._better(history):
            return False
        if self._busy():
            return False
        if checkpoint.best_only:
            return step == 0
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

    def _busy(self) -> bool:
        return self.writer is not None and self.writer.is_alive()

    def write(
        self, saved: SavedNetwork, run: dict[str, Any], *, finished: bool = False, wait: bool = False
    ) -> None:
        """Write a checkpoint while training goes on; `wait` until it is there.

        A disk that is full or gone ends no run: there is a warning, and the next checkpoint is tried.

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
        self.wait()
        assert self.folder is not None
        folder = self.folder
        about = {"id": self.id, "call": self.call, "best": self.best, "finished": finished}
        saved = saved._replace(training={**saved.training, "run": {**run, **about}})
        progress = {name: run["position"][name] for name in ("epoch", "step")}
        manifest = {"run": self.id, **progress, "finished": finished, "call": self.call}

        def work() -> None:
            try:
                folder.write(saved, manifest, alone=self.alone)
                self.alone = False
            except NotTidied as error:
                self.error, self.alone = error, False
            except Exception as error:
                self.error = error

        self.written = time.monotonic()
        writer = threading.Thread(target=work, name="gpunet checkpoint")
        try:
            writer.start()
        except RuntimeError:  # the system has no thread left: training waits
            work()
        else:
            self.writer = writer
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until the last checkpoint is there; warn if it could not be written."""
        if self.writer is not None:
            self.writer.join()
            self.writer = None
        if self.error is not None:
            error, self.error = self.error, None
            folder = self.checkpoint.folder
            failed = (
                f"a checkpoint was written to {folder}, but the folder could not be tidied"
                if isinstance(error, NotTidied)
                else f"a checkpoint could not be written to {folder}, the one before it is as it was"
            )
            warn(f"{failed}: {error}", CheckpointNotWritten)


@contextmanager
def open_run(
    checkpoint: Checkpoint | None,
    call: dict[str, Any],
    run_id: str | None,
    constant_rate: bool,
    own: Sequence[Any],
    team: Team,
) -> Iterator[CheckpointedRun | None]:
    """Lock the folder, and find out whether a run is to go on; None without a checkpoint.

    Rank 0 of a team does that, and tells the others.

    Parameters
    ----------
    checkpoint : Checkpoint or None
    call : dict
        What the run depends on.
    run_id : str or None
        Of the run that the network is the result of; its weights need not be those that the run began with.
    constant_rate : bool
        Whether more epochs change nothing in the first ones.
    own : sequence of Activation and Loss
        The network's own ones, to read it again.
    team : Team

    Raises
    ------
    AnotherRun
        If the folder holds a run of another call.
    FolderInUse
        If another run is at work there.
    """
    if checkpoint is None:
        yield None
        return
    opened = _opened(checkpoint, call, run_id, constant_rate, own)
    if team.size == 1:
        with opened as run:
            yield run
        return
    with ExitStack() as stack:
        runs = []

        def first() -> tuple[str, bytes | None]:
            run = stack.enter_context(opened)
            runs.append(run)
            return run.id, None if run.saved is None else encoded(run.saved)

        known, data = team.from_first(first)
        if not runs:
            saved = None if data is None else decoded(data, checkpoint.folder, own)
            runs.append(CheckpointedRun(checkpoint, None, call, saved))
            runs[0].id = known
        yield runs[0]


@contextmanager
def _opened(
    checkpoint: Checkpoint,
    call: dict[str, Any],
    run_id: str | None,
    constant_rate: bool,
    own: Sequence[Any],
) -> Iterator[CheckpointedRun]:
    """The same in this process, with a checkpoint."""
    folder = CheckpointFolder(checkpoint.folder, checkpoint.keep)
    with folder.locked():
        saved = None if checkpoint.restart else folder.newest(own)
        if saved is not None:
            _require_same_call(checkpoint.folder, saved, call, run_id, constant_rate)
        run = CheckpointedRun(checkpoint, folder, call, saved)
        if not run.finished:
            folder.require_writable()
        try:
            yield run
        finally:
            run.wait()


def _require_same_call(
    folder: Path, saved: SavedNetwork, call: dict[str, Any], run_id: str | None, constant_rate: bool
) -> None:
    """Raise unless a checkpoint is one of this call."""
    run = (saved.training or {}).get("run")
    if not isinstance(run, dict):
        raise AnotherRun(f"{folder} holds a network without a run to go on with: give another folder")
    before = run["call"]
    may_differ = set()
    if run_id == run["id"]:
        may_differ.add(WEIGHTS)
    # At the end of a run a callback may change the weights, as EarlyStopping does.
    unchanged = not (run["finished"] and run["callbacks"])
    if constant_rate and unchanged and call[EPOCHS] is not None and run["position"]["epoch"] < call[EPOCHS]:
        may_differ.add(EPOCHS)
    changed = {name for name in {*before, *call} if before.get(name) != call.get(name)} - may_differ
    if changed:
        other = changed - {WEIGHTS}
        lines = differences(
            {name: before.get(name) for name in other}, {name: call.get(name) for name in other}
        )
        if WEIGHTS in changed:
            lines.append(
                f"that run began with {_weights_at_start(before)}, this one with {_weights_at_start(call)}"
            )
        raise AnotherRun(
            f"{folder} holds a run of another call of fit: {'; '.join(lines)}. Give another folder, or begin afresh "
            f"there with gpunet.Checkpoint({str(folder)!r}, restart=True), or --restart on the command line"
        )


def _weights_at_start(call: dict[str, Any]) -> str:
    """In words: a network's initial weights, or others by their digest."""
    weights = call.get(WEIGHTS)
    return (
        "the initial weights of a network"
        if weights is None
        else f"weights that were trained or set ({weights})"
    )
