"""Whether the first line of a table names its columns."""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.tables.missing import MISSING
from gpunet.tables.numerals import is_number, is_whole

_YEARS = range(1800, 2201)


def has_header(
    first: Sequence[str], rows: Sequence[Sequence[str]], asked: Sequence[str | int], decimal: str
) -> bool:
    """Decide whether the first line is a header.

    It is one, if one of its cells is a name that was asked for, or if its first cell alone is empty, above a column of
    different cells (names of rows). A line without a number is one, unless the table holds
    words alone and each cell of the line occurs again below it. A line with numbers is one only if they can be names,
    that is, whole numbers and all different, and

    - a word stands above a column of numbers; or
    - the numbers count up from 0 (three or more of them, or beside an unnamed first column) or count years, and no
      cell below them continues them; or they count up from 0 or 1 above columns that do not hold whole numbers; or
    - they count up and a word beside them does not occur in its column, whose words recur.

    Parameters
    ----------
    first : sequence of str
        The cells of the first line.
    rows : sequence of sequence of str
        The lines below it, or the first thousand of them.
    asked : sequence of str or int
        The columns that the caller names.
    decimal : {".", ",", ""}
        The decimal mark; "" if no number shows it.
    """
    if any(isinstance(name, str) and name in first and not is_number(name) for name in asked):
        return True
    if _names_beside_row_names(first, rows):
        return True
    numbers = [k for k, cell in enumerate(first) if is_number(cell, decimal)]
    words = [k for k, cell in enumerate(first) if k not in numbers and cell and cell not in MISSING]
    below = [[row[k] for row in rows if row[k] and row[k] not in MISSING] for k in range(len(first))]
    if not numbers:
        if any(is_number(cell, decimal) for column in below for cell in column):
            return True
        return not words or not all(first[k] in below[k] for k in words)
    if not all(is_whole(first[k]) for k in numbers) or len({first[k] for k in numbers}) < len(numbers):
        return False
    if any(below[k] and all(is_number(cell, decimal) for cell in below[k]) for k in words):
        return True
    if not words:
        return _counts(first, numbers, below, decimal)
    names = [int(first[k]) for k in numbers]
    return _count_up(names) and any(
        first[k] not in below[k] and len(set(below[k])) < len(below[k]) for k in words
    )


def _names_beside_row_names(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether all but the first cell are different names, above a first column of different row names."""
    names, row_names = first[1:], [row[0] for row in rows]
    different = len(set(names)) == len(names) and len(set(row_names)) == len(row_names)
    return first[0] == "" and len(names) > 1 and all(names) and len(rows) > 1 and all(row_names) and different


def _counts(first: Sequence[str], numbers: list[int], below: list[list[str]], decimal: str) -> bool:
    """Whether a line of numbers alone counts the columns or names years."""
    names = [int(first[k]) for k in numbers]
    if not _count_up(names) or not any(below):
        return False
    unnamed_first = first[0] == "" and numbers == list(range(1, len(first)))
    if names[0] == 0 and (len(names) > 2 or unnamed_first):
        return True
    if names[0] in (0, 1) and len(names) > 1:
        return all(not all(is_whole(cell) for cell in below[k]) for k in numbers)
    years = len(names) > 1 and names[0] in _YEARS and names[-1] in _YEARS
    return years and not any(is_whole(cell) and int(cell) in _YEARS for k in numbers for cell in below[k])


def _count_up(names: list[int]) -> bool:
    return names == list(range(names[0], names[0] + len(names)))
