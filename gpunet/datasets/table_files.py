"""Tables of the user's own: delimited text, Parquet, Arrow, and DataFrames of any library."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpunet.core.checks import flag, known_name
from gpunet.datasets.chosen_columns import asked_for, chosen_columns
from gpunet.tables.delimited import read_delimited
from gpunet.tables.frames import is_readable, tidy_text, to_polars
from gpunet.tables.libraries import polars
from gpunet.tables.missing import missing_words
from gpunet.tables.series import Frame
from gpunet.tables.table import Table
from gpunet.tables.target import TARGET_KINDS, missing_targets
from gpunet.tables.text import decode, unzip

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather")
STANDARD_INPUT = "-"
_ARROW_STREAM = b"\xff\xff\xff\xff"


def is_table_file(path: str) -> bool:
    """Whether a path is that of a table, by its ending; "-" is standard input."""
    return path == STANDARD_INPUT or Path(path.lower().removesuffix(".gz")).suffix in TABLE_SUFFIXES


def read_table(
    data: Any,
    *,
    target: str | int | None = None,
    drop: str | int | Sequence[str | int] = (),
    columns: str | int | Sequence[str | int] | None = None,
    missing: str | Sequence[str] | None = None,
    separator: str | None = None,
    header: bool | None = None,
    kind: str = "auto",
) -> Table:
    """Read a table, with nothing guessed about its cells.

    Parameters
    ----------
    data : path, "-", binary file, DataFrame of any library, or dict of str to sequence
        What a file is, its first bytes say: Parquet, Arrow (Feather), or delimited text (.csv, .tsv, .txt), plain or
        in gzip. Text may be UTF-8, UTF-16 or Latin-1, with lines ended by LF, CRLF or CR, with comment lines (#) and
        with separators at the line's end; blank lines are no rows, rows of empty cells are. "-" is standard input.
        DataFrames (pandas, Polars, PyArrow, …) are read through narwhals.
    target : str or int, optional
        The target column, by name or by number from 0; negative numbers count from the end. Rows without a target
        are left out, and counted in `Table.left_out`.
    drop : column or sequence of columns
        Columns that are not features. A text may name several, with commas between them.
    columns : column or sequence of columns, optional
        The feature columns; all but the target if left out.
    missing : str or sequence of str, optional
        The words that mean "missing", instead of the usual ones (`gpunet.tables.missing.MISSING`); empty cells always
        do.
    separator : str, optional
        Text only: the character between cells; ``,`` ``;`` tab and ``|`` are found out.
    header : bool, optional
        Text only: whether the first line names the columns. Left out, the rule of `gpunet.tables.header.has_header`
        decides. Without a header the columns are called "column 0", "column 1", …
    kind : {"auto", "classes", "values"}
        What the target is; see `gpunet.tables.Target`.

    Returns
    -------
    Table
        The feature columns and the target's, as they were written.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ImportError
        If the extra ``tables`` is not installed.
    TypeError
        If `data` is no table, no path and no binary file.
    ValueError
        If the file is none of these, a line has too few or too many cells (it is named), two columns have one name, or
        a column is unknown.
    """
    known_name("kind of target", kind, TARGET_KINDS)
    if header is not None:
        flag("header", header)
    words = missing_words(missing)
    asked = asked_for(target, drop, columns)
    table = _source(data, separator, header, asked)
    frame, name = table.frame, table.name
    features, goal = chosen_columns(frame.columns, name, target, drop, columns)
    labels = None if goal is None else frame[goal]
    read = Table(
        frame.select(features), labels, name, kind, words, table.decimal, table.lines, 0, table.notes
    )
    if labels is None:
        return read
    lost = missing_targets(labels, words)
    if lost.all():
        raise ValueError(
            f"{name}: expected targets in column {goal!r}, all of its {len(lost)} cells are missing"
        )
    if not lost.any():
        return read
    kept = read.take(~lost)
    return Table(
        *(kept.frame, kept.labels, name, kind, words, table.decimal, kept.lines, int(lost.sum()), table.notes)
    )


def _source(data: Any, separator: str | None, header: bool | None, asked: Sequence[str | int]) -> Table:
    """All columns of a file or DataFrame."""
    if isinstance(data, Table):
        _require_text("a Table", separator, header)
        return data
    if isinstance(data, str | os.PathLike):
        if os.fspath(data) == STANDARD_INPUT:
            return _of_bytes(sys.stdin.buffer.read(), "standard input", separator, header, asked)
        if "://" in os.fspath(data):
            raise ValueError(f"{data} is an address: download the file first, and give its path")
        path = Path(data).expanduser()
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name a file in it")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not a file; check the path (now in {Path.cwd()})")
        return _of_bytes(path.read_bytes(), str(path), separator, header, asked)
    if hasattr(data, "read"):
        content = data.read()
        if isinstance(content, str):
            raise TypeError(
                "expected a file opened for bytes, got one opened for text; open it with mode 'rb'"
            )
        return _of_bytes(content, str(getattr(data, "name", "table")), separator, header, asked)
    if is_readable(data):
        _require_text("a DataFrame", separator, header)
        return Table(to_polars(data, "table"))
    raise TypeError(f"expected a path, a binary file or a DataFrame, got {type(data).__name__}")


def _of_bytes(
    data: bytes, where: str, separator: str | None, header: bool | None, asked: Sequence[str | int]
) -> Table:
    """What a file is, its first bytes say."""
    data = unzip(data, where)
    if not data or data.isspace():
        raise ValueError(f"{where} is empty: expected a table")
    pl = polars()
    for magic, reader in (
        (b"PAR1", pl.read_parquet),
        (b"ARROW1", pl.read_ipc),
        (_ARROW_STREAM, pl.read_ipc_stream),
    ):
        if data.startswith(magic):
            _require_text(where, separator, header)
            return Table(_typed(reader, data, where), name=where)
    if data.startswith(b"FEA1"):
        raise ValueError(
            f"{where}: expected Feather of version 2, got version 1; write it again, or as Parquet"
        )
    if data.startswith(b"\x93NUMPY") or where.lower().endswith(".npz"):
        raise ValueError(
            f"{where}: expected a table, got arrays of NumPy; read them with gpunet.datasets.load"
        )
    if data.startswith(b"PK\x03\x04"):
        raise ValueError(f"{where}: expected a table, got a zip archive or an Excel workbook; save it as CSV")
    if data.lstrip()[:9].lower() in (b"<!doctype", b"<html>", b"<html lan"):
        raise ValueError(
            f"{where}: expected a table, got a web page (HTML); download the file itself, not the page that shows it"
        )
    if data.lstrip().startswith((b'[{"', b'{"')):
        raise ValueError(
            f"{where}: expected a table, got JSON; read it with pandas.read_json or polars.read_json, and give the "
            "DataFrame"
        )
    ending = Path(where.lower()).suffix
    if ending in (".parquet", ".arrow", ".feather"):
        raise ValueError(
            f"{where}: expected a file that begins as {ending} files do; it is damaged, or of another kind: write it "
            "again, or end the name of a text in .csv"
        )
    text = decode(data, where)
    read = read_delimited(text, where, separator=separator, header=header, asked=asked)
    return Table(read.frame, name=where, decimal=read.decimal, lines=read.lines, notes=read.notes)


def _require_text(what: str, separator: str | None, header: bool | None) -> None:
    """Raise a ValueError if an option of text files is given for what is none."""
    for name, given in (("separator", separator), ("header", header)):
        if given is not None:
            raise ValueError(f"{name} goes with text files, and {what} is none: leave it out")


def _typed(reader: Any, data: bytes, where: str) -> Frame:
    """A Parquet or Arrow file."""
    pl = polars()
    try:
        frame = reader(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise ValueError(
            f"{where}: expected a whole Parquet or Arrow file with columns of different names, got one that Polars "
            f"cannot read ({error}); write it again"
        ) from error
    if frame.height == 0:
        raise ValueError(f"{where} has no rows")
    return frame.with_columns([tidy_text(column) for column in frame.get_columns()])
