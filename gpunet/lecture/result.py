"""What an experiment returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Result:
    """Figures, a picture, and what to see in it.

    Attributes
    ----------
    figures : mapping of str to float, str or list of float
        What was measured, by a name that can be read aloud.
    seen : str
        What one sees, in a sentence or three.
    picture : matplotlib.figure.Figure
    alt : str
        The picture in words, for people who can't see it.
    slip : str
        Where the notes differ from the corrected claim, and what training with the slip costs; else empty.
    """

    figures: Mapping[str, Any]
    seen: str
    picture: Any
    alt: str
    slip: str = ""

    def lines(self) -> list[str]:
        """Return the figures as text, one a line."""
        width = max(len(name) for name in self.figures)
        return [f"{name:<{width}}  {number(value)}" for name, value in self.figures.items()]


def number(value: Any) -> str:
    """Write a figure: four digits, a list with commas, words as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-3 <= abs(value) < 1e7:
        return power(value, 1)
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def power(value: float, digits: int = 0) -> str:
    """Write a very small or large number as people do: 2·10⁻³⁰."""
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return mantissa.replace("-", "−") + "·10" + str(int(exponent)).translate(RAISED)
