"""The cells of a target column: of NumPy or Python, or of a Polars Series.

Numbers and plain words need no other library; Polars reads what may be codes, dates, or numbers written in some other
way.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.tables import dates, numerals
from gpunet.tables.frames import from_objects, python_objects, to_series
from gpunet.tables.libraries import polars
from gpunet.tables.missing import without_missing, words_beside, words_of_column
from gpunet.tables.reading import Misread, Reading, as_text, read_cells
from gpunet.tables.series import Series

_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")  # with a leading zero it would be a code
_NO_WORD = tuple(re.compile(pattern) for pattern in (*numerals.STYLES.values(), dates.LOOK, dates.CLOCK))


class TargetCells(ABC):
    """What :class:`gpunet.tables.Target` asks of the cells of its column.

    Attributes
    ----------
    name : str
        Of the column.
    """

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, row: int) -> Any:
        """A cell, for messages."""

    @abstractmethod
    def read(self, missing: tuple[str, ...], decimal: str = "") -> Reading:
        """How the cells are read: a single word among numbers makes words of all."""

    @abstractmethod
    def missing(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which cells are missing: empty, NaN, or one of `words`."""

    @abstractmethod
    def texts(self, words: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        """The different cells as text, and for each cell the position of its text; −1 where it is missing."""

    @abstractmethod
    def numbers(self, reading: Reading, decimal: str = "") -> NDArray[np.float64]:
        """As :meth:`gpunet.tables.reading.Reading.numbers`."""

    def words_for_missing(self, missing: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the words that mean "missing" in this column."""
        return missing

    def are_whole(self, reading: Reading) -> bool:
        """Whether all numbers that are there are whole and finite."""
        values = self.numbers(reading)[~self.missing(reading.missing)]
        return bool((values == np.floor(values)).all())  # NaN is not


class NumberCells(TargetCells):
    """Numbers or booleans in a NumPy array.

    Parameters
    ----------
    name : str
    values : array, shape (m,)
    absent : array of bool, shape (m,), optional
        Cells that are missing, beside those that are NaN.
    """

    def __init__(self, name: str, values: NDArray[Any], absent: NDArray[np.bool_] | None = None) -> None:
        self.name, self.values = name, values
        self._absent = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), np.bool_)
        if absent is not None:
            self._absent |= absent

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> Any:
        return self.values[row].item()

    def read(self, missing: tuple[str, ...], decimal: str = "") -> Reading:
        """Numbers, or booleans."""
        if self._absent.all():
            return Reading("empty", missing)
        if self.values.dtype.kind == "b":
            return Reading("boolean", missing)
        return Reading("number", missing, "point")

    def missing(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which are NaN, or were no number."""
        return self._absent

    def texts(self, words: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        """Whole numbers without a point, booleans as True and False."""
        different, positions = np.unique(self.values[~self._absent], return_inverse=True)
        found = np.full(len(self), -1)
        found[~self._absent] = positions.reshape(-1)
        return [_number_text(value) for value in different.tolist()], found

    def numbers(self, reading: Reading, decimal: str = "") -> NDArray[np.float64]:
        """The numbers as float64: NaN where missing or infinite."""
        values = self.values.astype(np.float64)
        values[self._absent] = np.nan
        if reading.kind == "boolean" and (odd := ~np.isin(values, (0.0, 1.0)) & ~self._absent).any():
            row = int(np.argmax(odd))
            raise Misread(f"expected booleans as in training, got {self[row]!r}", row)
        values[np.isinf(values)] = np.nan
        return values


class WordCells(TargetCells):
    """Text.

    Parameters
    ----------
    name : str
    cells : list of str or None
    category : bool
        Whether they are known to be categories, whatever they look like.
    """

    def __init__(self, name: str, cells: list[str | None], *, category: bool = False) -> None:
        self.name, self.cells, self.category = name, cells, category
        numbers: dict[str | None, int] = {}
        positions = (numbers.setdefault(cell, len(numbers)) for cell in cells)
        self._positions = np.fromiter(positions, np.int64, len(cells))
        # Without blanks around it; two ways to write a word may become one.
        self._different = [None if cell is None else cell.strip() or None for cell in numbers]

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, row: int) -> Any:
        return self._different[self._positions[row]]

    def read(self, missing: tuple[str, ...], decimal: str = "") -> Reading:
        """Words, booleans or whole numbers; Polars reads what may be something else."""
        missing = self.words_for_missing(missing)
        present = [cell for cell in self._different if cell is not None and cell not in missing]
        if not present:
            return Reading("empty", missing)
        if self.category:
            return Reading("category", missing)
        if all(cell.lower() in ("true", "false") for cell in present):
            return Reading("boolean", missing)
        if all(map(_WHOLE.fullmatch, present)):
            return Reading("number", missing, "point")
        if any(map(_is_word, present)):
            return Reading("category", missing)
        return self._series().read(missing, decimal)

    def missing(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which are empty, or one of `words`."""
        absent = [cell is None or cell in words for cell in self._different]
        return np.array(absent, np.bool_)[self._positions]

    def texts(self, words: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        """The words as they are written."""
        numbers: dict[str, int] = {}
        positions = [
            -1 if cell is None or cell in words else numbers.setdefault(cell, len(numbers))
            for cell in self._different
        ]
        return list(numbers), np.array(positions, np.int64)[self._positions]

    def numbers(self, reading: Reading, decimal: str = "") -> NDArray[np.float64]:
        """Whole numbers; Polars reads others."""
        texts, positions = self.texts(reading.missing)
        if reading.kind != "number" or not all(map(_WHOLE.fullmatch, texts)):
            return self._series().numbers(reading, decimal)
        values = np.array([*map(float, texts), np.nan])  # the last one is for those that are missing
        return values[positions]

    def words_for_missing(self, missing: tuple[str, ...]) -> tuple[str, ...]:
        """No "-" beside "+"."""
        return words_beside("+" in self._different, missing)

    def _series(self) -> SeriesCells:
        return SeriesCells(self.name, to_series(self.name, list(self.cells)))


class SeriesCells(TargetCells):
    """A Polars Series.

    Parameters
    ----------
    name : str
    cells : polars.Series
    """

    def __init__(self, name: str, cells: Series) -> None:
        self.name, self.cells = name, cells

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, row: int) -> Any:
        return self.cells[row]

    def read(self, missing: tuple[str, ...], decimal: str = "") -> Reading:
        """See :func:`gpunet.tables.reading.read_cells`."""
        return read_cells(self.cells, missing, decimal, strict=True)

    def missing(self, words: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which are null, NaN, or one of `words`."""
        found: NDArray[np.bool_] = without_missing(self.cells, words).is_null().to_numpy()
        return found

    def texts(self, words: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
        """As :func:`gpunet.tables.reading.as_text` writes them."""
        texts = as_text(without_missing(self.cells, words))
        different = texts.drop_nulls().unique().to_list()
        numbers = {text: k for k, text in enumerate(different)}
        positions = texts.replace_strict(numbers, default=-1, return_dtype=polars().Int64)
        return different, positions.to_numpy()

    def numbers(self, reading: Reading, decimal: str = "") -> NDArray[np.float64]:
        """See :meth:`gpunet.tables.reading.Reading.numbers`."""
        return reading.numbers(self.cells, decimal)

    def words_for_missing(self, missing: tuple[str, ...]) -> tuple[str, ...]:
        """No "-" beside "+"."""
        return words_of_column(self.cells, missing)

    def are_whole(self, reading: Reading) -> bool:
        """At once for a column of integers."""
        return bool(self.cells.dtype.is_integer()) or super().are_whole(reading)


def target_cells(name: str, values: Any) -> TargetCells:
    """The cells of one column of any kind: a Series of any library, a NumPy array or a list, (m,).

    Raises
    ------
    ValueError
        If an array is not one column.
    TypeError
        If it is none of these.
    ImportError
        If Polars is needed, and is not installed.
    """
    dtype: Any = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype):
        array = np.asarray(values)
        if array.ndim != 1:
            raise ValueError(f"{name!r} must be one column (m,), got shape {array.shape}")
        if dtype.kind in "biuf":
            return NumberCells(name, array, np.ma.getmaskarray(values))
        if dtype.kind not in "UTO":
            return SeriesCells(name, to_series(name, values))
    category = getattr(dtype, "name", "") == "category" or "dictionary" in str(getattr(values, "type", ""))
    if not isinstance(values, list | tuple):
        listed = getattr(values, "tolist", None) or getattr(values, "to_pylist", None)  # pandas, PyArrow
        if listed is None and hasattr(values, "to_list"):  # Polars
            return SeriesCells(name, to_series(name, values))
        if listed is None and hasattr(values, "to_numpy"):
            return target_cells(name, np.asarray(values.to_numpy()))
        if listed is None:
            raise TypeError(f"{name!r} must be an array, a list or a Series, got {type(values).__name__}")
        values = listed()
    return _of_objects(name, python_objects(values), category=category)


def _of_objects(name: str, cells: list[Any], *, category: bool) -> TargetCells:
    """Python objects, None where missing."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds - {bool, int, float, str}:
        return SeriesCells(name, from_objects(name, cells))
    if not category and kinds in ({bool}, {int}, {float}, {int, float}):
        absent = np.array([cell is None for cell in cells], np.bool_)
        values = np.array([0 if cell is None else cell for cell in cells])
        # NumPy 2.0 makes float64 of integers beyond int64, too.
        exact = values.dtype.kind != "f" or not any(type(cell) is int and abs(cell) > 2**53 for cell in cells)
        if exact and values.dtype.kind in "biuf":  # else an integer is beyond 64 bits, or float64 rounds it
            return NumberCells(name, values.astype(np.bool_) if kinds == {bool} else values, absent)
    return WordCells(name, [None if cell is None else str(cell) for cell in cells], category=category)


def _number_text(value: bool | int | float) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else repr(value)


def _is_word(cell: str) -> bool:
    """Whether a cell is certainly neither a number, with a unit or without, nor a date or time."""
    bare = re.sub(f"[{''.join(numerals.UNITS)}]", "", cell, count=1).strip()
    return not any(pattern.match(text) for pattern in _NO_WORD for text in (cell, bare))
