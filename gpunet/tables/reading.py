"""What the cells of a column mean: numbers, categories, booleans, dates.

One rule for text of every origin; a column that has a type keeps it.

- Missing cells do not count.
- Text is **numbers** if every cell is one, or one beside the same symbol ($5, 12 %). A leading zero (02139, 007) or an
  E between whole numbers (1E2) makes codes of them, and codes are categories. Up to three words (such as "n.d.") beside
  more than 20 different numbers, or in at most one cell of twenty, are taken as missing, and `TableEncoder.describe`
  says so.
- Text is **booleans** if every cell is true or false, **dates** or **times** if one format fits every cell.
- All other text is **categories**.

All numbers of a column are read in one way (`gpunet.tables.numerals.STYLES`), the first that fits every cell: in
training that of the file's decimal mark, then others. Later it is that of training; but in a file that shows another
decimal mark than the file of training did, that of its own mark comes first. So 1.500 is 1500 in a file with decimal
commas, whatever the training had.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.core.checks import known_name
from gpunet.tables import dates, numerals, stored
from gpunet.tables.libraries import polars
from gpunet.tables.missing import without_missing, words_of_column
from gpunet.tables.series import Series

DECIMALS = (".", ",", "")
KINDS = ("number", "category", "boolean", "date", "time")
_BOOLEANS = ("true", "false")
_FEW_WORDS = 3  # different words among numbers that may be taken as missing
_FEW_CELLS = 0.05  # the largest fraction of cells that they may be
_MANY_NUMBERS = 20  # or any fraction, beside more different numbers than this


@dataclass(frozen=True)
class Reading:
    """How the cells of one column are read.

    Parameters
    ----------
    kind : {"number", "category", "boolean", "date", "time", "empty", "unsupported"}
        What they are.
    missing : tuple of str
        The words that mean "missing".
    written : str
        Numbers: "point", "comma" or "thousands". Dates and times: their format.
    words : tuple of str
        Words among numbers that are taken as missing.
    unit : str
        A symbol that stands beside every number: $, €, £, ¥ or %.
    decimal : {".", ",", ""}
        Text: the decimal mark of the file of training; "" if it showed none.
    """

    kind: str
    missing: tuple[str, ...] = ()
    written: str = ""
    words: tuple[str, ...] = ()
    unit: str = ""
    decimal: str = ""

    def to_state(self) -> dict[str, Any]:
        """All of it as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any], missing: tuple[str, ...] = ()) -> Reading:
        """What `to_state` gave; `missing` are the words where it names none."""
        words = missing if state["missing"] is None else stored.texts("missing words", state["missing"])
        return cls(
            known_name("kind of cells", state["kind"], PLURALS),
            words,
            stored.text("written", state["written"]),
            stored.texts("words", state["words"]),
            stored.text("unit", state["unit"]),
            known_name("decimal mark", state.get("decimal", ""), DECIMALS),  # not in older files
        )

    def present(self, cells: Series) -> Series:
        """The cells, null where they are missing."""
        return without_missing(cells, self.missing + self.words)

    def numbers(self, cells: Series, decimal: str = "") -> NDArray[np.float64]:
        """Cells of any kind but categories as float64: NaN where missing or infinite.

        Booleans are 0 and 1, dates seconds since 1970, times seconds of the day. A date with a time zone, or an offset
        from UTC, counts in UTC, whether it is typed or text; one without counts as it is written.

        Raises
        ------
        ValueError
            If a cell is not of the kind; the message begins with the row, as ``{row}``.
        """
        present = self.present(cells)
        if present.null_count() == len(present):  # then their type says nothing
            return np.full(len(present), np.nan)
        if self.kind == "number":
            found = _numbers(present, self, decimal)
        elif self.kind == "boolean":
            found = _booleans(present)
        else:
            found = _times(present, self.kind, self.written)
        if found is None:
            raise Misread(f"expected {PLURALS[self.kind]}, got a column of {cells.dtype}", None)
        lost = (found.is_null() & present.is_not_null()).arg_true()
        if len(lost):
            row = int(lost[0])
            raise Misread(f"expected {PLURALS[self.kind]} as in training, got {cells[row]!r}", row)
        values: NDArray[np.float64] = found.fill_null(np.nan).to_numpy().astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        return values

    def texts(self, cells: Series) -> Series:
        """Categories as text, null where missing; whole numbers are written without a point."""
        return as_text(self.present(cells))


