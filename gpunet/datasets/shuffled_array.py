"""The rows of a ``.npy`` file in random order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gpunet.datasets.array_files import open_npy
from gpunet.datasets.piles import ROWS, Piles
from gpunet.datasets.row_hash import rows_hash
from gpunet.inputs.blocks.mapped import MappedRows

CHUNK_BYTES = 2**25  # of rows that are read at a time


def shuffle_array(source: Path, out: BinaryIO, seed: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Write the shuffled rows of `source` to an empty file that can be read, too.

    Returns
    -------
    read, written : tuple of int
        Rows, and their hash, of what was read, and of what stands in the file then.
    """
    array = open_npy(source)
    if array.ndim == 0 or not array.size:
        raise ValueError(f"{source} has no rows: its shape is {array.shape}")
    rows = MappedRows(str(source), array)  # type: ignore[arg-type]
    header = {
        "descr": np.lib.format.dtype_to_descr(array.dtype),
        "fortran_order": False,
        "shape": array.shape,
    }
    try:
        np.lib.format.write_array_header_2_0(out, header)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{source} has a field whose name does not fit into Latin-1, {array.dtype.names}: rename it"
        ) from error
    file = _RowFile(out, array)
    piles = Piles(len(array), seed)
    sizes = piles.sizes()
    starts = np.cumsum(sizes) - sizes
    filled = starts.copy()
    read_hash = 0
    size = min(max(CHUNK_BYTES // max(file.size, 1), 1), ROWS)
    edges = [(first, min(first + size, len(array))) for first in range(0, len(array), size)]
    chosen_piles = piles.choices(last - first for first, last in edges)
    for (first, last), chosen in zip(edges, chosen_piles, strict=True):
        some = rows.read(first, last)
        read_hash += rows_hash(some)
        by_pile = np.argsort(chosen, kind="stable")
        some, counts = some[by_pile], np.bincount(chosen, minlength=piles.count)
        begun = 0
        for pile in np.flatnonzero(counts).tolist():
            file.write(int(filled[pile]), some[begun : begun + int(counts[pile])])
            filled[pile] += counts[pile]
            begun += int(counts[pile])
    for pile, (start, count) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        file.write(start, file.read(start, count)[piles.order(pile, count)])
    written_hash = sum(rows_hash(file.read(first, last - first)) for first, last in edges)
    return (len(array), read_hash % 2**64), (file.rows(), written_hash % 2**64)


class _RowFile:
    """Rows in an open file, behind a header."""

    def __init__(self, file: BinaryIO, like: NDArray[Any]) -> None:
        self.file = file
        self.begin = file.tell()
        self.shape, self.dtype = like.shape[1:], like.dtype
        self.size = like[:1].nbytes

    def write(self, first: int, rows: NDArray[Any]) -> None:
        """Put rows at the place of the row `first`."""
        self.file.seek(self.begin + first * self.size)
        self.file.write(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)

    def read(self, first: int, count: int) -> NDArray[Any]:
        """So many rows from `first` on."""
        self.file.seek(self.begin + first * self.size)
        data = self.file.read(count * self.size)
        return np.frombuffer(data, self.dtype).reshape(-1, *self.shape)

    def rows(self) -> int:
        """How many there are."""
        return (self.file.seek(0, 2) - self.begin) // self.size
