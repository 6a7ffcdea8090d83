"""A folder of checkpoints: each is a network's file, with what training needs to go on.

Names are numbered, so the newest is found without a list. ``manifest.json`` is for people: it says what run this is and
how far it has come, and nothing is read from it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpunet.errors import CheckpointDamaged, FileRefused, FolderInUse, warn
from gpunet.files.atomic import write_atomically
from gpunet.files.network_file import SavedNetwork, encoded, read_network

NAME = re.compile(r"checkpoint-(\d+)\.safetensors")
MANIFEST, LOCK = "manifest.json", "lock"


class CheckpointFolder:
    """The checkpoints of one run.

    Parameters
    ----------
    path : Path
        The folder; made if there is none.
    keep : int
        How many of the newest stay.

    Raises
    ------
    NotADirectoryError, OSError
        If there can be no such folder.
    """

    def __init__(self, path: Path, keep: int) -> None:
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"checkpoints go into a folder, but {path} is a file: give another name")
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.keep = keep

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes, and other runs in this one, out; a process that ends in any way gives the lock back.

        Raises
        ------
        FolderInUse
            If another run is at work here.
        """
        file = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _lock(file):
                raise FolderInUse(
                    f"another run writes its checkpoints to {self.path}: wait for it, or give another folder"
                )
            yield
        finally:
            os.close(file)

    def files(self) -> list[Path]:
        """The checkpoints, the oldest first."""
        found = ((NAME.fullmatch(path.name), path) for path in self.path.iterdir())
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def newest(self, own: Sequence[Any] = ()) -> SavedNetwork | None:
        """The newest that is whole; None if there is none. A damaged one is reported and passed over.

        Parameters
        ----------
        own : sequence of Activation and Loss
            As for :func:`gpunet.load`.
        """
        for path in reversed(self.files()):
            try:
                return read_network(path, own)
            except (FileRefused, OSError) as error:
                warn(f"a checkpoint is passed over, the one before it is taken: {error}", CheckpointDamaged)
        return None

    def write(self, saved: SavedNetwork, about: dict[str, Any], *, alone: bool = False) -> None:
        """Add a checkpoint, then remove the oldest; all others if it is to be `alone`.

        After a crash at any moment the newest whole checkpoint is this one or the one before it.
        """
        before = self.files()
        number = int(NAME.fullmatch(before[-1].name)[1]) + 1 if before else 1  # type: ignore[index]
        path = self.path / f"checkpoint-{number:06d}.safetensors"
        write_atomically(path, encoded(saved))
        manifest = json.dumps({"newest": path.name, **about}, indent=1)
        write_atomically(self.path / MANIFEST, manifest.encode())
        for old in before if alone else before[: len(before) + 1 - self.keep]:
            old.unlink(missing_ok=True)


def _lock(file: int) -> bool:
    """Lock an open file until it is closed; whether nobody else had."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
