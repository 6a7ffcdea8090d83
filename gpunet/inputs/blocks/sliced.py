"""Rows of which some at a time can be read: what is larger than memory is one of these."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.arrays import require_unmasked

CONCURRENT = ("numpy", "h5py", "zarr")  # libraries whose arrays several threads may read at a time
HIGHEST = 32  # times as many rows as asked for that a block may have: so many blocks are held at a time
NEAR = 2**16  # bytes: rows that lie no farther apart are read with what is between them


class Sliced(ABC):
    """Rows of inputs, targets or weights.

    Attributes
    ----------
    name : str
        In messages.
    shape : tuple of int
        ``(m, …)``.
    dtype : numpy.dtype
    together : int
        Rows that are stored together, so that reading some of them costs as much as reading them all.
    column_names : tuple of str or None
        Of a table.
    concurrent : bool
        Whether they may be read while another thread reads the same source.
    """

    name: str
    shape: tuple[int, ...]
    dtype: Any
    together: int = 1
    column_names: tuple[str, ...] | None = None
    concurrent: bool = False

    @abstractmethod
    def read(self, first: int, last: int) -> NDArray[Any]:
        """Rows ``[first, last)``, an array of its own or one that is not written to.

        Raises
        ------
        ValueError
            If they are not there any more.
        """

    def read_into(self, room: NDArray[Any], first: int, last: int) -> NDArray[Any]:
        """The same, of a source that can: into `room`, a contiguous array of their shape and dtype."""
        return self.read(first, last)

    def take(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """The rows with these numbers, which rise; of what lies between them, only what is near is read.

        Raises
        ------
        ValueError
            If they are not there any more.
        """
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        far = np.diff(numbers) > max(self.together, NEAR // max(row, 1))
        parts = [
            self.read(int(some[0]), int(some[-1]) + 1)[some - some[0]]
            for some in np.split(numbers, np.flatnonzero(far) + 1)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def edges(self, rows: int) -> NDArray[np.int64]:
        """Where blocks of about so many rows begin, and where the last one ends.

        More rows that are stored together are one block, up to :data:`HIGHEST` times as many. Beyond that they are cut
        into equal parts, and what is stored together is read for each of them.
        """
        m, together = self.shape[0], max(self.together, 1)
        parts = -(-together // (HIGHEST * rows))
        if parts == 1:
            starts = np.arange(0, m, max(rows // together, 1) * together)
        else:
            starts = np.add.outer(np.arange(0, m, together), np.arange(parts) * together // parts).ravel()
        return np.append(starts[starts < m], m).astype(np.int64)

    def select(self, columns: Sequence[str]) -> Sliced:
        """The rows of a table with these columns, in this order."""
        raise NotImplementedError(f"{self.name} has columns without names")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Dimensions, that of the rows among them."""
        return len(self.shape)

    def require_rows(self, found: int, first: int, last: int) -> None:
        """Raise a ValueError if fewer rows were found than there should be in ``[first, last)``."""
        if found != last - first:
            raise ValueError(
                f"{self.name} has become shorter while it is read: it had {self.shape[0]:,} rows, and ends now before "
                f"row {first + found:,}. Let nobody write to it, and call again"
            )


class ArraySlices(Sliced):
    """Anything that answers ``array[i:j]``: NumPy's arrays, datasets of h5py, arrays of zarr and the like.

    Parameters
    ----------
    name : str
    array : object with ``shape``, ``dtype`` and slices

    Raises
    ------
    ValueError
        If entries are masked, once they are read.
    """

    def __init__(self, name: str, array: Any) -> None:
        self.name = name
        self.array = array
        self.shape = tuple(map(int, array.shape))
        self.dtype = np.dtype(array.dtype)
        self.concurrent = type(array).__module__.partition(".")[0] in CONCURRENT
        chunks = getattr(array, "chunks", None)  # of h5py and zarr: each is compressed as a whole
        if isinstance(chunks, tuple) and chunks and isinstance(chunks[0], int):
            self.together = chunks[0]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`Sliced`."""
        rows = require_unmasked(self.name, np.asanyarray(self.array[first:last]))
        self.require_rows(len(rows), first, last)
        return rows