class Misread(ValueError):
    """A cell that is not of its column's kind; `row` counts from 0."""

    def __init__(self, message: str, row: int | None) -> None:
        super().__init__(message)
        self.row = row


PLURALS = {
    "number": "numbers",
    "category": "categories",
    "boolean": "booleans",
    "date": "dates",
    "time": "times of day",
}


def read_cells(
    cells: Series,
    missing: tuple[str, ...],
    decimal: str = "",
    *,
    kind: str | None = None,
    strict: bool = False,
) -> Reading:
    """Decide how a column is read.

    Parameters
    ----------
    cells : polars.Series
        The column as it was written.
    missing : tuple of str
        The words that mean "missing".
    decimal : {".", ",", ""}
        The decimal mark of the file; "" if it shows none.
    kind : str, optional
        One of `KINDS`, where the caller knows better.
    strict : bool
        Whether every word among numbers makes the column categories.

    Raises
    ------
    ValueError
        If the cells are not of the kind that the caller names.
    """
    missing = words_of_column(cells, missing)
    present = without_missing(cells, missing).drop_nulls()
    found = _guess(present, missing, decimal, strict)
    if kind is None or found.kind in (kind, "empty"):
        return found
    if found.kind == "unsupported":
        raise ValueError(
            f"{cells.name!r} cannot be read as {PLURALS[kind]}: it has the type {found.written}; convert or drop it"
        )
    if kind == "category":
        return Reading("category", missing)
    if kind == "number" and found.kind in ("category", "boolean"):
        if present.dtype.is_(polars().String):
            style, fits = numerals.best_style(present.unique(), decimal)
            if fits.all():
                return Reading("number", missing, style, decimal=decimal)
        elif found.kind == "boolean":
            return Reading("number", missing, "point")
    raise ValueError(f"{cells.name!r} cannot be read as {PLURALS[kind]}: it holds {PLURALS[found.kind]}")


def as_text(cells: Series) -> Series:
    """Cells as text: whole numbers without a point, booleans as True and False, text as it is."""
    pl = polars()
    if cells.dtype == pl.String:
        return cells
    if cells.dtype == pl.Boolean:
        return pl.select(
            pl.when(cells).then(pl.lit("True")).when(cells.not_()).then(pl.lit("False"))
        ).to_series()
    if cells.dtype.is_float():
        if bool((cells == cells.round()).all()) and bool((cells.abs() < 2**53).all()):
            return cells.cast(pl.Int64).cast(pl.String)
        values = cells.to_list()
        texts = [
            None if value is None else str(int(value)) if value % 1 == 0 else repr(value) for value in values
        ]
        return pl.Series(cells.name, texts, pl.String)
    if cells.dtype == pl.Datetime:  # in one unit and in UTC, whatever the column has
        cells = cells.dt.cast_time_unit("us").to_physical().cast(pl.Datetime("us"))
    return cells.cast(pl.String)


def _guess(present: Series, missing: tuple[str, ...], decimal: str, strict: bool) -> Reading:
    pl = polars()
    dtype = present.dtype
    if len(present) == 0:
        return Reading("empty", missing)
    if dtype == pl.Boolean:
        return Reading("boolean", missing)
    if dtype.is_numeric() or dtype == pl.Duration:
        return Reading("number", missing, "point")
    if dtype in (pl.Date, pl.Datetime):
        return Reading("date", missing)
    if dtype == pl.Time:
        return Reading("time", missing)
    if dtype in (pl.Categorical, pl.Enum):
        return Reading("category", missing)
    if dtype != pl.String:
        return Reading("unsupported", missing, str(dtype))
    return _guess_text(present, missing, decimal, strict)


