"""How numbers are written in text."""

from __future__ import annotations

import re

from gpunet.tables.libraries import polars
from gpunet.tables.series import Series

_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
_POINT = rf"(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}"
_COMMA = rf"(?:[0-9]+,?[0-9]*|,[0-9]+|[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}})+(?:,[0-9]*)?){_EXPONENT}"
_THOUSANDS = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?"
STYLES = {
    style: rf"^[+-]?(?:{pattern}|(?i:inf|infinity))$"
    for style, pattern in (("point", _POINT), ("comma", _COMMA), ("thousands", _THOUSANDS))
}
"""Ways to write numbers: 1.5; 1,5 and 1.234,5; 1,234.5. Thousands begin with no zero: 0.125 and 0,125 are fractions.
"inf" is a number, which inputs take as missing."""

UNITS = ("$", "€", "£", "¥", "%")

_LEADING_ZERO = r"^[+-]?0[0-9]+$"
# 1E2 is a product's code in a column of whole numbers, and 100 beside decimal points or signed exponents.
_LETTER_E = r"^[0-9]+E[0-9]+$"
_REAL = r"[.,]|[eE][+-]|e"


def style_order(decimal: str) -> tuple[str, ...]:
    """In which order the styles are tried: where "1,234" could be two numbers, the first that fits is meant.

    Parameters
    ----------
    decimal : {".", ",", ""}
        The decimal mark of the file; "" if it shows none.
    """
    return ("comma", "point", "thousands") if decimal == "," else ("point", "thousands", "comma")


def best_style(cells: Series, decimal: str) -> tuple[str, Series]:
    """The style that fits most cells, and which cells it fits.

    Parameters
    ----------
    cells : Series of text
        Different cells, none missing.
    decimal : {".", ",", ""}
        The decimal mark of the file; "" if it shows none.
    """
    best, fits = "point", cells.str.contains(r"^$")
    for style in style_order(decimal):
        those = cells.str.contains(STYLES[style])
        if those.sum() > fits.sum():
            best, fits = style, those
        if fits.all():
            break
    return best, fits


def common_unit(cells: Series) -> str:
    """The symbol that every cell holds ($, €, £, ¥ or %), or "" if there is none."""
    return next((unit for unit in UNITS if cells.str.contains(unit, literal=True).all()), "")


def without_unit(cells: Series, unit: str) -> Series:
    """The cells without their symbol."""
    return cells.str.replace(unit, "", literal=True).str.strip_chars() if unit else cells


def are_codes(cells: Series) -> bool:
    """Whether cells that look like numbers are codes: 02139, 007, or 1E2 among whole numbers."""
    if cells.str.contains(_LEADING_ZERO).any():
        return True
    return bool(cells.str.contains(_LETTER_E).any() and not cells.str.contains(_REAL).any())


def to_float(cells: Series, style: str) -> Series:
    """Text as float64; null where it is no number written in that style."""
    pl = polars()
    fits = cells.str.contains(STYLES[style])
    if style == "comma":
        cells = cells.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    elif style == "thousands":
        cells = cells.str.replace_all(",", "", literal=True)
    numbers = cells.cast(pl.Float64, strict=False)
    return pl.select(pl.when(fits).then(numbers)).to_series()


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether one cell is a number: 1.5 or, with a decimal comma, 1,5."""
    return any(
        re.match(STYLES[style], cell) for style in (("comma", "point") if decimal == "," else ("point",))
    )


def shows_point(cell: str) -> bool:
    """Whether one cell is a number with a decimal point, which can't be the point of 1.234 thousands."""
    return bool(re.match(STYLES["point"], cell) and not re.match(STYLES["comma"], cell))


def is_whole(cell: str) -> bool:
    """Whether one cell is a whole number that could be a column's name: no sign, point or exponent."""
    return cell.isascii() and cell.isdigit()
