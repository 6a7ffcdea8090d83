"""What an experiment returns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Result:
    """Measured values, a figure, and what they show.

    Attributes
    ----------
    values : mapping of str to float, str or list of float
        The measured values by name.
    observation : str
        What they show, in one to three sentences.
    figure : matplotlib.figure.Figure
    alt : str
        A description of the figure for people who cannot see it.
    mistake : str
        A mistake in the notes and its effect, measured; else empty.
    """

    values: Mapping[str, Any]
    observation: str
    figure: Any
    alt: str
    mistake: str = ""

    def lines(self, width: int) -> list[str]:
        """The values as lines of at most `width` characters."""
        column = max(len(name) for name in self.values) + 2
        lines = []
        for name, value in self.values.items():
            text = f"{name:<{column}}{format_value(value)}"
            lines += textwrap.wrap(text, width, subsequent_indent=" " * column, drop_whitespace=True)
        return lines


def format_value(value: Any) -> str:
    """A number with four significant digits, a list separated by commas, a string as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) for item in value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-3 <= abs(value) < 1e7:
        return power(value, 1)
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def power(value: float, digits: int = 0) -> str:
    """A very small or large number as a power of ten: 2·10⁻³⁰."""
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return mantissa.replace("-", "−") + "·10" + str(int(exponent)).translate(SUPERSCRIPT)
