"""Columns of Parquet files, read by row groups."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.inputs.blocks.joined import JoinedRows
from gpunet.inputs.blocks.sliced import Sliced
from gpunet.inputs.blocks.table_columns import present
from gpunet.installation import install_command


def pyarrow() -> Any:
    """The module `pyarrow.parquet`, which is imported when a file needs it."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files are read block by block with pyarrow, which is not installed; install it with: "
            f"{install_command('parquet')}"
        ) from error
    return pyarrow.parquet


class ParquetRows(Sliced):
    """Some columns of a Parquet file, as rows of numbers ``(m, n)``.

    A row group is decoded as a whole: one that is large takes the memory.

    Parameters
    ----------
    name : str
    path : Path
    columns : sequence of str or str
        One column by itself gives ``(m,)``.

    Raises
    ------
    ValueError
        If it is no Parquet file.
    """

    concurrent = True

    def __init__(self, name: str, path: Path, columns: Sequence[str] | str) -> None:
        self.name = name
        self.path = path
        self.file = open_parquet(path)
        self.lock = threading.Lock()  # pyarrow's files are for one thread at a time
        self.columns = columns
        self.names = [columns] if isinstance(columns, str) else list(columns)
        metadata = self.file.metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.together = max(sizes, default=1)
        m = int(self.starts[-1])
        if isinstance(columns, str):
            self.shape = (m,)
        else:
            self.shape, self.column_names = (m, len(columns)), tuple(columns)

    @cached_property
    def kinds(self) -> list[np.dtype[Any]]:
        """NumPy's dtype of each column; object for what is no number."""
        schema, kinds = self.file.schema_arrow, []
        for name in self.names:
            try:
                kinds.append(np.dtype(schema.field(name).type.to_pandas_dtype()))
            except (NotImplementedError, TypeError):
                kinds.append(np.dtype(object))
        return kinds

    @cached_property
    def dtype(self) -> Any:
        """That of all columns together.

        Raises
        ------
        TypeError
            If a column holds no numbers.
        """
        for name, kind in zip(self.names, self.kinds, strict=True):
            if kind.kind not in "biuf":
                raise TypeError(
                    f"{self.name}: column {name!r} of {self.path} holds {self.file.schema_arrow.field(name).type}, and "
                    "what is read block by block must be numbers: leave the column out or write numbers in its place, "
                    "or read the whole table into memory with gpunet.datasets.read_table"
                )
        return np.result_type(*self.kinds, np.float32)  # a missing number becomes NaN, which is reported

    def read(self, first: int, last: int) -> NDArray[Any]:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        groups = range(
            int(np.searchsorted(self.starts, first, side="right")) - 1,
            int(np.searchsorted(self.starts, last)),
        )
        names = self.names
        try:
            with self.lock:
                table = self.file.read_row_groups(list(groups), columns=names, use_threads=False)
        except OSError as error:  # pyarrow's errors of damaged files are among them
            raise ValueError(f"{self.name}: {self.path} can't be read any more ({error})") from error
        begun = int(self.starts[groups.start]) if len(groups) else 0
        some = table.slice(first - begun, last - first)
        self.require_rows(some.num_rows, first, last)
        rows = np.empty((last - first, len(names)), self.dtype)
        for k, name in enumerate(names):
            column = some.column(name)
            # A missing boolean would be None.
            rows[:, k] = (column.cast("uint8") if self.kinds[k].kind == "b" else column).to_numpy()
        if isinstance(self.columns, str):
            return present(self.name, self.columns, rows[:, 0], first)
        return rows

    def select(self, columns: Sequence[str]) -> ParquetRows:
        """See :class:`gpunet.inputs.blocks.sliced.Sliced`."""
        return ParquetRows(self.name, self.path, columns)

    def edges(self, rows: int) -> NDArray[np.int64]:
        """Each block is a row group, or several small ones of `rows` rows at most."""
        kept = [0]
        for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            if end - kept[-1] > rows and start > kept[-1]:
                kept.append(start)
        return np.array([*kept, self.starts[-1]], dtype=np.int64)


def parquet_rows(name: str, paths: Sequence[Path], columns: Sequence[str] | str) -> Sliced:
    """The same columns of one or several files."""
    parts = [ParquetRows(name if len(paths) == 1 else str(path), path, columns) for path in paths]
    return parts[0] if len(parts) == 1 else JoinedRows(name, parts)


def open_parquet(path: Path) -> Any:
    """A Parquet file.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is none, or damaged.
    """
    parquet = pyarrow()
    if path.is_dir():
        raise FileNotFoundError(
            f"{path} is a folder: give the files in it as a list, or pyarrow.dataset.dataset({str(path)!r}), which has "
            "them all"
        )
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; check the path (now in {Path.cwd()})")
    try:
        return parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} can't be read as Parquet ({error}); write it again") from error
