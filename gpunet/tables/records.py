"""Where the records (rows) of a delimited text begin and end, and how many cells each has.

Polars fills short rows without an error and stops at a lone quotation mark, so the structure is checked first. The
positions of separators, line ends and quotation marks come from NumPy, so that this costs little next to the parsing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
_LF, _QUOTE = ord("\n"), ord('"')


class Records(NamedTuple):
    """The records of a text, blank lines among them.

    Attributes
    ----------
    data : bytes
        The text, quoted as RFC 4180 has it.
    starts, ends : array of int64
        First byte of each record, and the one after its last.
    cells : array of int64
        Cells of each record.
    lines : array of int64
        Line of the file where each record begins, from 1.
    """

    data: bytes
    starts: Positions
    ends: Positions
    cells: Positions
    lines: Positions

    def take(self, which: NDArray[np.bool_]) -> Records:
        """Some of the records."""
        return Records(self.data, self.starts[which], self.ends[which], self.cells[which], self.lines[which])

    def bytes_of(self, record: int | np.integer[Any]) -> bytes:
        """The text of a record."""
        return self.data[self.starts[record] : self.ends[record]]

    def joined(self) -> bytes:
        """All records as one text; records that lie together are copied together."""
        if len(self.starts) == 0:
            return b""
        breaks = np.flatnonzero(self.starts[1:] != self.ends[:-1] + 1) + 1
        first = np.concatenate([[0], breaks])
        last = np.concatenate([breaks, [len(self.starts)]]) - 1
        return (
            b"\n".join(self.data[self.starts[a] : self.ends[b]] for a, b in zip(first, last, strict=True))
            + b"\n"
        )


def records(data: bytes, separator: str, where: str) -> Records:
    """Find the records of a text with LF line ends.

    Raises
    ------
    ValueError
        If quotation marks do not match; the line is named.
    """
    found = _scan(data, separator)
    if found is not None:
        return found
    text = io.StringIO()
    # As RFC 4180 has it, and with each cell on the line where it was.
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(
        _read_with_csv(data, separator, where)
    )
    found = _scan(text.getvalue().encode("utf-8"), separator)
    assert found is not None  # the writer quotes as the scan expects
    return found


def _scan(data: bytes, separator: str) -> Records | None:
    """The records, or None where a quotation mark stands inside a cell."""
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == _LF)
    separators = np.flatnonzero(array == ord(separator))
    quotes = np.flatnonzero(array == _QUOTE)
    if len(quotes):
        if len(quotes) % 2 or not _quotes_enclose_cells(array, quotes, ord(separator)):
            return None
        # Outside of quotation marks, an even number of them has gone before.
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
        separators = separators[np.searchsorted(quotes, separators) % 2 == 0]
    if len(data) and (len(ends) == 0 or ends[-1] != len(data) - 1):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    cells = np.diff(np.searchsorted(separators, np.append(starts, len(data)))) + 1
    line_ends = np.flatnonzero(array == _LF)
    lines = np.searchsorted(line_ends, starts) + 1
    return Records(data, starts, ends, cells, lines)


def _quotes_enclose_cells(array: NDArray[np.uint8], quotes: Positions, separator: int) -> bool:
    """Whether quotation marks open at a cell's beginning and close at its end; doubled ones do both."""
    opening, closing = quotes[::2], quotes[1::2]
    # At the ends of the text, the mark itself stands for what is not there.
    before, after = array[np.maximum(opening - 1, 0)], array[np.minimum(closing + 1, len(array) - 1)]
    borders = (separator, _LF, _QUOTE)
    return bool(np.isin(before, borders).all() and np.isin(after, borders).all())


def _read_with_csv(data: bytes, separator: str, where: str) -> Iterator[list[str]]:
    """The cells of each record, with quotation marks inside of cells and blanks before them."""
    text = io.StringIO(data.decode("utf-8"))
    reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
    limit = csv.field_size_limit(len(data))
    line = 1
    try:
        for cells in reader:
            yield cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{where}, line {line}: expected quotation marks around whole cells, got something else ({error}); "
            'write a quotation mark inside of a quoted cell twice ("")'
        ) from error
    finally:
        csv.field_size_limit(limit)
