"""A table as it was written: columns by name, and the target's apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.tables.frames import to_polars, to_series
from gpunet.tables.missing import MISSING
from gpunet.tables.reading import Misread, Reading
from gpunet.tables.series import Frame, Series


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Rows of cells as they were written, with nothing read into them yet.

    `gpunet.datasets.read_table` makes one of a file or a DataFrame. `TableEncoder` and `Target` take it.

    Parameters
    ----------
    frame : polars.DataFrame
        The feature columns: text where the source is text, else of their own types.
    labels : polars.Series, optional
        The target column; its name is the target's.
    name : str
        What the table is called.
    kind : {"auto", "classes", "values"}
        What the target is, if the caller said so.
    missing : tuple of str
        The words that mean "missing".
    decimal : {".", ",", ""}
        The decimal mark of a text file; "" if it shows none.
    lines : array of int64, optional
        The line of the file that each row begins in, from 1.
    left_out : int
        Rows that had no target and were left out.
    notes : tuple of str
        What was understood beyond the usual, for the printout.
    origin : Table, optional
        The table that these rows were taken from: it decides what the cells of a column mean.
    """

    frame: Frame
    labels: Series | None = None
    name: str = "table"
    kind: str = "auto"
    missing: tuple[str, ...] = MISSING
    decimal: str = ""
    lines: NDArray[np.int64] | None = None
    left_out: int = 0
    notes: tuple[str, ...] = field(default=())
    origin: Table | None = None

    def __len__(self) -> int:
        return int(self.frame.height) if self.labels is None else len(self.labels)

    @property
    def columns(self) -> list[str]:
        """Names of the feature columns."""
        return list(self.frame.columns)

    @property
    def target(self) -> str | None:
        """Name of the target column."""
        return None if self.labels is None else str(self.labels.name)

    def take(self, rows: NDArray[Any] | Sequence[int]) -> Table:
        """The table of some rows. What their cells mean is still decided by all rows.

        Parameters
        ----------
        rows : array of int, or of bool with one entry per row
            Which rows, in which order.
        """
        numbers = np.asarray(rows)
        if numbers.dtype == np.bool_:
            if numbers.shape != (len(self),):
                raise ValueError(
                    f"{self.name}: rows must have {len(self)} entries, True or False for each row; got {numbers.shape}"
                )
            numbers = np.flatnonzero(numbers)
        elif numbers.size and numbers.dtype.kind not in "iu":
            raise TypeError(
                f"{self.name}: rows must be whole numbers, or True and False, got {numbers.dtype}"
            )
        elif numbers.size and not -len(self) <= numbers.min() <= numbers.max() < len(self):
            raise ValueError(f"{self.name}: rows must be numbers from 0 to {len(self) - 1}, got others")
        return dataclasses.replace(
            self,
            frame=self.frame[numbers],
            labels=None if self.labels is None else self.labels[numbers],
            lines=None if self.lines is None else self.lines[numbers],
            origin=self.whole,
        )

    @property
    def whole(self) -> Table:
        """The table that these rows were taken from, or itself."""
        return self.origin or self

    def renamed(self, names: Sequence[str]) -> Table:
        """The table with other names of its feature columns, in order."""
        frame = self.frame.clone()
        frame.columns = list(names)
        return dataclasses.replace(self, frame=frame, origin=None)

    def with_labels(self, labels: Any) -> Table:
        """The table with another target: a Series of any library, an array, or a list.

        Raises
        ------
        ValueError
            If there is not one label per row.
        """
        name = getattr(labels, "name", None)
        column = to_series("target" if name in (None, "") else str(name), labels)
        if len(column) != self.frame.height:
            raise ValueError(
                f"{self.name}: expected {self.frame.height} targets, one per row, got {len(column)}"
            )
        origin = self.origin and dataclasses.replace(self.origin, labels=None)
        return dataclasses.replace(self, labels=column, kind="auto", origin=origin)

    def numbers(self, columns: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Columns of numbers as they are, rows ``(m, n)``, for a network that has no encoder.

        Parameters
        ----------
        columns : sequence of str, optional
            Which ones, in which order; all if left out.

        Raises
        ------
        ValueError
            If a column is absent, or a cell is missing or no number; it is named.
        """
        wanted = self.columns if columns is None else list(columns)
        absent = [name for name in wanted if name not in self.columns]
        if absent:
            raise ValueError(
                f"{self.name} lacks the columns {', '.join(map(repr, absent))}: it has {', '.join(self.columns[:20])}"
            )
        X = np.empty((len(self), len(wanted)))
        for k, name in enumerate(wanted):
            cells = self.frame[name]
            try:
                X[:, k] = Reading("number", self.missing, "point").numbers(cells, self.decimal)
            except Misread as error:
                raise ValueError(f"{self.place(error.row, name)}: {error}") from None
            if np.isnan(X[:, k]).any():
                row = int(np.argmax(np.isnan(X[:, k])))
                raise ValueError(
                    f"{self.place(row, name)}: expected a number, got {cells[row]!r}; fill it in"
                )
        return X

    def place(self, row: int | None, column: str) -> str:
        """Where a cell is, for a message: "flowers.csv, line 7, column 'width'"."""
        if row is None:
            return f"{self.name}, column {column!r}"
        where = f"row {row} (counted from 0)" if self.lines is None else f"line {self.lines[row]}"
        return f"{self.name}, {where}, column {column!r}"

    def describe(self) -> list[str]:
        """What was understood, a line each."""
        lines = [f"{self.name}: {len(self):,} rows"]
        if self.left_out:
            lines.append(f"left out: {self.left_out:,} rows without a target ({self.target})")
        return lines + list(self.notes)

    def __repr__(self) -> str:
        target = "" if self.target is None else f", target {self.target!r}"
        return f"<Table {self.name}: {len(self)} rows, {self.frame.width} feature columns{target}>"


def as_table(data: Any) -> Table:
    """A Table as it is; a DataFrame of any library, or a mapping of names to columns, as a Table.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(data, Table):
        return data
    return Table(to_polars(data, "table"))
