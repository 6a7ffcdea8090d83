"""The files that a command is to write, checked before it computes anything."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gpunet.files.atomic import require_writable


def require_output(option: str, path: Path, read: Iterable[Any] = ()) -> None:
    """Raise a ValueError that names the option, unless a file can be written at `path`.

    `read` are the command's inputs, which it must not replace; those that are no files are passed over.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"{option}: there is no folder {folder}")
    if path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; give a file in it")
    for other in read:
        if other is not None and path.is_file() and Path(other).is_file() and path.samefile(other):
            raise ValueError(
                f"{option}: {path} is a file that this command reads, and would be replaced: give another name"
            )
    try:
        require_writable(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ValueError(f"{option}: {path} can't be written: {reason}") from error


def require_different_outputs(outputs: Mapping[str, Path]) -> None:
    """Raise a ValueError if two of a command's outputs, by their options, are one file: the later would replace it."""
    options: dict[str, str] = {}
    for option, path in outputs.items():
        other = options.setdefault(os.path.realpath(path), option)
        if other != option:
            raise ValueError(f"{other} and {option} are both {path}: give each a name of its own")
