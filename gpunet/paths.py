"""Paths that users give."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def file_path(what: str, value: Any) -> Path:
    """`value` as a Path, else a ValueError or TypeError."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{what} must be a path, a str or a pathlib.Path, got {value!r}")
    if value == "":
        raise ValueError(f"{what} must be a path, got an empty text")
    return Path(value)
