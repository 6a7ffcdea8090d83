"""Delimited text (.csv, .tsv, .txt) to columns of text, with nothing guessed about the cells."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.tables.header import has_header
from gpunet.tables.libraries import polars
from gpunet.tables.missing import EXCEL_ERRORS
from gpunet.tables.numerals import is_number, shows_point
from gpunet.tables.records import Records, records
from gpunet.tables.separators import EXCEL_SEPARATOR, SEPARATORS, find_separator, one_blank
from gpunet.tables.series import Frame
from gpunet.tables.text import Text

_CALLED = {"cp1252": "Latin-1", "latin-1": "Latin-1", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
_SAMPLE = 1000  # lines that decide on the header
_EMPTY = b' ,;|\t"\n'  # cells of such bytes hold nothing
_HOLDS = ~np.isin(np.arange(256), list(_EMPTY))  # by byte: whether a cell with it holds something


class Delimited(NamedTuple):
    """A table as it was written.

    Attributes
    ----------
    frame : polars.DataFrame
        Text, blanks around it removed, null where a cell is empty.
    lines : array of int64
        The line of the file that each row begins in, from 1.
    decimal : {".", ",", ""}
        The decimal mark; "" if no number shows it.
    notes : tuple of str
        What was understood beyond the usual (UTF-8, commas, a header).
    """

    frame: Frame
    lines: NDArray[np.int64]
    decimal: str
    notes: tuple[str, ...]


def read_delimited(
    text: Text,
    where: str,
    *,
    separator: str | None = None,
    header: bool | None = None,
    asked: Sequence[str | int] = (),
) -> Delimited:
    """Read a delimited text.

    Parameters
    ----------
    text : Text
        The text.
    where : str
        What messages call it.
    separator : str, optional
        One character between cells; found out if left out. Blanks count as one, however many there are.
    header : bool, optional
        Whether the first line names the columns; found out if left out (`gpunet.tables.header.has_header`).
    asked : sequence of str or int
        The columns that the caller names.

    Raises
    ------
    ValueError
        If there are no rows, or a row has too few or too many cells; the line is named.
    """
    notes = [] if text.encoding == "utf-8" else [f"read as {_CALLED.get(text.encoding, text.encoding)}"]
    data = text.data
    if line := EXCEL_SEPARATOR.match(data):
        separator = line[1].decode() if separator is None else separator
        data = b"\n" + data[line.end() :]  # a blank line keeps the count of lines
    if separator is None:
        separator = find_separator(data)
        if separator != ",":
            notes.append(f"separated by {SEPARATORS.get(separator, 'blanks')}")
    elif (
        not isinstance(separator, str)
        or len(separator) != 1
        or not separator.isascii()
        or separator in '"\n\r'
    ):
        raise ValueError(f"separator must be one ASCII character such as ',' or ';', got {separator!r}")
    if separator == " ":
        data = one_blank(data)
    found = _without_blank(records(data, separator, where), separator)
    found, comments, commented_names = _without_comments(found, separator)
    if header is not False:
        found = _without_empty_top(found)
    if comments:
        notes.append(f"{comments} comment line{'s' if comments > 1 else ''} skipped")
    if len(found.starts) == 0:
        raise ValueError(f"{where} is empty: expected a header and rows of cells")

    first, rows = _cells(found.bytes_of(0), separator), found.take(np.arange(len(found.starts)) > 0)
    sample = [_cells(rows.bytes_of(k), separator) for k in range(min(len(rows.starts), _SAMPLE))]
    decimal = _decimal(sample, separator)
    if decimal == ",":
        notes.append("decimal commas")
    if header is None:
        equal = [row for row in sample if len(row) == len(first) and any(row)]
        if len(commented_names) == len(first) > 1 and any(is_number(cell, decimal) for cell in first):
            first, rows, header = commented_names, found, True
        else:
            header = has_header(first, equal, asked, decimal) if equal or not sample else True
    if header:
        names = first
    else:
        names, rows = [f"column {k}" for k in range(len(first))], found
        notes.append(
            f"no header: the columns are called {names[0]}" + (f" to {names[-1]}" if names[1:] else "")
        )
    if len(rows.starts) == 0:
        raise ValueError(f"{where} has a header and no rows: expected rows of cells below it")
    rows, names = _aligned(rows, names, separator, where)
    frame = _parse(rows, len(names), separator, where)
    names, kept = _without_empty_ends(names, frame)
    frame = frame.select(frame.columns[:kept])
    return Delimited(_named(frame, names, where), rows.lines, decimal, tuple(notes))


def _cells(line: bytes, separator: str) -> list[str]:
    limit = csv.field_size_limit(len(line) + 1)
    try:
        cells = next(csv.reader([line.decode("utf-8")], delimiter=separator), [])
    finally:
        csv.field_size_limit(limit)
    return [cell.strip() for cell in cells]


def _without_blank(found: Records, separator: str) -> Records:
    """The records but blank lines. A row of empty cells is one, if it has as many as another that holds something."""
    array = np.frombuffer(found.data, np.uint8)
    # Up to the next record: its end is a line's
    keep = np.logical_or.reduceat(_HOLDS[array], found.starts)
    if keep.all():
        return found
    blank = b" \n" if separator == "\t" else b" \t\n"
    written = np.logical_or.reduceat(~np.isin(array, list(blank)), found.starts)
    return found.take(keep | (written & np.isin(found.cells, found.cells[keep])))


def _without_empty_top(found: Records) -> Records:
    """The records from the first that holds something: rows of empty cells above it are no header."""
    numbers = range(len(found.starts))
    first = next((k for k in numbers if found.bytes_of(k).strip(_EMPTY)), len(numbers))
    return found.take(np.arange(len(numbers)) >= first) if first else found


def _without_comments(found: Records, separator: str) -> tuple[Records, int, list[str]]:
    """The records without comments; how many there were; and the last one before the table, as names.

    A line that begins with # is a comment, unless half of all lines do, or its first cell is an error of Excel
    (#N/A).
    """
    array = np.frombuffer(found.data, np.uint8)
    if len(found.starts) == 0:
        return found, 0, []
    marked = array[found.starts] == ord("#")
    for k in np.flatnonzero(marked):
        marked[k] = _cells(found.bytes_of(k), separator)[0] not in EXCEL_ERRORS
    if not marked.any() or marked.all():
        return found, 0, []
    top = int(np.argmin(marked))  # the first that is no comment
    body = marked[top:]
    if 2 * body.sum() >= len(body) > 1:  # colours, ranks: only lines above the table can be comments
        marked = marked & (np.arange(len(marked)) < top) & (found.cells != found.cells[top])
        if not marked.any():
            return found, 0, []
    names: list[str] = []
    if top > 0:
        line = found.bytes_of(top - 1)
        names = _cells(line if line[1:2] == separator.encode() else line.lstrip(b"# "), separator)
    return found.take(~marked), int(marked.sum()), names


def _decimal(sample: list[list[str]], separator: str) -> str:
    """The decimal mark that columns of numbers show, or "": a comma only where it separates no cells."""
    if separator == ",":
        return "."
    shown = ""
    for k in range(max(map(len, sample), default=0)):
        column = [row[k] for row in sample if k < len(row) and row[k]]
        commas = [cell for cell in column if "," in cell]
        if commas and all(is_number(cell, ",") for cell in commas):
            return ","
        points = [cell for cell in column if "." in cell]
        if all(map(is_number, points)) and any(map(shows_point, points)):
            shown = "."
    return shown


def _aligned(rows: Records, names: list[str], separator: str, where: str) -> tuple[Records, list[str]]:
    """Rows of equal width, and a name for each of their cells.

    Raises
    ------
    ValueError
        Naming the first line with too few or too many cells.
    """
    width = int(rows.cells[0]) if (rows.cells == rows.cells[0]).all() else len(names)
    if width == len(names) + 1:
        if _last_cells_empty(rows, separator):
            names = [*names, ""]
        else:  # R writes the names of the rows without a name above them
            names = ["", *names]
    elif len(names) > width and not any(names[width:]):
        names = names[:width]
    extra = rows.cells == len(names) + 1
    if extra.any() and _last_cells_empty(rows.take(extra), separator):
        rows = rows._replace(ends=rows.ends - extra, cells=rows.cells - extra)
    wrong = np.flatnonzero(rows.cells != len(names))
    if len(wrong):
        k = int(wrong[0])
        raise ValueError(
            f"{where}, line {rows.lines[k]}: expected {len(names)} cells as in the first line, got "
            f"{rows.cells[k]}; give each line as many, or name the separator"
        )
    return rows, names


def _last_cells_empty(rows: Records, separator: str) -> bool:
    array = np.frombuffer(rows.data, np.uint8)
    return bool((array[rows.ends - 1] == ord(separator)).all())


def _parse(rows: Records, width: int, separator: str, where: str) -> Frame:
    pl = polars()
    try:
        frame = pl.read_csv(
            io.BytesIO(rows.joined()),
            has_header=False,
            separator=separator,
            quote_char='"',
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{where}: expected delimited text, got what Polars cannot read ({error})"
        ) from error
    if frame.shape != (len(rows.starts), width):
        raise ValueError(
            f"{where}: expected {len(rows.starts)} rows of {width} cells, Polars read {frame.shape}; quote cells that "
            "hold separators or line ends"
        )
    text = pl.all().str.strip_chars()
    return frame.select(pl.when(text != "").then(text).name.keep())


def _without_empty_ends(names: list[str], frame: Frame) -> tuple[list[str], int]:
    """Drop unnamed columns at the end that hold nothing, as trailing separators make them."""
    kept = len(names)
    while kept > 1 and names[kept - 1] == "" and frame[:, kept - 1].is_null().all():
        kept -= 1
    return names[:kept], kept


def _named(frame: Frame, names: list[str], where: str) -> Frame:
    require_different(names, where)
    frame.columns = names
    return frame


def require_different(names: Sequence[str], where: str) -> None:
    """Raise a ValueError if two columns have one name."""
    name, count = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        called = f"are called {name!r}" if name else "have no name"
        raise ValueError(f"{where}: expected columns of different names, {count} {called}; rename them")
