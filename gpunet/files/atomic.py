"""Writing files whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def real_path(path: str | Path) -> Path:
    """The path of a file to be written, links resolved; its folder must exist."""
    path = Path(os.path.realpath(path))
    require_folder(path)
    return path


def require_folder(path: Path) -> None:
    """Raise an error unless a file can be put at `path`."""
    if path.is_dir():
        raise IsADirectoryError(f"can't save to {path}: it is a folder; add a file name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"can't save to {path}: there is no folder {path.parent}; make it first")


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`: after a crash at any moment there is the old file or the new one."""
    import tempfile

    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the rename itself must reach the disk, where the system offers that
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
