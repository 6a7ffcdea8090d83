"""Which cells of a column are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gpunet.tables.libraries import polars
from gpunet.tables.series import Series

EXCEL_ERRORS = ("#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!")
MISSING = (
    *("?", "-", ".", "NA", "na", "N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "NaT"),
    *("null", "Null", "NULL", "None"),
    *EXCEL_ERRORS,
)
"""The words that mean "missing" where the caller names none. The case counts: "Na" is sodium."""


def missing_words(missing: str | Sequence[str] | None) -> tuple[str, ...]:
    """The words that mean "missing": those asked for, else `MISSING`.

    Parameters
    ----------
    missing : str or sequence of str, optional
        Words, or one text with commas between them (``"?,NA,-"``). They replace the usual ones; ``()`` and ``""``
        leave none. An empty cell is always missing.
    """
    if missing is None:
        return MISSING
    words = missing.split(",") if isinstance(missing, str) else missing
    words = list(words) if isinstance(words, Iterable) else [words]
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"missing must be words such as '-999' or ['?', 'NA'], got {missing!r}")
    return tuple(word for word in (word.strip() for word in words) if word)


def words_of_column(cells: Series, words: tuple[str, ...]) -> tuple[str, ...]:
    """The missing words of one column: all of `words`, but no "-" in a column that also holds "+"."""
    return words_beside(cells.dtype == polars().String and bool((cells == "+").any()), words)


def words_beside(plus: bool, words: tuple[str, ...]) -> tuple[str, ...]:
    """The missing words of a column that holds "+", or does not: there the usual "-" is a word like any other."""
    return tuple(word for word in words if word != "-") if plus and words == MISSING else words


def without_missing(cells: Series, words: tuple[str, ...]) -> Series:
    """The cells, null where they are missing: empty, NaN, or one of `words`."""
    pl = polars()
    if cells.dtype == pl.String:
        return (
            cells.to_frame()
            .select(pl.when(pl.first().is_in(list(words)).not_()).then(pl.first()))
            .to_series()
        )
    if cells.dtype.is_float():
        return cells.fill_nan(None)
    return cells
