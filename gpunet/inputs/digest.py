"""Digests of what ``fit`` was given, so that a run goes on with the same data only."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import from_cupy, is_sparse
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Blocks, SlicedBlocks
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.missing_targets import is_table


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
    if isinstance(data, dict) or hasattr(data, "columns"):
        from gpunet.tables.frames import to_polars

        return _frame(to_polars(data, name))
    return _array(from_lists(name, data))


def _array(array: Any) -> str:
    array = np.asarray(array)
    about = f"{array.dtype} {array.shape}"
    if array.dtype.kind == "O":
        return f"{about} {_sha256(repr(array.tolist()).encode())}"
    # In the order of memory, if that is gapless: a copy of large data would take as much again.
    order = array.T if array.flags.f_contiguous else array
    return f"{about} {_sha256(np.ascontiguousarray(order).data)}"


def _blocks(blocks: Blocks) -> str:
    """Of rows that are not in memory together."""
    found, kinds = hashlib.sha256(), []
    for number, (_, *arrays, _) in enumerate(blocks.all()):
        some = [np.ascontiguousarray(A) for A in arrays if A is not None]
        if number == 0:
            kinds = [f"{A.dtype} {A.shape[1:]}" for A in some]
        for A in some:
            found.update(A.data)
    return f"{blocks.shape} of {', '.join(kinds)} {found.hexdigest()[:16]}"


def _frame(frame: Any) -> str:
    columns = {name: str(kind) for name, kind in frame.schema.items()}
    return f"{frame.height} rows of {columns} {_sha256(frame.write_csv().encode())}"


def _sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
