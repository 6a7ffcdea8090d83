"""Rows of a memory-mapped file, ``np.memmap`` or a ``.npy`` file."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.sliced import Sliced

COMPARED = 32  # rows of a mapping that are compared with those of the file that its path leads to
LONGEST = 2**16  # bytes of each


class MappedRows(Sliced):
    """Rows of a memory-mapped file, read as a file where they lie in it one after the other.

    Touching a page of a mapping that the file no longer has ends the process; reading a file that has become shorter
    is an error that can be reported. Where the path leads to another file by now, or to none, the rows are those of
    the mapping all the same: it keeps the file that was mapped.

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
        self.file = _file_of(array, self.path, self.position)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`Sliced`."""
        return self.read_into(np.empty((last - first, *self.shape[1:]), self.dtype), first, last)

    def read_into(self, room: NDArray[Any], first: int, last: int) -> NDArray[Any]:
        """See :class:`Sliced`."""
        if self.position is None:
            # Not in one piece, such as some columns: the mapping itself has to do.
            if self.file is not None and _is_shorter(self.path, self.file):
                self.require_rows(0, first, last)
            return np.array(self.array[first:last])
        flat: Any = room.reshape(-1).view(np.uint8)
        size = room.nbytes // max(len(room), 1)  # of a row
        with _opened(self.path, self.file) as file:
            if file is None:
                room[...] = self.array[first:last]
                return room
            file.seek(self.position + first * size)
            found = file.readinto(memoryview(flat))
        self.require_rows(found // max(size, 1), first, last)
        return room


class _File(NamedTuple):
    """Which file a path leads to."""

    device: int
    number: int
    size: int

    def is_same(self, other: os.stat_result) -> bool:
        return (self.device, self.number) == (other.st_dev, other.st_ino)


def _file_of(array: np.memmap[Any, Any], path: str, position: int | None) -> _File | None:
    """The file of a mapping, by its path; None if that leads to another one, or to none."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            complete = position is not None and found.st_size >= position + array.nbytes
            if complete and not _holds(file, array, position):
                return None
    except OSError:
        return None
    return _File(found.st_dev, found.st_ino, found.st_size)


def _holds(file: Any, array: np.memmap[Any, Any], position: int | None) -> bool:
    """Whether some rows of a mapping are the same in a file, which has room for all of them."""
    if not array.ndim or not array.nbytes:
        return True
    assert position is not None
    size = array.nbytes // len(array)  # of a row
    for row in np.unique(np.linspace(0, len(array) - 1, COMPARED).astype(np.int64)).tolist():
        file.seek(position + row * size)
        if file.read(min(size, LONGEST)) != array[row : row + 1].tobytes()[:LONGEST]:
            return False
    return True


def _is_shorter(path: str, known: _File) -> bool:
    """Whether the file of a mapping has become shorter."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return known.is_same(found) and found.st_size < known.size


@contextmanager
def _opened(path: str, known: _File | None) -> Iterator[Any]:
    """The file of a mapping, opened by its path; None if that leads to another one by now, or to none."""
    if known is None:
        yield None
        return
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if known.is_same(os.fstat(file.fileno())) else None


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
