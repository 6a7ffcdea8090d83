"""Parquet files of numbers as rows that are read block by block, with their targets in memory."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.datasets.chosen_columns import Columns, chosen_columns
from gpunet.datasets.dataset import Dataset
from gpunet.datasets.split import first_held_out
from gpunet.devices.host_memory import host_memory
from gpunet.inputs.blocks.parquet import ParquetRows, open_parquet
from gpunet.inputs.blocks.part import PartOfRows
from gpunet.inputs.blocks.table_columns import is_stored_index
from gpunet.installation import install_command
from gpunet.tables.frames import tidy_text
from gpunet.tables.libraries import polars
from gpunet.tables.target import Target, missing_targets

SHARE = 1 / 8  # of the memory that a table may take: reading and encoding it takes some three times as much
PACKED = 16  # times that a table may take more memory than its file, about


def is_parquet(path: str) -> bool:
    """Whether a file is Parquet, by its ending."""
    return path.lower().endswith(".parquet")


def is_large(path: str) -> bool:
    """Whether a table takes more memory than it should."""
    room = SHARE * host_memory()
    size = os.path.getsize(path)
    if not is_parquet(path) or size * PACKED < room or not _has_pyarrow():
        return size > room
    metadata = open_parquet(Path(path)).metadata
    return bool(metadata.num_rows * metadata.num_columns * 8 > room)


def why_whole(
    path: str, target: str | int | None = None, drop: Columns = (), columns: Columns | None = None
) -> str | None:
    """Why a table can't be read block by block; None if it can.

    Raises
    ------
    ValueError
        If the file is damaged, or a column is unknown.
    """
    if not is_parquet(path):
        return "block by block only .npy and .parquet files are read"
    if not _has_pyarrow():
        return f"block by block it is read with pyarrow, which {install_command('parquet')} installs"
    file = open_parquet(Path(path))
    features, _ = chosen_columns(_names_of(file), path, target, drop, columns)
    rows = ParquetRows(path, Path(path), features)
    for name, kind in zip(features, rows.kinds, strict=True):
        if kind.kind not in "biuf":
            stored = file.schema_arrow.field(name).type
            return f"column {name!r} holds {stored}, and only numbers are read block by block"
    for group in range(file.metadata.num_row_groups):
        chunks = file.metadata.row_group(group)
        for chunk in map(chunks.column, range(chunks.num_columns)):
            found = chunk.statistics
            if chunk.path_in_schema in features and found is not None and found.null_count:
                return (
                    f"column {chunk.path_in_schema!r} has missing cells, which can be filled in only where all rows "
                    "are known"
                )
    return None


def rows_of_parquet(path: str, columns: Columns | None = None) -> ParquetRows:
    """Columns of a file as rows ``(m, n)``, none of which is read yet."""
    features, _ = chosen_columns(_names_of(open_parquet(Path(path))), path, None, (), columns)
    return ParquetRows(path, Path(path), features)


def load_parquet(
    path: str,
    target: str | int,
    *,
    drop: Columns = (),
    columns: Columns | None = None,
    kind: str = "auto",
    test_fraction: float = 0.2,
) -> tuple[Dataset, str]:
    """A file as a data set whose rows are read block by block, and the name of its target.

    The last rows are the test set. The target is read as a whole.

    Parameters
    ----------
    path : str
    target, drop, columns, kind
        See `gpunet.datasets.read_table`.
    test_fraction : float

    Raises
    ------
    ValueError
        If a target is missing, or a class is in the test set alone.
    """
    names = _names_of(open_parquet(Path(path)))
    features, goal = chosen_columns(names, path, target, drop, columns)
    assert goal is not None
    cells = tidy_text(polars().read_parquet(path, columns=[goal])[goal])
    missing = missing_targets(cells)
    if missing.any():
        raise ValueError(
            f"{path}: the target {goal!r} of row {int(np.argmax(missing))} is missing, and no row can be left out of a "
            "file that is read block by block: remove such rows"
        )
    meaning = Target(kind)
    try:
        meaning.fit(cells)
        meaning.center, meaning.scale = 0.0, 1.0
        y = meaning.encode(cells)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if meaning.class_names is None:
        y = y.reshape(len(y), -1)
    remedy = f"shuffle it: gpunet shuffle {path} OUT"
    first = first_held_out(y, meaning.class_names, test_fraction, path, remedy)
    rows: Any = ParquetRows(path, Path(path), features)
    training: Any = PartOfRows(rows, 0, first)
    test: Any = PartOfRows(rows, first, len(rows))
    found = Dataset(training, y[:first], test, y[first:], Path(path).stem, class_names=meaning.class_names)
    return found, goal


def _names_of(file: Any) -> list[str]:
    """The columns of a file, without the row labels that pandas stores."""
    return [name for name in file.schema_arrow.names if not is_stored_index(name)]


def _has_pyarrow() -> bool:
    return importlib.util.find_spec("pyarrow") is not None