def _guess_text(present: Series, missing: tuple[str, ...], decimal: str, strict: bool) -> Reading:
    # Among many different cells, finding all that differ would cost more than reading all.
    different = present if present.head(1000).n_unique() > 500 else present.unique()
    if different.str.to_lowercase().is_in(list(_BOOLEANS)).all():
        return Reading("boolean", missing)
    unit = numerals.common_unit(different)
    style, fits = numerals.best_style(numerals.without_unit(different, unit), decimal)
    words = different.filter(~fits).unique()
    numbers = different.filter(fits)
    if len(numbers) and not numerals.are_codes(numbers):
        if len(words) == 0:
            return Reading("number", missing, style, unit=unit, decimal=decimal)
        different_numbers = numbers.n_unique()
        few = len(words) <= _FEW_WORDS < different_numbers and not strict
        if few and (different_numbers > _MANY_NUMBERS or present.is_in(words.to_list()).mean() <= _FEW_CELLS):
            return Reading("number", missing, style, tuple(words.sort().to_list()), decimal=decimal)
    if len(numbers) == 0:
        written = dates.date_format(different)
        if written is not None:
            return Reading("date", missing, written)
        written = dates.time_format(different)
        if written is not None:
            return Reading("time", missing, written)
    return Reading("category", missing)


def _numbers(present: Series, reading: Reading, decimal: str) -> Series | None:
    pl = polars()
    dtype = present.dtype
    if dtype == pl.Duration:
        return present.dt.total_microseconds().cast(pl.Float64) / 1e6
    if dtype.is_numeric() or dtype == pl.Boolean:
        return present.cast(pl.Float64)
    if dtype in (pl.Categorical, pl.Enum):
        present = present.cast(pl.String)
    if present.dtype != pl.String:
        return None
    present = numerals.without_unit(present, reading.unit)
    styles = numerals.style_order(decimal)
    another_mark = decimal not in ("", reading.decimal)
    for style in dict.fromkeys((*styles[:another_mark], reading.written, *styles)):
        numbers = numerals.to_float(present, style)
        if numbers.null_count() == present.null_count():
            return numbers
    return numerals.to_float(present, reading.written)


def _booleans(present: Series) -> Series | None:
    pl = polars()
    if present.dtype == pl.Boolean:
        return present.cast(pl.Float64)
    if present.dtype.is_numeric():
        numbers = present.cast(pl.Float64)
        return pl.select(pl.when(numbers.is_in([0.0, 1.0])).then(numbers)).to_series()
    if present.dtype != pl.String:
        return None
    lower = present.str.to_lowercase()
    is_true, is_false = lower.is_in(["true", "1"]), lower.is_in(["false", "0"])
    return pl.select(pl.when(is_true).then(1.0).when(is_false).then(0.0)).to_series()


def _times(present: Series, kind: str, written: str) -> Series | None:
    pl = polars()
    dtype = present.dtype
    if kind == "time":
        if dtype == pl.Time:
            return present.to_physical().cast(pl.Float64) / 1e9
        if dtype == pl.String:
            written = written or dates.time_format(present.drop_nulls().unique()) or "%H:%M"
            return dates.to_seconds_of_day(present, written)
        return None
    if dtype == pl.Date:
        return present.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 1e6
    if dtype == pl.Datetime:
        return present.dt.cast_time_unit("us").to_physical().cast(pl.Float64) / 1e6
    if dtype == pl.String:
        written = written or dates.date_format(present.drop_nulls().unique()) or "%Y-%m-%d"
        return dates.to_seconds(present, written)
    return None
