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
from gpunet.files.atomic import make_folder, require_writable, write_atomically
from gpunet.files.network_file import encoded, read_network
from gpunet.files.saved_network import SavedNetwork

NAME = re.compile(r"checkpoint-(\d+)\.safetensors")
MANIFEST, LOCK = "manifest.json", "lock"


class NotTidied(OSError):
    """A checkpoint is there, but not all of the older ones are removed, or the manifest is an older one."""


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

    Attributes
    ----------
    known : set of str
        The names of the checkpoints that were there when this run began, and of those that it wrote, but for what it
        removed.
    """

    def __init__(self, path: Path, keep: int) -> None:
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"checkpoints go into a folder, but {path} is a file: give another name")
        make_folder(path)
        self.path = path.absolute()  # a callback may change the current folder
        self.keep = keep
        self.known = {one.name for one in self.files()}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes, and other runs in this one, out; a process that ends in any way gives the lock back.

        Raises
        ------
        FolderInUse
            If another run is at work here.
        """
        file = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        _held.add(file)
        try:
            if not _lock(file):
                raise FolderInUse(
                    f"another run writes its checkpoints to {self.path}: wait for it, or give another folder"
                )
            self.known = {one.name for one in self.files()}
            yield
        finally:
            if file in _held:  # else this is a forked child, where it is closed
                _held.remove(file)
                os.close(file)

    def require_writable(self) -> None:
        """Raise an OSError if nothing can be written here: before a run, rather than after its first minutes."""
        require_writable(self.path / MANIFEST)

    def files(self) -> list[Path]:
        """The checkpoints, the oldest first."""
        found = ((NAME.fullmatch(path.name), path) for path in self.path.iterdir())
        return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]

    def newest(self, own: Sequence[Any] = ()) -> SavedNetwork | None:
        """The newest that is whole; None if there are no checkpoints. A damaged one is reported and passed over.

        Parameters
        ----------
        own : sequence of Activation and Loss
            As for :func:`gpunet.load`.

        Raises
        ------
        FileRefused
            If none of them can be read: a run that began afresh would remove them.
        """
        errors: list[Exception] = []
        for path in reversed(self.files()):
            try:
                saved = read_network(path, own)
            except (FileRefused, OSError) as error:
                errors.append(error)
                continue
            for one in errors:
                warn(f"a checkpoint is passed over, the one before it is taken: {one}", CheckpointDamaged)
            return saved
        if errors:
            raise FileRefused(
                f"no checkpoint in {self.path} can be read, out of {len(errors)}. Give another folder, or begin afresh "
                f"there with gpunet.Checkpoint({str(self.path)!r}, restart=True), or --restart on the command line. "
                f"The newest: {errors[0]}"
            )
        return None

    def write(self, saved: SavedNetwork, about: dict[str, Any], *, alone: bool = False) -> None:
        """Add a checkpoint, then remove the oldest; all others if it is to be `alone`.

        After a crash at any moment the newest whole checkpoint is this one or the one before it.

        Raises
        ------
        FolderInUse
            If another run has written here, which the lock prevents where the file system has locks, and nobody
            removes it.
        NotTidied
            If only what comes after the checkpoint has failed.
        OSError
            If it can't be written.
        """
        before = self.files()
        others = [one.name for one in before if one.name not in self.known]
        if others:
            raise FolderInUse(
                f"another run has written {others[0]} to {self.path}: give each run a folder of its own"
            )
        number = int(NAME.fullmatch(before[-1].name)[1]) + 1 if before else 1  # type: ignore[index]
        path = self.path / f"checkpoint-{number:06d}.safetensors"
        self.known.add(path.name)  # it may be there after an error too
        write_atomically(path, encoded(saved))
        manifest = json.dumps({"newest": path.name, **about}, indent=1)
        try:
            # First what makes room.
            for old in before if alone else before[: max(len(before) + 1 - self.keep, 0)]:
                old.unlink(missing_ok=True)
                self.known.discard(old.name)
            write_atomically(self.path / MANIFEST, manifest.encode())
        except OSError as error:
            raise NotTidied(error.errno, f"{path.name} is there, but: {error}") from error


# Descriptors of locks. A lock lasts until nobody has its file open: a forked child must not outlive it with a copy.
_held: set[int] = set()


def _let_go() -> None:
    for file in _held:
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_let_go)


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
    except (BlockingIOError, PermissionError):  # over a network the second is an answer too
        return False
    except OSError:  # a file system without locks, where `CheckpointFolder.write` notices another run
        return True
    return True
