"""Whether a call of ``fit`` goes on from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from gpunet.files.checkpoint_folder import CheckpointFolder
from gpunet.files.network_file import decoded, encoded
from gpunet.teams.team import Team
from gpunet.training.call import require_same_call
from gpunet.training.checkpoint import Checkpoint
from gpunet.training.checkpointed_run import CheckpointedRun


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
            require_same_call(checkpoint.folder, saved.training, call, run_id, constant_rate)
        run = CheckpointedRun(checkpoint, folder, call, saved)
        if not run.finished:
            folder.require_writable()
        try:
            yield run
        finally:
            run.wait()
