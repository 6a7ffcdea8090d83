"""Sentences that follow from measured values, and numbers in them that rounding does not make wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Sentence:
    """What an experiment shows, as a condition on its values and a sentence for either outcome.

    Attributes
    ----------
    holds : bool
        Whether the claim holds for the measured values.
    text : str
        The sentence if it holds.
    otherwise : str
        The sentence if it does not: what came out instead.
    """

    holds: bool
    text: str
    otherwise: str

    def __str__(self) -> str:
        return self.text if self.holds else self.otherwise


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal; 100% and 0% only if it is exactly that."""
    if fraction == 0.0 or fraction >= 1.0:
        return f"{fraction:.0%}"
    if 0.9995 <= fraction < 1.0:
        return "more than 99.9%"
    return "less than 0.1%" if fraction < 0.0005 else f"{fraction:.1%}"


def at_least(fraction: float) -> str:
    """The words "at least" and a percentage, rounded down."""
    return f"at least {math.floor(fraction * 1000) / 10:g}%"


def at_most(fraction: float) -> str:
    """The words "at most" and a percentage, rounded up."""
    return f"at most {math.ceil(fraction * 1000) / 10:g}%"


def number(value: float, digits: int = 2) -> str:
    """A number with so many significant digits; as a power of ten if it is very small or large."""
    rounded = f"{value:.{digits}g}"
    if value == 0 or (abs(value) >= 1e-3 and abs(float(rounded)) < 10.0**digits):
        return rounded.replace("-", "−")
    return f"{value:,.0f}".replace("-", "−") if 1.0 <= abs(value) < 1e6 else power(value, digits - 1)


def power(value: float, digits: int = 0) -> str:
    """A very small or large number as a power of ten: 2·10⁻³⁰; "0" for 0, and words for what is no number."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{'−' if value < 0 else ''}∞"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return mantissa.replace("-", "−") + "·10" + str(int(exponent)).translate(SUPERSCRIPT)


def bound(value: float) -> str:
    """The next power of ten that is not smaller: 10⁻⁹ for 2·10⁻¹⁰."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return power(value)
    return "10" + str(math.ceil(math.log10(value))).translate(SUPERSCRIPT)


def equality(difference: float) -> str:
    """How equal numbers are, from their largest difference: "bit for bit", or "but for rounding (10⁻⁷ at most)"."""
    return "bit for bit" if difference == 0 else f"but for rounding ({bound(difference)} at most)"


def fixed(value: float, digits: int = 2) -> str:
    """A number with fixed decimals and a minus sign of the right width; never "−0.00"."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")
