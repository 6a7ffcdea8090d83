"""What is read block by block, and what is read into memory at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.devices.registry import backend_of
from gpunet.devices.scipy_sparse import is_sparse
from gpunet.inputs.arrays import from_lists, require_unmasked
from gpunet.inputs.blocks.batches import TableBlocks, in_memory, is_lazy_table, names_of_lazy
from gpunet.inputs.blocks.blocks import Blocks, blocks_of
from gpunet.inputs.blocks.iterated import IteratedBlocks
from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.mapped import MappedRows, mapped_file
from gpunet.inputs.blocks.parquet import open_parquet, parquet_rows
from gpunet.inputs.blocks.sliced import ArraySlices, Sliced
from gpunet.inputs.blocks.table_columns import features_and_more, is_stored_index
from gpunet.inputs.fit_data import FitArrays
from gpunet.inputs.table_forms import is_frame_or_series, is_table

IN_MEMORY = 2**27  # bytes of X in the network's dtype up to which a file is read into memory at once: 128 MiB


def opened(
    X: Any, y: Any, sample_weight: Any, dtype: str, prefix: str = "", *, whole: bool = False
) -> tuple[Any, Any, Any]:
    """X, y and weights with files opened, and X as blocks if it is read block by block; all else as it is.

    X is read so if it is an ``np.memmap``, the path of a ``.npy`` or ``.parquet`` file or a list of such, or of another
    library whose arrays are read in slices (h5py, zarr), and takes more than :data:`IN_MEMORY`; and if it is an
    iterable of blocks, a ``pyarrow.dataset.Dataset`` or a ``polars.LazyFrame``. Of a table, y is the name of the
    target column.

    Parameters
    ----------
    X, y, sample_weight
        As ``fit`` takes them.
    dtype : str
        Of the network.
    prefix : str
        Stands before the names in messages.
    whole : bool
        Read tables into memory, for an encoder.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError, TypeError
        For a file that is damaged, and an iterator, which can be read only once.
    """
    if is_lazy_table(X):
        return _of_lazy(f"{prefix}X", X, y, sample_weight, whole)
    if _all_files(X, ".parquet"):
        return _of_parquet(f"{prefix}X", X, y, sample_weight, dtype, whole)
    X = _inputs(f"{prefix}X", X, dtype)
    read = _in_slices if isinstance(X, Blocks) else _at_once
    return X, read(f"{prefix}y", y), read(f"{prefix}sample_weight", sample_weight)


def is_read_by_blocks(X: Any, dtype: str) -> bool:
    """Whether X is a memory map that :func:`opened` makes blocks of, or rows of a file in some other form."""
    return isinstance(X, Sliced) or (_is_mapped(X) and isinstance(_inputs("X", X, dtype), Blocks))


def opened_arrays(arrays: FitArrays, dtype: str, *, whole: bool = False) -> FitArrays:
    """The same for the arrays of ``fit``."""
    X, y, sample_weight = opened(arrays.X, arrays.y, arrays.sample_weight, dtype, whole=whole)
    arrays = arrays._replace(X=X, y=y, sample_weight=sample_weight)
    if arrays.validation_data is None or is_table(arrays.validation_data):
        return arrays
    given = arrays.validation_data
    if isinstance(given, tuple | list) and len(given) in (2, 3):
        X, y, sample_weight = [*given, None][:3]
        held = opened(X, y, sample_weight, dtype, "validation ", whole=whole)
        return arrays._replace(validation_data=held[: len(given)])
    held = _inputs("validation_data", given, dtype)
    return arrays._replace(validation_data=(held, None)) if isinstance(held, Blocks) else arrays


def sliced(name: str, array: Any) -> Sliced | None:
    """Targets or weights as rows that can be read some at a time; None for None.

    Raises
    ------
    ValueError
        For a single number.
    """
    if array is None or isinstance(array, Sliced):
        return array
    if _is_mapped(array):
        return MappedRows(name, array)
    source = backend_of(array)
    if source is not None:
        array = np.asarray(source.to_host(array))
    elif not _has_slices(array):
        array = from_lists(name, array)
    if not array.shape:
        raise ValueError(f"{name} must have an entry for each of the examples, it is a single number")
    return ArraySlices(name, array)


def _inputs(name: str, X: Any, dtype: str) -> Any:
    if hasattr(X, "X_test") and not is_frame_or_series(X):
        raise TypeError(
            f"{name} is a {type(X).__name__} of training and test examples: give its arrays, fit(data.X, data.y), and "
            "evaluate(data.X_test, data.y_test)"
        )
    _require_one_array(name, X)
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
        return X if _is_mapped(X) else rows.read(0, len(rows))
    return blocks_of(rows)


def _require_one_array(name: str, X: Any) -> None:
    """Raise an error for files of several kinds, and for what holds several arrays, or none."""
    if isinstance(X, list | tuple) and X and all(isinstance(path, str | Path) for path in X):
        kinds = {Path(path).suffix.lower() for path in X}
        if len(kinds) > 1 and kinds & {".npy", ".parquet"}:
            raise ValueError(
                f"{name} names files of several kinds, {', '.join(sorted(kinds))}: all must be .npy, or all .parquet"
            )
    # A group of zarr, or of h5py: its arrays are found by their names.
    if hasattr(X, "keys") and not (isinstance(X, Mapping) or hasattr(X, "shape")):
        first = next(iter(X.keys()), "name")
        raise TypeError(
            f"{name} is a {type(X).__name__} of arrays: give one of them, such as {name}[{first!r}]"
        )


def _in_slices(name: str, array: Any) -> Any:
    """Numbers in files as rows that are read some at a time; all else, words among it, as it is."""
    array = _from_file(name, array)
    if isinstance(array, Sliced):
        return array if array.dtype.kind in "biuf" else array.read(0, len(array))
    stored = _is_mapped(array) or _has_slices(array)
    return sliced(name, array) if stored and array.dtype.kind in "biuf" else array


def _at_once(name: str, array: Any) -> Any:
    """Files, and arrays that are read in slices, as arrays; all else as it is."""
    array = _from_file(name, array)
    if _has_slices(array) and array.shape:
        return require_unmasked(name, np.asanyarray(array[0 : array.shape[0]]))
    return array.read(0, len(array)) if isinstance(array, Sliced) else array


def _from_file(name: str, array: Any) -> Any:
    """A ``.npy`` file as a memory map, several of them as joined rows; all else as it is, but a text is refused."""
    if getattr(array, "shape", ()) is None:  # of h5py, a dataset that is empty
        raise ValueError(f"{name} is empty: it has no shape")
    if not _all_files(array, ".npy"):
        if isinstance(array, str | Path):
            if array == "balanced":
                raise TypeError(
                    f"{name} must be an array of weights, got 'balanced'; for classes class_weight='balanced'"
                )
            raise TypeError(
                f"{name} is the {type(array).__name__} {str(array)!r}, neither an array nor the path of a file that is "
                "read here (.npy; for X .parquet too, with the name of a column as y): read tables, DataFrames too, "
                "with gpunet.datasets.read_table(…, target=…), other files with gpunet.datasets.load, and give what "
                "they return"
            )
        return array
    if isinstance(array, str | Path):
        return mapped_file(Path(array).expanduser())
    parts = [MappedRows(str(path), mapped_file(Path(path).expanduser())) for path in array]
    return JoinedRows(name, parts)


def _of_lazy(name: str, table: Any, y: Any, sample_weight: Any, whole: bool) -> tuple[Any, Any, Any]:
    """Columns of a lazy table: as blocks, or in memory."""
    if not whole:
        return TableBlocks(name, table, y, sample_weight), None, None
    features, others = features_and_more(name, names_of_lazy(table), y, sample_weight)
    found = in_memory(table)
    return found.select(features), *_whole_columns(found, others)


def _of_parquet(
    name: str, given: Any, y: Any, sample_weight: Any, dtype: str, whole: bool
) -> tuple[Any, Any, Any]:
    """Columns of Parquet files: as blocks, or as a table of PyArrow if they are few, or all are to be read."""
    paths = [Path(path).expanduser() for path in ([given] if isinstance(given, str | Path) else given)]
    files = [open_parquet(path) for path in paths]
    names = list(files[0].schema_arrow.names)
    features, others = features_and_more(name, names, y, sample_weight)
    names = [column for column in names if not is_stored_index(column)]
    for path, file in zip(paths, files, strict=True):
        found = [column for column in file.schema_arrow.names if not is_stored_index(column)]
        if sorted(found) != sorted(names):
            raise ValueError(f"{name}: {path} must have the columns of {paths[0]}: {', '.join(names)}")
    rows = sum(file.metadata.num_rows for file in files)
    if whole or rows * len(features) * np.dtype(dtype).itemsize <= IN_MEMORY:
        table = _joined_tables(name, [file.read(columns=names) for file in files])
        return table.select(features), *_whole_columns(table, others)
    targets: list[Any] = []
    for what, column in zip(("y", "sample_weight"), others, strict=False):
        if what == "y" and _is_text(files[0], column):
            # Words are few different ones, but have to be known together.
            targets.append(
                np.concatenate([np.asarray(file.read(columns=[column]).column(0)) for file in files])
            )
        else:
            targets.append(parquet_rows(what, paths, column))
    y, sample_weight = [*targets, None, None][:2]
    return blocks_of(parquet_rows(name, paths, features)), y, sample_weight


def _joined_tables(name: str, tables: list[Any]) -> Any:
    """The rows of tables one after the other; integers beside real numbers become such."""
    import pyarrow

    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except (TypeError, ValueError) as error:  # PyArrow's own are such
        raise TypeError(
            f"{name}: a column must have one type in all files, or numbers in all ({error}): write them again"
        ) from error


def _whole_columns(table: Any, names: list[str]) -> list[Any]:
    """Targets and weights of a table in memory; None for those that there are not."""
    return [*(np.asarray(table[name]) for name in names), None, None][:2]


def _is_text(file: Any, column: str) -> bool:
    return str(file.schema_arrow.field(column).type).startswith(("string", "large_string", "dictionary"))


def _all_files(given: Any, ending: str) -> bool:
    """Whether all that is given is the path of a file, or a list of such, with this ending."""
    paths = given if isinstance(given, list | tuple) else [given]
    return bool(paths) and all(
        isinstance(path, str | Path) and str(path).lower().endswith(ending) for path in paths
    )


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
        and not is_frame_or_series(array)
        and not is_sparse(array)
        and not hasattr(array, "toarray")
        and backend_of(array) is None
    )


def _is_iterable_of_blocks(X: Any) -> bool:
    """Whether X can be nothing but blocks: no array, no list, no table."""
    known = (str, bytes, Mapping, Sequence, set, frozenset)
    if isinstance(X, known) or hasattr(X, "shape") or is_frame_or_series(X):
        return False
    return hasattr(X, "__iter__") or callable(X)
