"""A thread that writes checkpoints while training goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from gpunet.errors import CheckpointNotWritten, warn
from gpunet.files.checkpoint_folder import CheckpointFolder, NotTidied
from gpunet.files.saved_network import SavedNetwork


class CheckpointWriter:
    """Writes the checkpoints of one run, one after the other.

    A disk that is full or gone ends no run: there is a warning, and the next checkpoint is tried.

    Parameters
    ----------
    folder : CheckpointFolder
    name : Path
        The folder as the user knows it, for messages.
    alone : bool
        Whether the first checkpoint takes the place of all that are there.
    """

    def __init__(self, folder: CheckpointFolder, name: Path, alone: bool) -> None:
        self.folder = folder
        self.name = name
        self.alone = alone
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    @property
    def busy(self) -> bool:
        """Whether one is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, saved: SavedNetwork, manifest: dict[str, Any]) -> None:
        """Begin to write a checkpoint, once the one before is there.

        Parameters
        ----------
        saved : SavedNetwork
            Its arrays are not written to from now on.
        manifest : dict
            For people, see :class:`gpunet.files.checkpoint_folder.CheckpointFolder`.
        """
        self.wait()

        def work() -> None:
            try:
                self.folder.write(saved, manifest, alone=self.alone)
                self.alone = False
            except NotTidied as error:
                self._error, self.alone = error, False
            except Exception as error:
                self._error = error

        thread = threading.Thread(target=work, name="gpunet checkpoint")
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left: training waits
            work()
        else:
            self._thread = thread

    def wait(self) -> None:
        """Wait until the last checkpoint is there; warn if it could not be written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            failed = (
                f"a checkpoint was written to {self.name}, but the folder could not be tidied"
                if isinstance(error, NotTidied)
                else f"a checkpoint could not be written to {self.name}, the one before it is as it was"
            )
            warn(f"{failed}: {error}", CheckpointNotWritten)
