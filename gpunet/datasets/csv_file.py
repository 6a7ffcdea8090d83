"""CSV files: columns of features and, optionally, one column of targets."""

from __future__ import annotations

import csv
import difflib
import itertools
import math
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_LARGEST = float(np.finfo(np.float32).max)
_MISSING = ("", "?", "nan")  # missing values in a target column, which may hold text


def read_csv(
    path: Path,
    *,
    columns: Sequence[str | int] | None = None,
    target: str | int | None = None,
    kind: str = "auto",
) -> tuple[NDArray[np.float32], NDArray[Any] | None]:
    """Read a CSV file: UTF-8 text, cells separated by commas; blank lines are skipped.

    The first line is a header if none of its cells is a number, or if `columns` or `target` names one of
    its cells.

    Parameters
    ----------
    path : Path
        The file.
    columns : sequence of str or int, optional
        The feature columns, by name or by number from 0; all but the target if left out.
    target : str or int, optional
        The target column, by name or by number from 0; negative numbers count from the end.
    kind : {"auto", "classes", "values"}
        "classes" allows a mixture of numbers and text, "values" allows no text.

    Returns
    -------
    X : array of float32, shape (m, n)
        The feature columns.
    labels : array, shape (m,), or None
        The target column, float64 or text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is unknown, or a cell is empty or not a number; the message names line and column.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        records = _records(file, path)
        first = next(records, None)
        if first is None:
            raise ValueError(f"{path} is empty: expected rows of numbers separated by commas")
        width = len(first[1])
        asked = [*(columns or ()), *([] if target is None else [target])]
        has_header = _is_header(first[1], asked)
        names = first[1] if has_header else None
        target_column = None if target is None else _position(target, names, width, path)
        if columns is None:
            features = [k for k in range(width) if k != target_column]
        else:
            features = [_position(column, names, width, path) for column in columns]
        if not features:
            raise ValueError(
                f"{path}: expected at least one feature column"
                f"{'' if target_column is None else ' beside the target'}, "
                f"got the line {','.join(first[1])!r}; separate the cells by commas"
            )
        titles = [repr(name) for name in names] if names else [f"{k} (from 0)" for k in range(width)]

        numbers = array("f")  # 4 bytes per cell; a list of floats would take ten times as much
        labels: list[str] = []
        lines: list[int] = []
        for line, cells in records if has_header else itertools.chain([first], records):
            if len(cells) != width:
                raise ValueError(
                    f"{path}, line {line}: expected {width} cells as in line {first[0]}, "
                    f"got {len(cells)}; make all lines alike"
                )
            for k in features:
                value = _parse(cells[k])
                if not abs(value) <= _LARGEST:
                    raise _bad_cell(cells[k], f"{path}, line {line}, column {titles[k]}")
                numbers.append(value)
            lines.append(line)
            if target_column is not None:
                labels.append(cells[target_column])
    if not lines:
        raise ValueError(f"{path} has a header and no rows: expected rows of numbers below it")
    X = np.frombuffer(numbers, np.float32).reshape(len(lines), len(features))
    if target_column is None:
        return X, None
    return X, _labels(labels, lines, kind, f"{path}, line {{}}, column {titles[target_column]}")


def read_header(path: Path, target: str | None = None) -> list[str] | None:
    """The column names of a CSV file; None if its first line is not a header.

    Parameters
    ----------
    path : Path
        The file.
    target : str, optional
        The target column: if it names a cell of the first line, that line is a header.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not CSV in UTF-8.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        _, cells = next(_records(file, path), (0, []))
    return cells if _is_header(cells, [] if target is None else [target]) else None


def _records(file: IO[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not blank: its number from 1 and its cells."""
    reader = csv.reader(file, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: expected UTF-8 text, got the byte {error.object[error.start]:#x} near "
                f"line {line}; save the table as CSV in UTF-8"
            ) from error
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {line}: this is not CSV ({error}); check its quotation marks"
            ) from error
        if cells is None:
            return
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield line, cells
        line = reader.line_num + 1  # a quoted cell may span lines


def _is_header(cells: list[str], asked: Sequence[str | int]) -> bool:
    if not any(_is_number(cell) for cell in cells):
        return True
    return any(name in cells and not _is_number(str(name)) for name in asked)


def _position(column: str | int, names: list[str] | None, width: int, path: Path) -> int:
    """Number of a column given by name or number; the number may be text (from a command line)."""
    if names is not None and column in names:
        if names.count(str(column)) > 1:
            raise ValueError(
                f"{path}: {names.count(str(column))} columns are called {column!r}; "
                "name the column by its number from 0"
            )
        return names.index(str(column))
    try:
        number = int(column)
    except ValueError:
        near = difflib.get_close_matches(str(column), names or [], 1)
        known = "it has no header" if names is None else f"it has {', '.join(names[:20])}"
        raise ValueError(
            f"{path} has no column {column!r}: {known}"
            + (f"; did you mean {near[0]!r}?" if near else "; name one by its number from 0")
        ) from None
    if not -width <= number < width:
        raise ValueError(f"{path} has {width} columns, numbered from 0 to {width - 1}; got number {number}")
    return number % width


def _parse(cell: str) -> float:
    """The number in a cell; NaN if it does not hold one."""
    try:
        return math.nan if "_" in cell else float(cell)  # Python alone reads 1_000 as a number
    except ValueError:
        return math.nan


def _is_number(cell: str) -> bool:
    return not math.isnan(_parse(cell))


def _bad_cell(cell: str, where: str) -> ValueError:
    if cell == "":
        return ValueError(f"{where}: the cell is empty; fill it in or drop the line")
    return ValueError(
        f"{where}: expected a finite number, got {cell!r}; write it as a number, or drop the line "
        "or the column"
    )


def _labels(labels: list[str], lines: list[int], kind: str, where: str) -> NDArray[Any]:
    for label, line in zip(labels, lines, strict=True):
        if label.lower() in _MISSING:
            raise ValueError(
                f"{where.format(line)}: the target is missing ({label!r}); fill it in or drop the line"
            )
    values = np.array([_parse(label) for label in labels])
    are_numbers = np.isfinite(values)
    if are_numbers.all():
        return values
    if kind == "values" or (kind == "auto" and are_numbers.any()):
        wrong = int(np.argmin(are_numbers))  # the first that is not a finite number
        raise ValueError(
            f"{where.format(lines[wrong])}: expected a finite number, got {labels[wrong]!r}"
            + ("" if kind == "values" else " beside numbers; use kind='classes' if it is a class")
        )
    return np.array(labels)
