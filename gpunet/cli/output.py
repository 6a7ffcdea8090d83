"""The files that a command is to write, checked before it computes anything."""

from __future__ import annotations

from pathlib import Path

from gpunet.files.atomic import require_writable


def require_output(option: str, path: Path) -> None:
    """Raise a ValueError that names the option, unless a file can be written at `path`."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"{option}: there is no folder {folder}")
    if path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; give a file in it")
    try:
        require_writable(path)
    except OSError as error:
        raise ValueError(f"{option}: {path} can't be written: {error.strerror or error}") from error
