"""Rows of a memory-mapped file, ``np.memmap`` or a ``.npy`` file."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.sliced import Sliced


class MappedRows(Sliced):
    """Rows of a memory-mapped file, read as a file where they lie in it one after the other.

    Touching a page of a mapping that the file no longer has ends the process; reading a file that has become shorter
    is an error that can be reported.

    Parameters
    ----------
    name : str
    array : numpy.memmap
        Of a file that has a name.
    """

    concurrent = True

    def __init__(self, name: str, array: np.memmap[Any, Any]) -> None:
        self.name = name
        self.array = array
        self.path = str(array.filename)
        self.shape, self.dtype = array.shape, array.dtype
        self.position = _position(array)
        self.size = os.path.getsize(self.path)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`Sliced`."""
        return self.read_into(np.empty((last - first, *self.shape[1:]), self.dtype), first, last)

    def read_into(self, room: NDArray[Any], first: int, last: int) -> NDArray[Any]:
        """See :class:`Sliced`."""
        if self.position is None:
            # Not in one piece, such as some columns: the mapping itself has to do.
            if os.path.getsize(self.path) < self.size:
                self.require_rows(0, first, last)
            return np.array(self.array[first:last])
        flat: Any = room.reshape(-1).view(np.uint8)
        size = room.nbytes // max(len(room), 1)  # of a row
        with open(self.path, "rb") as file:
            file.seek(self.position + first * size)
            found = file.readinto(memoryview(flat))
        self.require_rows(found // max(size, 1), first, last)
        return room


def mapped_file(path: Path) -> np.memmap[Any, Any]:
    """A ``.npy`` file as a memory map.

    Raises
    ------
    FileNotFoundError
        If it is missing, or a folder.
    ValueError
        If it is damaged, or holds Python objects.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path (now in {Path.cwd()})")
    try:
        with np.errstate(over="ignore"):  # of a shape that no array has
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy's parser of a header raises what Python's own does
        raise ValueError(
            f"{path}: cannot be read as an array ({str(error) or type(error).__name__}): save it again with numpy.save"
        ) from error


def _position(array: np.memmap[Any, Any]) -> int | None:
    """Where the array begins in its file; None if it is not one piece of that as it stands there."""
    source: Any = array
    while source is not None and not isinstance(source, mmap.mmap):
        source = getattr(source, "base", None)
    if source is None or not array.flags.c_contiguous or array.mode == "c":
        return None
    mapped = np.frombuffer(source, np.uint8).__array_interface__["data"][0]
    begun = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY  # of the mapping
    address: int = array.__array_interface__["data"][0]
    position: int = begun + address - mapped
    return position
