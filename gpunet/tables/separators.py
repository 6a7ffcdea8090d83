"""Which character separates the cells of a text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter

from gpunet.tables.numerals import is_number

SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
EXCEL_SEPARATOR = re.compile(rb'"?sep=([\t;|,])"?\n')  # the first line, as Excel writes it
_SAMPLE_BYTES, _SAMPLE_LINES = 2**17, 1000  # of the beginning, that decide


def find_separator(data: bytes) -> str:
    """The separator that gives all lines the same number of cells, and more than one; a comma if none does.

    Where several do, it is the one that leaves most cells numbers (";" in ``1,5;2,5``). Blanks separate where nothing
    else does and most cells are numbers then.
    """
    sample = data[:_SAMPLE_BYTES]
    if len(sample) < len(data):  # up to the last whole line
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    lines = sample.decode("utf-8", "replace").split("\n")
    text = "\n".join([line for line in lines if line.strip() and not line.startswith("#")][:_SAMPLE_LINES])
    best, best_score = ",", (0.0, 0.0)
    for separator in SEPARATORS:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator))
        if not rows:
            continue
        ((width, count),) = Counter(map(len, rows)).most_common(1)
        if width < 2:
            continue
        decimal = "." if separator == "," else ","
        cells = [cell.strip() for row in rows for cell in row if cell.strip()]
        numbers = sum(is_number(cell, decimal) for cell in cells)
        score = (count / len(rows), numbers / max(len(cells), 1))
        if score > best_score:
            best, best_score = separator, score
    rows = [line.split() for line in text.splitlines()]
    if best_score == (0.0, 0.0) and len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
        cells = [cell for row in rows for cell in row]
        if sum(map(is_number, cells)) > len(cells) / 2:
            return " "
    return best


def one_blank(data: bytes) -> bytes:
    """Text with one blank between cells and none around them; text with quotation marks as it is."""
    if b'"' in data:
        return data
    return re.sub(rb" +", b" ", re.sub(rb"(?m)^ +| +$", b"", data))
