"""DataFrames of any library to Polars, cell for cell."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gpunet.tables.delimited import require_different
from gpunet.tables.libraries import narwhals, polars
from gpunet.tables.series import Frame, Series

_TYPES = (bool, str, datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal)
_CONTAINERS = (list, dict, tuple, set, bytes, np.ndarray)


def is_readable(data: Any) -> bool:
    """Whether :func:`to_polars` reads `data`: a DataFrame of a library that narwhals knows, or a mapping of columns."""
    nw = narwhals()
    return isinstance(data, Mapping) or isinstance(_wrapped(data), nw.DataFrame | nw.LazyFrame)


def names_of(frame: Any) -> list[Any]:
    """The names of a DataFrame's columns, which need not be text."""
    names = getattr(frame, "column_names", None)  # PyArrow's; its `columns` are the columns themselves
    return list(frame.columns if names is None else names)


def _wrapped(data: Any) -> Any:
    """A DataFrame as narwhals wraps it; other objects as they are."""
    nw = narwhals()
    try:
        frame = nw.from_native(data, pass_through=True)
        if isinstance(frame, nw.DataFrame):
            require_different([str(name) for name in frame.columns], "the table")  # 0 and "0" are one name
    except nw.exceptions.DuplicateError:
        require_different([str(name) for name in names_of(data)], "the table")
        raise
    return frame


def to_polars(data: Any, where: str) -> Frame:
    """A DataFrame as a Polars DataFrame: names as text, text without blanks around it, null where missing.

    Nullable and categorical columns keep every value; integers stay integers beside missing cells; cells of several
    Python types become text.

    Raises
    ------
    TypeError
        If it is no DataFrame.
    ValueError
        If two columns have one name.
    """
    pl, nw = polars(), narwhals()
    if isinstance(data, Mapping):
        columns = [(str(name), values) for name, values in data.items()]
        require_different([name for name, _ in columns], where)
        lengths = {name: _rows_of(where, name, values) for name, values in columns}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{where}: expected columns of equal length, got {lengths}")
        return _beside(columns, to_series)
    frame = _wrapped(data)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        raise TypeError(
            f"{where}: expected a DataFrame, got {type(data).__name__}; a dict of columns will do too, and files are "
            "read with gpunet.datasets.read_table"
        )
    native = frame.to_native()
    if frame.implementation.is_pyarrow():
        native = pl.from_arrow(native)
    elif not frame.implementation.is_polars():
        names = [str(name) for name in frame.columns]
        native = _beside(list(zip(names, frame.iter_columns(), strict=True)), _by_cells)
    return native.with_columns([tidy_text(column) for column in native.get_columns()])


def _rows_of(where: str, name: str, values: Any) -> int:
    """How many rows a column of a dict has."""
    single = isinstance(values, str | bytes | Mapping | set | frozenset)
    shape = getattr(values, "shape", ())
    if len(shape) > 1:
        raise ValueError(f"{where}: {name!r} must be one column (m,), got shape {tuple(shape)}")
    try:
        if not single:
            return len(values)
    except TypeError:  # a number, a generator
        pass
    hint = f"; a single row is [{values!r}]" if isinstance(values, str | numbers.Number) else ""
    raise TypeError(
        f"{where}: column {name!r} must be a list, an array or a Series, with an entry for each row; got "
        f"{values!r}{hint}"
    )


def _beside(columns: list[tuple[str, Any]], convert: Callable[[str, Any], Series]) -> Frame:
    """Columns side by side; one may have no name."""
    made = polars().DataFrame(
        [convert(name, column).alias(f"column {k}") for k, (name, column) in enumerate(columns)]
    )
    if columns:
        made.columns = [name for name, _ in columns]
    return made


