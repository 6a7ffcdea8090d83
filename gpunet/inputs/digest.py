"""Digests of what ``fit`` was given, so that a run goes on with the same data only."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import from_cupy, is_sparse
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Blocks, SlicedBlocks
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.table_forms import has_columns, is_table

PART = 2**24  # bytes that are copied at a time


def digest(name: str, data: Any) -> str | None:
    """Type, shape and SHA-256 of an array of any library, a list, a table or a DataFrame; None for None."""
    if data is None:
        return None
    if isinstance(data, Blocks):
        return _blocks(data)
    if isinstance(data, Sliced):
        return _blocks(SlicedBlocks(data))
    if is_table(data):
        parts = [f"{data.labels}" if data.labels is None else _frame(data.labels.to_frame())]
        return " ".join([_frame(data.frame), *parts])
    if is_sparse(data):
        rows = from_cupy(data).tocsr()
        return " ".join([f"{rows.shape}", *(_array(part) for part in (rows.data, rows.indices, rows.indptr))])
    backend = backend_of(data)
    if backend is not None:
        return _array(backend.to_host(data))
    if has_columns(data):
        from gpunet.tables.frames import to_polars

        return _frame(to_polars(data, name))
    return _array(from_lists(name, data))


def _array(array: Any) -> str:
    array = np.asarray(array)
    found, rows = hashlib.sha256(), np.atleast_1d(array)
    size = max(PART // max(math.prod(rows.shape[1:]) * rows.itemsize, 1), 1)
    # Row by row, however they lie in memory; a copy of large data would take as much again.
    for first in range(0, len(rows), size):
        found.update(_content(rows[first : first + size]))
    return f"{array.dtype} {array.shape} {found.hexdigest()[:16]}"


def _content(array: NDArray[Any]) -> bytes:
    """What an array holds, row by row."""
    addresses = array.dtype.kind in "OT"  # of Python's objects and texts
    return repr(array.tolist()).encode() if addresses else array.tobytes()


def _blocks(blocks: Blocks) -> str:
    """Of rows that are not in memory together."""
    found, kinds = hashlib.sha256(), []
    for number, (_, *arrays, _) in enumerate(blocks.all()):
        some = [A for A in arrays if A is not None]
        if number == 0:
            kinds = [f"{A.dtype} {A.shape[1:]}" for A in some]
        for A in some:
            found.update(_content(A))
    return f"{blocks.shape} of {', '.join(kinds)} {found.hexdigest()[:16]}"


def _frame(frame: Any) -> str:
    from polars.exceptions import ComputeError

    columns = {name: str(kind) for name, kind in frame.schema.items()}
    try:
        text = frame.write_csv()
    except ComputeError:  # there are none of lists, spans of time and the like
        text = repr(frame.rows())
    return f"{frame.height} rows of {columns} {_sha256(text.encode())}"


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
