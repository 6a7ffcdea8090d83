"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".gpunet"  # of files that are not complete yet
ATTEMPTS = 20  # to make a file that no other process has locked or removed
# What a file system answers that has no fsync of a folder.
NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


def real_path(path: str | Path) -> Path:
    """The path of a file to be written, links resolved; its folder must exist."""
    if is_special(path):
        return Path(path)  # /dev/stdout, say, is a link to something that has no path
    path = Path(os.path.realpath(path))
    require_folder(path)
    return path


def is_special(path: str | Path) -> bool:
    """Whether there is something at `path` that is neither a file nor a folder: a pipe or a device."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def require_folder(path: Path) -> None:
    """Raise an error unless a file can be put at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"can't save to {path}: it is a folder; add a file name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"can't save to {path}: there is no folder {path.parent}; make it first")


def require_writable(path: str | Path) -> None:
    """Raise an error unless a file can be written at `path`: some bytes are, beside it, and removed.

    Raises
    ------
    OSError
        If there is no such folder, it can't be written to, or there is no room at all.
    """
    path = real_path(path)
    if is_special(path):
        return
    try:
        handle, probe = _open_beside(path, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, f"can't save to {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; after a crash they are there with what is in them."""
    made = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in made:
        sync_folder(one.parent)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk, on systems and file systems that offer that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        handle = os.open(path, os.O_DIRECTORY)
    except PermissionError:  # who may write to a folder need not be allowed to read it
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`: after a crash at any moment there is the old file or the new one.

    Of a link, the file that it leads to is replaced. The new file has the old one's permissions, and its owner where
    the system lets us give it away. A pipe or a device is written to.
    """
    if is_special(path):
        path.write_bytes(data)
        return
    with replaced(path) as file:
        file.write(data)


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends, whole; after an error the old one is there.

    It can be written and read, but has no name that anybody may rely on.
    """
    path = Path(os.path.realpath(path))
    remove_left_over(path)
    old = path.stat() if path.exists() else None
    try:
        handle, temporary = _open_beside(path, 0o666 if old is None else 0o600)
    except OSError as error:  # which names a file that nobody knows
        raise OSError(error.errno, f"can't save to {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            if old is not None:
                _give_permissions(file.fileno(), old)
            os.fsync(file.fileno())
            if os.name != "nt":  # while it is locked
                os.replace(temporary, path)
        if os.name == "nt":  # where no open file can be renamed
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is the error; the next save removes the file
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)  # the rename itself must reach the disk


def remove_left_over(path: Path) -> None:
    """Remove what processes have left that were killed while they wrote `path`; never what one still writes.

    Who writes has locked the file, and the system unlocks the files of a process that ends.
    """
    pattern = re.compile(re.escape(_beginning(path)) + f"[0-9a-f]{{8}}{re.escape(SUFFIX)}")
    with suppress(OSError):  # a folder that can't be read
        for name in os.listdir(path.parent):
            if pattern.fullmatch(name):
                with suppress(OSError, ImportError):
                    _remove_if_unlocked(path.parent / name)


def _beginning(path: Path) -> str:
    return f".{path.name[:40]}."


def _open_beside(path: Path, mode: int) -> tuple[int, Path]:
    """A new file in the same folder, locked; the system takes the umask from its mode."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    for _ in range(ATTEMPTS):
        handle, temporary = _new_file(path, flags, mode)
        if _lock(handle) and temporary.exists():
            return handle, temporary
        os.close(handle)  # another process is about to remove it, or has, before it was locked
        temporary.unlink(missing_ok=True)
    return _new_file(path, flags, mode)  # a file system that refuses every lock, to others too


def _new_file(path: Path, flags: int, mode: int) -> tuple[int, Path]:
    while True:
        temporary = path.parent / f"{_beginning(path)}{secrets.token_hex(4)}{SUFFIX}"
        with suppress(FileExistsError):
            return os.open(temporary, flags, mode), temporary


def _lock(handle: int) -> bool:
    """Lock an open file; False if another process has."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a system without locks, where nothing is removed
        pass
    return True


def _remove_if_unlocked(path: Path) -> None:
    import fcntl

    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)


def _give_permissions(handle: int, old: os.stat_result) -> None:
    """Those of the file that is replaced. As whenever a file is written, not its set-user-ID bit."""
    if not hasattr(os, "fchmod"):
        return
    mode = old.st_mode & 0o777
    with suppress(OSError):
        os.fchown(handle, old.st_uid, old.st_gid)
    if os.fstat(handle).st_gid != old.st_gid:  # another group may do what all may
        mode = mode & 0o707 | (mode & 0o007) << 3
    if os.fstat(handle).st_mode & 0o777 != mode:  # where all files have the same, changing them is an error
        os.fchmod(handle, mode)
