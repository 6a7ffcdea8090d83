"""What is read block by block, and what is read into memory at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.inputs.arrays import from_lists
from gpunet.inputs.blocks.blocks import Blocks, SlicedBlocks
from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows, mapped_file
from gpunet.inputs.blocks.sliced import ArraySlices, Sliced
from gpunet.inputs.fit_data import FitArrays

IN_MEMORY = 2**27  # bytes of X in the network's dtype up to which a file is read into memory at once: 128 MiB


def opened(X: Any, y: Any, sample_weight: Any, dtype: str, prefix: str = "") -> tuple[Any, Any, Any]:
    """X, y and weights with files opened, and X as blocks if it is read block by block; all else as it is.

    X is read so if it is an ``np.memmap``, the path of a ``.npy`` file or a list of such, or of another library whose
    arrays are read in slices (h5py, zarr), and takes more than :data:`IN_MEMORY`; and if it is an iterable of blocks.

    Parameters
    ----------
    X, y, sample_weight
        As ``fit`` takes them.
    dtype : str
        Of the network.
    prefix : str
        Stands before the names in messages.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError, TypeError
        For a file that is damaged, and an iterator, which can be read only once.
    """
    X = _inputs(f"{prefix}X", X, dtype)
    read = _in_slices if isinstance(X, Blocks) else _at_once
    return X, read(f"{prefix}y", y), read(f"{prefix}sample_weight", sample_weight)


def opened_arrays(arrays: FitArrays, dtype: str) -> FitArrays:
    """The same for the arrays of ``fit``."""
    X, y, sample_weight = opened(arrays.X, arrays.y, arrays.sample_weight, dtype)
    arrays = arrays._replace(X=X, y=y, sample_weight=sample_weight)
    if arrays.validation_data is None or hasattr(arrays.validation_data, "labels"):
        return arrays
    given = arrays.validation_data
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        X, y, sample_weight = [*given, None][:3]
        held = opened(X, y, sample_weight, dtype, "validation ")
        return arrays._replace(validation_data=held[: len(given)])
    held = _inputs("validation_data", given, dtype)
    return arrays._replace(validation_data=(held, None)) if isinstance(held, Blocks) else arrays


def sliced(name: str, array: Any) -> Sliced | None:
    """Targets or weights as rows that can be read some at a time; None for None."""
    if array is None or isinstance(array, Sliced):
        return array
    if _is_mapped(array):
        return MappedRows(name, array)
    source = backend_of(array)
    if source is not None:
        return ArraySlices(name, np.asarray(source.to_host(array)))
    return ArraySlices(name, array if _has_slices(array) else from_lists(name, array))


def _inputs(name: str, X: Any, dtype: str) -> Any:
    X = _from_file(name, X)
    rows: Sliced
    if isinstance(X, Sliced):
        rows = X
    elif _is_mapped(X):
        rows = MappedRows(name, X)
    elif _has_slices(X) and len(X.shape) > 1:
        rows = ArraySlices(name, X)
    elif _is_iterable_of_blocks(X):
        return IteratedBlocks(name, X)
    else:
        return X
    if math.prod(rows.shape) * np.dtype(dtype).itemsize <= IN_MEMORY:
        return rows.read(0, len(rows)) if isinstance(X, Sliced) else X
    return SlicedBlocks(rows)


def _in_slices(name: str, array: Any) -> Any:
    """Numbers in files as rows that are read some at a time; all else, words among it, as it is."""
    array = _from_file(name, array)
    stored = _is_mapped(array) or _has_slices(array)
    return sliced(name, array) if stored and array.dtype.kind in "biuf" else array


def _at_once(name: str, array: Any) -> Any:
    """Files as arrays; all else as it is."""
    array = _from_file(name, array)
    return array.read(0, len(array)) if isinstance(array, Sliced) else array


def _from_file(name: str, array: Any) -> Any:
    """A ``.npy`` file as a memory map, several of them as joined rows; all else as it is."""
    if _is_array_file(array):
        return mapped_file(Path(array).expanduser())
    if isinstance(array, list | tuple) and array and all(map(_is_array_file, array)):
        parts = [MappedRows(str(path), mapped_file(Path(path).expanduser())) for path in array]
        return JoinedRows(name, parts)
    return array


def _is_array_file(path: Any) -> bool:
    return isinstance(path, str | Path) and str(path).lower().endswith(".npy")


def _is_mapped(array: Any) -> bool:
    return isinstance(array, np.memmap) and array.filename is not None and array.ndim > 0


def _has_slices(array: Any) -> bool:
    """Whether an array of a library that is no backend is read in slices."""
    shape = getattr(array, "shape", None)
    return (
        isinstance(shape, tuple)
        and all(isinstance(size, int) for size in shape)
        and hasattr(array, "dtype")
        and hasattr(array, "__getitem__")
        and not isinstance(array, np.ndarray)
        and not _has_columns(array)
        and not is_sparse(array)
        and not hasattr(array, "toarray")
        and backend_of(array) is None
    )


def _is_iterable_of_blocks(X: Any) -> bool:
    """Whether X can be nothing but blocks: no array, no list, no table."""
    known = (str, bytes, Mapping, Sequence, set, frozenset)
    if isinstance(X, known) or hasattr(X, "shape") or _has_columns(X):
        return False
    return hasattr(X, "__iter__") or callable(X)


def _has_columns(X: Any) -> bool:
    """Whether X is a table of any kind."""
    return (
        hasattr(X, "columns") or hasattr(X, "column_names") or hasattr(X, "labels") or hasattr(X, "to_numpy")
    )