def to_series(name: str, values: Any) -> Series:
    """One column of any kind (a Series, an array, a list) as a Polars Series."""
    pl = polars()
    if isinstance(values, pl.Series):
        return tidy_text(values.alias(name))
    nw = narwhals()
    wrapped = nw.from_native(values, pass_through=True, allow_series=True)
    if isinstance(wrapped, nw.Series):
        if wrapped.implementation.is_pyarrow():
            return tidy_text(pl.from_arrow(wrapped.to_native()).alias(name))
        return tidy_text(_by_cells(name, wrapped))
    if hasattr(values, "to_pylist"):  # a PyArrow Array
        return tidy_text(pl.from_arrow(values).alias(name))
    if hasattr(values, "dtype") and hasattr(values, "tolist"):  # NumPy's, or one like it
        if values.ndim != 1:
            raise ValueError(f"{name!r} must be one column (m,), got shape {tuple(values.shape)}")
        kind = getattr(values.dtype, "kind", "O")  # PyTorch has no kinds
        if kind in "biuf":
            return pl.Series(name, values)
        if kind in "mM":
            values = values.astype(_microseconds(values.dtype))
        values = values.tolist()
    return tidy_text(from_objects(name, list(values)))


def from_objects(name: str, cells: list[Any]) -> Series:
    """Python objects as a column: of their type if all have one, else as text."""
    pl = polars()
    cells = python_objects(cells)
    kinds = {type(cell) for cell in cells if cell is not None}
    rounded = float in kinds and any(type(cell) is int and abs(cell) > 2**53 for cell in cells)
    if kinds <= {int, float} and not rounded:
        with contextlib.suppress(TypeError, OverflowError):  # beyond 64 bits
            return pl.Series(name, cells, pl.Float64 if float in kinds else pl.Int64)
    if any(kinds == {kind} for kind in _TYPES):
        return pl.Series(name, cells)
    if any(isinstance(cell, _CONTAINERS) for cell in cells):
        return pl.Series(name, cells, pl.Object)
    return pl.Series(name, [None if cell is None else str(cell) for cell in cells], pl.String)


def python_objects(cells: Iterable[Any]) -> list[Any]:
    """Cells as Python's own objects: None where missing, and single numbers and dates of NumPy's types as Python's."""
    return [_python_object(cell) for cell in cells]


def _python_object(cell: Any) -> Any:
    if getattr(cell, "ndim", None) == 0:
        if isinstance(cell, np.datetime64 | np.timedelta64):
            cell = cell.astype(_microseconds(cell.dtype))
        cell = cell.item()
    return None if _is_missing(cell) else cell


def _microseconds(dtype: np.dtype[Any]) -> str:
    """The dtype of dates, or of durations, that Python's objects are made of: nanoseconds would become integers."""
    return f"{dtype.kind}8[us]"


def _is_missing(cell: Any) -> bool:
    """Whether a Python object means that there is none: None, NaN, pandas.NA, NaT."""
    return (
        cell is None
        or type(cell).__name__ in ("NAType", "NaTType")
        or (isinstance(cell, float) and cell != cell)
    )


def _by_cells(name: str, column: Any) -> Series:
    """A narwhals Series, cell for cell; moments with a time zone in UTC."""
    pl, nw = polars(), narwhals()
    if column.dtype.is_numeric() and column.null_count() == 0:
        return pl.Series(name, column.to_numpy())
    if isinstance(column.dtype, nw.Datetime):
        if column.dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        cells = column.cast(nw.Datetime("us")).to_list()
        return pl.Series(name, [None if _is_missing(cell) else cell for cell in cells], pl.Datetime("us"))
    cells = column.to_list()
    made = from_objects(name, cells)
    if isinstance(column.dtype, nw.Categorical | nw.Enum):
        return made.cast(pl.String).cast(pl.Categorical)
    return made


def tidy_text(column: Series) -> Series:
    """Text without blanks around it, null where there is none; other columns as they are."""
    pl = polars()
    if column.dtype != pl.String:
        return column
    text = pl.col(column.name).str.strip_chars()
    return column.to_frame().select(pl.when(text != "").then(text)).to_series()
