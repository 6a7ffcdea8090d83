"""Which columns tell nothing about new rows, and become no input."""

from __future__ import annotations

import re

from gpunet.tables.libraries import polars
from gpunet.tables.missing import without_missing
from gpunet.tables.reading import Reading
from gpunet.tables.series import Series

_ROWS = 20  # from so many rows on, text with one value per row is no category
_UNNAMED = re.compile(r"^(?:|Unnamed: \d+|index|__index_level_\d+__)$")  # as pandas and R write row numbers
_IDENTIFIER = re.compile(
    r"^(?:id|idx|key|uuid|guid|row|rownames|row_?id|row_?nr|row_?num(?:ber)?)$|(?:_|\s|-)id$|^index$", re.I
)
_CAMEL = re.compile(r"[a-z]I[dD]$")


def reason_left_out(cells: Series, reading: Reading) -> str | None:
    """Why a column becomes no input; None if it may.

    - "row numbers": whole numbers, all different, without a name. They need not be in order, nor complete: the training
      part is a random choice of the rows.
    - "one value per row": all different, and named like an id (``id``, ``customer_id``, ``customerId``); or text in at
      least 20 rows.
    - "empty", or "type List(Int64)" and the like, which have no cells of a known kind.

    Parameters
    ----------
    cells : polars.Series
        The column in the training part.
    reading : Reading
        How it is read.
    """
    if reading.kind == "unsupported":
        return f"type {reading.written}"
    if reading.kind == "empty":
        return "empty"
    pl = polars()
    named_so = bool(_IDENTIFIER.search(cells.name) or _CAMEL.search(cells.name))
    unnamed = bool(_UNNAMED.match(cells.name))
    text = reading.kind == "category" and cells.dtype == pl.String
    if not (text or (reading.kind == "number" and (named_so or unnamed))):
        return None
    present = without_missing(cells, reading.missing).drop_nulls()
    if len(present) < 2 or present.n_unique() < len(present):
        return None
    if reading.kind == "number":
        if not _are_integers(present):
            return None
        return "row numbers" if unnamed else "one value per row"
    if len(present) < len(cells):
        return None  # which cells are missing may tell something
    return "one value per row" if named_so or len(present) >= _ROWS else None


def _are_integers(present: Series) -> bool:
    if present.dtype == polars().String:
        return bool(present.str.contains(r"^[0-9]+$").all())
    return bool(present.dtype.is_integer())
